"""Two processes fetch one day at once: one does it, the other says so, and the day is right."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.steps.fetch.planned import DAY, PlannedRun, Planner, expect_whole, hidden_files, ingest
from lse_dagster_tests.worlds.archiver import Archiver, Order
from lse_dagster_tests.worlds.langsmith import TracedProject

Start = Callable[..., Archiver]


@pytest.fixture
def runs(project: TracedProject) -> list[PlannedRun]:
    """A day of the project."""
    runs = Planner(f"two at once {project.name}").spread(300)
    ingest(project.api, runs)
    return runs


@pytest.fixture
def start(sandbox: Sandbox, project: TracedProject, tmp_path: Path) -> Start:
    """Start a process that archives the day into the test's folder."""

    def start(*, waits_after_first_page: bool = False) -> Archiver:
        order = Order(
            sandbox.langsmith_url,
            project.name,
            str(tmp_path),
            DAY.isoformat(),
            waits_after_first_page=waits_after_first_page,
        )
        return Archiver(order, sandbox.env["LANGSMITH_API_KEY"])

    return start


def expect_right(root: Path, project: str, runs: list[PlannedRun]) -> None:
    day = DayStore(root).load(project, DAY)
    expect_whole(day, runs)
    assert hidden_files(day.path.parent) == {f".{DAY}.lock"}


def test_who_comes_second_is_told_that_the_day_is_busy_and_the_first_is_not_disturbed(
    start: Start, runs: list[PlannedRun], project: TracedProject, tmp_path: Path
) -> None:
    with start(waits_after_first_page=True) as first:
        assert first.says() == "first page"

        with start() as second:
            assert second.outcome() == "DayIsBusy"
        first.go_on()

        assert first.outcome() == "published"
    expect_right(tmp_path, project.name, runs)


def test_who_comes_after_a_process_that_was_killed_finds_the_day_free(
    start: Start,
    runs: list[PlannedRun],
    project: TracedProject,
    transport: Transport,
    tmp_path: Path,
) -> None:
    with start(waits_after_first_page=True) as first:
        assert first.says() == "first page"
        first.kill()

    store = DayStore(tmp_path)
    store.publish(fetch_day(transport, store, project.name, DAY).staged, "superset")

    expect_right(tmp_path, project.name, runs)


@pytest.mark.parametrize("attempt", range(3))
def test_a_race_has_a_winner_and_nobody_breaks_the_day(
    attempt: int, start: Start, runs: list[PlannedRun], project: TracedProject, tmp_path: Path
) -> None:
    with start() as one, start() as other, start() as third:
        outcomes = {one.outcome(), other.outcome(), third.outcome()}

    assert "published" in outcomes
    assert outcomes <= {"published", "DayIsBusy"}
    expect_right(tmp_path, project.name, runs)
