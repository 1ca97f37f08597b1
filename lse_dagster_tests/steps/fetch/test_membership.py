"""Which day a run belongs to: the one in which LangSmith counts it, whatever its dotted order says."""

import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import trace_file_name
from lse_dagster.langsmith.errors import IncompleteDay
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.recount import count_again, outlines_of_folder
from lse_dagster_tests.steps.fetch.archived import (
    DAY,
    LAST_MOMENT,
    LONG_AFTER,
    MIDNIGHT,
    NEXT_DAY,
    NOON,
    Archive,
)
from lse_dagster_tests.worlds.langsmith import TracedProject
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

MAY = datetime.fromisoformat("2025-05-01T10:00:00+00:00")
OCTOBER = datetime.fromisoformat("2025-10-01T10:00:00+00:00")

Write = Callable[[datetime, str], str]
"""A segment of a dotted order, of a start and an id."""


def shifted(begin: datetime) -> Write:
    """The time of another day."""
    return lambda start, run_id: f"{begin + (start - NOON):%Y%m%dT%H%M%S%fZ}{run_id}"


ORDERS: dict[str, Write] = {
    "good": shifted(NOON),
    "backdated": shifted(MAY),
    "replayed": shifted(OCTOBER),
    "a day early": shifted(NOON - timedelta(days=1)),
    "without times": lambda start, run_id: run_id,
    "numbers": lambda start, run_id: "2",
    "no ids": lambda start, run_id: f"{start:%Y%m%dT%H%M%S%fZ}",
    "other ids": lambda start, run_id: f"{start:%Y%m%dT%H%M%S%fZ}{uuid.uuid4()}",
}


def trace(project: TracedProject, starts: list[datetime], write: Write) -> list[str]:
    """A root and its children, one below the other; their ids."""
    ids = [str(uuid.uuid4()) for _ in starts]
    for depth, start in enumerate(starts):
        path = [write(moment, run_id) for moment, run_id in zip(starts, ids, strict=True)][: depth + 1]
        parent = ids[depth - 1] if depth else None
        order = ".".join(path)
        project.api.add_run(start, id=ids[depth], trace_id=ids[0], parent_run_id=parent, dotted_order=order)
    return ids


def expect_counted(day: DayFolder, *, in_day: int, tail: int = 0, roots: int = 0) -> None:
    """The day holds what LangSmith counts, in numbers."""
    summary, counts = day.summary, day.summary.counts
    assert (counts.runs_started_in_day, counts.root_runs) == (
        summary.langsmith_total,
        summary.langsmith_root_total,
    )
    assert (counts.runs_started_in_day, counts.tail_runs, counts.root_runs) == (in_day, tail, roots)


@pytest.fixture(params=["v2", "v1"])
def api(request: pytest.FixtureRequest, langsmith_sandbox: ControlClient) -> str:
    """The sandbox with this generation of the API."""
    langsmith_sandbox.settings(v2=request.param == "v2")
    return str(request.param)


@pytest.mark.parametrize("omitted", [[], ["dotted_order"], ["dotted_order", "parent_run_ids", "is_root"]])
@pytest.mark.parametrize("write", ORDERS.values(), ids=ORDERS)
def test_a_trace_across_midnight_is_whole_in_the_day_its_root_began_and_stays_settled(
    api: str,
    write: Write,
    omitted: list[str],
    archive: Archive,
    project: TracedProject,
    langsmith_sandbox: ControlClient,
) -> None:
    starts = [LAST_MOMENT, MIDNIGHT, MIDNIGHT + timedelta(seconds=3), MIDNIGHT + timedelta(days=2)]
    ids = trace(project, starts, write)
    langsmith_sandbox.settings(v2=api == "v2", omitted_fields=omitted)

    today, tomorrow = archive.fetch(), archive.fetch(NEXT_DAY)

    expect_counted(today, in_day=1, tail=3, roots=1)
    (name,) = today.summary.trace_names()
    has_digits = api == "v1" or (not omitted and write in (ORDERS["good"], ORDERS["other ids"]))
    start = LAST_MOMENT if has_digits else LAST_MOMENT.replace(microsecond=999_000)
    assert name == trace_file_name(ids[0], start)
    assert today.run_ids() == set(ids)
    expect_counted(tomorrow, in_day=2)
    assert tomorrow.run_ids() == {*ids[1:3]}
    if write is ORDERS["good"] and not omitted:  # other dotted orders do not say that the trace is older
        assert tomorrow.summary.counts.carried_over_runs == 2
    for day in (today, tomorrow):
        again = count_again(
            archive.transport,
            project.name,
            day.date,
            now=LONG_AFTER,
            held=day.summary.counts.runs_started_in_day,
            outlines=lambda day=day: outlines_of_folder(day),  # type: ignore[misc]
        )
        assert again.is_as_archived


def test_a_start_with_all_its_digits_decides_against_a_dotted_order_of_the_next_day(
    api: str, archive: Archive, project: TracedProject
) -> None:
    start = MIDNIGHT - timedelta(microseconds=300)
    run_id = str(uuid.uuid4())
    order = f"{MIDNIGHT + timedelta(microseconds=200):%Y%m%dT%H%M%S%fZ}{run_id}"
    project.api.add_run(start, id=run_id, trace_id=run_id, dotted_order=order)

    today, tomorrow = archive.fetch(), archive.fetch(NEXT_DAY)

    expect_counted(today, in_day=1, roots=1)
    expect_counted(tomorrow, in_day=0)


offsets = st.integers(-2_500, 2_500).map(lambda us: MIDNIGHT + timedelta(microseconds=us))


@settings(max_examples=20)
@given(
    traces=st.lists(st.lists(st.tuples(offsets, offsets), min_size=1, max_size=4), min_size=1, max_size=4),
    v2=st.booleans(),
    rounds=st.booleans(),
)
def test_each_day_holds_what_langsmith_counts_for_it_wherever_the_dotted_order_puts_it(
    traces: list[list[tuple[datetime, datetime]]],
    v2: bool,
    rounds: bool,
    sandbox: Sandbox,
    transport: Transport,
    langsmith_sandbox: ControlClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    langsmith_sandbox.settings(v2=v2, round_times=rounds)
    project = TracedProject(LangSmithApi(sandbox))
    kept: dict[date, set[str]] = {DAY: set(), NEXT_DAY: set()}
    if rounds:  # then the orders have to be right, or nobody can tell a rounded start from a cut one
        traces = [[(start, start) for start, _ in of_trace] for of_trace in traces]
    for of_trace in traces:
        root = project.root(of_trace[0][0], dotted_order=segment(of_trace[0][1]))
        began = of_trace[0][0].date()
        for start, written in of_trace:
            child = project.child(root, start, dotted_order=f"{segment(written)}.{segment(written)}")
            kept[start.date()].add(child.id)
            if start.date() > began:
                kept[began].add(child.id)
        kept[began].add(root.id)
    archive = Archive(transport, project.name, tmp_path_factory.mktemp("days"))

    for day, expected in kept.items():
        found = archive.fetch(day)

        assert found.run_ids() == expected
        assert found.summary.counts.runs_started_in_day == found.summary.langsmith_total
        assert found.summary.counts.root_runs == found.summary.langsmith_root_total
        assert len(list(found.summary.trace_names())) == len({trace.trace_id for trace in found.traces()})


def segment(start: datetime) -> str:
    """A segment that says when its run started, and nothing right besides."""
    return f"{start:%Y%m%dT%H%M%S%fZ}{uuid.uuid4()}"


def test_a_trace_with_several_roots_and_none_of_its_own_id_is_whole_and_counted(
    api: str, archive: Archive, project: TracedProject
) -> None:
    conversation = str(uuid.uuid4())
    starts = [NOON, LAST_MOMENT, MIDNIGHT, MIDNIGHT + timedelta(hours=1)]
    ids = {project.api.add_run(start, trace_id=conversation) for start in starts}

    today, tomorrow = archive.fetch(), archive.fetch(NEXT_DAY)

    expect_counted(today, in_day=2, tail=2, roots=2)
    assert list(today.summary.trace_names()) == [trace_file_name(conversation, NOON)]
    assert today.run_ids() == ids
    expect_counted(tomorrow, in_day=2, roots=2)


@pytest.mark.parametrize("start", [NOON, MIDNIGHT])
def test_a_run_that_is_listed_and_does_not_come_is_an_error(
    start: datetime,
    api: str,
    archive: Archive,
    project: TracedProject,
    langsmith_sandbox: ControlClient,
) -> None:
    root = project.root(NOON)
    child = project.child(root, start)
    langsmith_sandbox.settings(unsent_runs=[child.id])

    with pytest.raises(IncompleteDay, match=child.id):
        archive.fetch()


def test_a_server_that_does_not_look_at_roots_brings_no_traces_of_later_days(
    api: str, archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    own, later = project.root(NOON), project.root(MIDNIGHT)
    project.child(later, MIDNIGHT + timedelta(seconds=1))
    tail = project.child(own, MIDNIGHT)
    langsmith_sandbox.settings(ignore_trace_filter=True)

    day = archive.fetch()

    assert day.run_ids() == {own.id, tail.id}
    expect_counted(day, in_day=1, tail=1, roots=1)
