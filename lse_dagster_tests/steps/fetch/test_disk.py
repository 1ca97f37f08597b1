"""A disk that is full or read-only: a typed error, the old day as it was, and nothing left behind."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.day.errors import DiskError
from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.steps.fetch.planned import DAY, Planner, contents, expect_whole, hidden_files, ingest
from lse_dagster_tests.worlds.archiver import Archiver, Order
from lse_dagster_tests.worlds.langsmith import TracedProject


@pytest.mark.parametrize("largest_file", [0, 1_000, 4_000, 20_000, 150_000, 300_000])
def test_a_disk_that_takes_no_more_bytes_leaves_the_old_day_and_nothing_beside_it(
    largest_file: int,
    sandbox: Sandbox,
    project: TracedProject,
    transport: Transport,
    tmp_path: Path,
) -> None:
    # given: an archived day that has got more runs since
    store, planner = DayStore(tmp_path), Planner(f"disk {project.name}")
    runs = planner.spread(20)
    ingest(project.api, runs)
    old = store.publish(fetch_day(transport, store, project.name, DAY).staged, "superset").day
    before = contents(old.path)
    more = planner.spread(230)
    ingest(project.api, more)

    # when: a process fetches it whose files cannot become larger, wherever that ends
    url, name = sandbox.langsmith_url, project.name
    order = Order(url, name, str(tmp_path), DAY.isoformat(), largest_file=largest_file)
    with Archiver(order, sandbox.env["LANGSMITH_API_KEY"]) as archiver:
        outcome = archiver.outcome()

    # then
    assert outcome == "DiskError"
    assert contents(old.path) == before
    assert hidden_files(old.path.parent) == {f".{DAY}.lock"}
    day = store.publish(fetch_day(transport, store, project.name, DAY).staged, "superset").day
    expect_whole(day, [*runs, *more])


def file_for_the_data(root: Path, project: str) -> None:
    root.write_text("not a folder")


def file_above_the_data(root: Path, project: str) -> None:
    root.parent.write_text("not a folder")


def file_for_the_project(root: Path, project: str) -> None:
    root.mkdir(parents=True)
    (root / project).write_text("not a folder")


def folder_for_the_lock(root: Path, project: str) -> None:
    (root / project / f".{DAY}.lock").mkdir(parents=True)


@pytest.mark.parametrize(
    "spoil",
    [
        file_for_the_data,
        file_above_the_data,
        file_for_the_project,
        folder_for_the_lock,
    ],
)
def test_a_place_that_cannot_be_written_is_a_disk_error_that_says_what_to_do(
    spoil: Callable[[Path, str], None], project: TracedProject, transport: Transport, tmp_path: Path
) -> None:
    root = tmp_path / "above" / "data"
    if spoil is not file_above_the_data:
        root.parent.mkdir()
    spoil(root, project.name)
    ingest(project.api, Planner(f"place {project.name}").spread(3))

    with pytest.raises(DiskError) as caught:
        fetch_day(transport, DayStore(root), project.name, DAY)

    assert "move it away" in caught.value.next_step


def test_a_file_where_a_day_is_staged_is_in_nobodys_way(
    project: TracedProject, transport: Transport, tmp_path: Path
) -> None:
    store = DayStore(tmp_path)
    (tmp_path / project.name).mkdir()
    store.staging_path(project.name, DAY).write_text("not a folder")
    runs = Planner(f"staging {project.name}").spread(3)
    ingest(project.api, runs)

    day = store.publish(fetch_day(transport, store, project.name, DAY).staged, "superset").day

    expect_whole(day, runs)
