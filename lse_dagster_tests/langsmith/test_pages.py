"""How many runs are asked for at once: by their weight, fewer when the server cannot, one at least."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.errors import PageTooLarge, Unavailable
from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.steps.fetch.planned import (
    DAY,
    START,
    PlannedRun,
    Planner,
    contents,
    expect_whole,
    ingest,
)
from lse_dagster_tests.worlds.langsmith import TracedProject, Waits

QUERY = r"/runs/query$"
MEGABYTE = 1_000_000

Archive = Callable[..., DayFolder]


@pytest.fixture
def planner(project: TracedProject) -> Planner:
    """Makes runs for the project."""
    return Planner(f"page size {project.name}")


@pytest.fixture
def archive(project: TracedProject, connect: Callable[..., Transport], tmp_path: Path) -> Archive:
    """Fetch the day and publish it; settings can be given by name."""

    def archive(**settings: object) -> DayFolder:
        store = DayStore(tmp_path)
        fetched = fetch_day(connect(**settings), store, project.name, DAY)
        return store.publish(fetched.staged, "superset").day

    return archive


def sizes(control: ControlClient) -> list[int]:
    """The page sizes that were asked for, in order; the server never reads what is dropped too early."""
    bodies = [entry.json for entry in control.requests() if entry.path.endswith("/runs/query")]
    return [body.get("page_size") or body["limit"] for body in bodies if body is not None]


def in_one_moment(planner: Planner, count: int, *, size: int = 20) -> list[PlannedRun]:
    """Runs that one worker must fetch alone."""
    return [planner.root(START, size=size) for _ in range(count)]


def test_light_runs_are_asked_for_in_pages_that_double_up_to_the_largest() -> None:
    size = PageSize(1000)

    asked = []
    for _ in range(6):
        asked.append(size.current)
        size.arrived(size.current, size.current * 1000)

    assert asked == [100, 200, 400, 800, 1000, 1000]


def test_before_anything_came_one_run_tells_whether_the_page_was_too_large_or_the_server_is_away() -> None:
    size = PageSize(1000)

    assert size.too_large(100)
    alone = size.current
    for _ in range(6):
        size.arrived(size.current, size.current * 1000)

    assert alone == 1
    assert not size.too_large(alone)
    assert size.current == 50


def test_who_never_answers_a_query_is_asked_twice_by_each_worker(
    project: TracedProject,
    planner: Planner,
    sandbox: Sandbox,
    langsmith_sandbox: ControlClient,
    tmp_path: Path,
) -> None:
    ingest(project.api, in_one_moment(planner, 3))
    langsmith_sandbox.latency({QUERY: 60})
    key, endpoint = sandbox.env["LANGSMITH_API_KEY"], sandbox.langsmith_url
    reach = LangSmithSettings(key, endpoint, read_timeout=0.3, patience=0.2)  # as 120 and 60 in earnest

    with Transport(reach, jitter=lambda: 0.0) as transport, pytest.raises(Unavailable):
        fetch_day(transport, DayStore(tmp_path), project.name, DAY)

    ranges, before_them = 12, 2
    assert transport.counters.requests <= before_them + 2 * ranges


def test_heavy_runs_are_asked_for_in_pages_of_a_few_megabytes() -> None:
    size = PageSize(1000)

    size.arrived(100, 40 * MEGABYTE)

    assert size.current * 0.4 <= 5


def test_a_run_heavier_than_any_page_is_asked_for_alone() -> None:
    size = PageSize(1000)

    size.arrived(1, 100 * MEGABYTE)

    assert size.current == 1


def test_an_empty_page_says_nothing_about_the_size() -> None:
    size = PageSize(1000)

    size.arrived(0, 30)

    assert size.current == 100


def test_a_page_that_is_too_large_is_halved_down_to_one_run() -> None:
    size = PageSize(1000)
    size.arrived(1, 1000)

    halved = []
    while size.too_large(size.current):
        halved.append(size.current)

    assert halved == [100, 50, 25, 12, 6, 3, 1]


def test_after_a_page_was_too_large_its_size_is_tried_again_only_after_many_good_ones() -> None:
    size = PageSize(1000)
    size.arrived(1, 1000)
    size.too_large(100)

    asked = []
    while size.current < 100:
        asked.append(size.current)
        size.arrived(size.current, size.current * 1000)

    assert asked[:20] == [50] * 20
    assert len(asked) >= 60


def test_the_size_stays_as_it_is_while_runs_are_about_as_heavy_as_before() -> None:
    size = PageSize(1000)

    asked = []
    for kilobytes in [20, 20, 20, 23, 17, 24, 16, 21, 20, 23]:
        asked.append(size.current)
        size.arrived(size.current, size.current * kilobytes * 1000)

    assert asked == [100] + [200] * 9


def test_workers_whose_pages_of_one_size_are_all_too_large_halve_it_once() -> None:
    size = PageSize(1000)
    size.arrived(1, 1000)

    assert [size.too_large(100) for _ in range(6)] == [True] * 6

    assert size.current == 50


def test_pages_grow_over_a_day_of_light_runs(
    archive: Archive, planner: Planner, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    runs = in_one_moment(planner, 900)
    ingest(project.api, runs)

    expect_whole(archive(), runs)

    assert max(sizes(langsmith_sandbox)) > 200
    assert len([size for size in sizes(langsmith_sandbox) if size > 1000]) == 0


@pytest.mark.parametrize("v2", [True, False])
def test_413_halves_the_page_down_to_one_run_and_the_day_is_whole(
    v2: bool,
    archive: Archive,
    planner: Planner,
    project: TracedProject,
    waits: Waits,
    langsmith_sandbox: ControlClient,
) -> None:
    runs = [*in_one_moment(planner, 5, size=20_000), *planner.spread(60)]
    ingest(project.api, runs)
    # Enough for one large run and not for two.
    langsmith_sandbox.settings(v2=v2, max_page_bytes=100_000)

    expect_whole(archive(), runs)

    assert 1 in sizes(langsmith_sandbox)
    assert waits.seconds == []


def test_a_single_run_that_is_too_large_fails_the_day_and_the_old_one_stays(
    archive: Archive,
    planner: Planner,
    project: TracedProject,
    waits: Waits,
    langsmith_sandbox: ControlClient,
) -> None:
    runs = planner.spread(30)
    ingest(project.api, runs)
    old = archive()
    before = contents(old.path)
    ingest(project.api, in_one_moment(planner, 1, size=20_000))
    langsmith_sandbox.settings(max_page_bytes=50_000)

    with pytest.raises(PageTooLarge):
        archive()

    assert contents(old.path) == before
    assert waits.seconds == []


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_breaks_down_over_a_page_is_asked_for_less(
    status: int, archive: Archive, planner: Planner, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    runs = in_one_moment(planner, 150)
    ingest(project.api, runs)
    langsmith_sandbox.clear()
    langsmith_sandbox.fault(path=QUERY, status=status, times=3)

    expect_whole(archive(), runs)

    assert min(sizes(langsmith_sandbox)) < 100


def test_an_answer_that_does_not_come_in_time_is_asked_for_again_with_less(
    archive: Archive, planner: Planner, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    runs = in_one_moment(planner, 150)
    ingest(project.api, runs)
    langsmith_sandbox.clear()
    langsmith_sandbox.fault(path=QUERY, delay=3.0, times=2)

    expect_whole(archive(read_timeout=0.5), runs)

    assert min(sizes(langsmith_sandbox)) <= 50


def test_a_server_that_is_always_too_slow_is_given_up_after_the_patience(
    archive: Archive, planner: Planner, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    ingest(project.api, planner.spread(10))
    langsmith_sandbox.fault(path=QUERY, delay=30.0, times=100_000)

    with pytest.raises(Unavailable, match="No answer came in time"):
        archive(read_timeout=0.1, patience=3.0)
