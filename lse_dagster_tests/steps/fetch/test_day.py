"""Fetching a day: each way to lose runs silently is a test; the truth is what the sandbox was given."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lse_dagster.day.errors import OverwriteRefused
from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.errors import IncompleteDay, ProjectNotFound, QueryGoesInCircles, Unauthorized
from lse_dagster.langsmith.fields import V2_SELECTS
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient, FaultFields
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster.steps.fetch.progress import FetchProgress
from lse_dagster_tests.steps.fetch.archived import (
    DAY,
    FIRST_MOMENT,
    LAST_MOMENT,
    MIDNIGHT,
    NEXT_DAY,
    NOON,
    QUERY,
    Archive,
)
from lse_dagster_tests.worlds.langsmith import TracedProject


def queries(control: ControlClient) -> list[dict[str, Any]]:
    """The bodies of the queries for whole runs that the sandbox got."""
    bodies = [entry.json for entry in control.requests() if entry.path == QUERY]
    return [body for body in bodies if body["selects"] != ["ID"]]


def test_children_are_fetched_like_roots_over_as_many_pages_as_it_takes(
    archive: Archive, project: TracedProject
) -> None:
    root = project.root(NOON)
    children = [project.child(root, NOON + timedelta(seconds=number)) for number in range(1, 230)]

    day = archive.fetch()

    assert day.run_ids() == {root.id, *(child.id for child in children)}
    assert day.summary.langsmith_total == 230
    assert day.summary.langsmith_root_total == 1
    assert (day.summary.counts.runs_started_in_day, day.summary.counts.root_runs) == (230, 1)


@pytest.mark.parametrize("min_inclusive", [True, False])
@pytest.mark.parametrize("max_inclusive", [True, False])
def test_the_first_and_last_moment_are_in_and_the_next_midnight_is_out_however_bounds_are_read(
    min_inclusive: bool,
    max_inclusive: bool,
    archive: Archive,
    project: TracedProject,
    langsmith_sandbox: ControlClient,
) -> None:
    langsmith_sandbox.settings(min_inclusive=min_inclusive, max_inclusive=max_inclusive)
    first, last = project.root(FIRST_MOMENT), project.root(LAST_MOMENT)
    next_day = project.root(MIDNIGHT)
    project.root(FIRST_MOMENT - timedelta(microseconds=1))

    today, tomorrow = archive.fetch(), archive.fetch(NEXT_DAY)

    assert today.run_ids() == {first.id, last.id}
    assert tomorrow.run_ids() == {next_day.id}
    assert today.summary.langsmith_total == 2
    assert tomorrow.summary.langsmith_total == 1


def test_an_empty_page_with_a_cursor_does_not_end_the_fetch(
    archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    traced = {project.root(NOON + timedelta(seconds=number)).id for number in range(250)}
    langsmith_sandbox.fault(path=QUERY, skip=1, empty_page=True)

    day = archive.fetch()

    assert day.run_ids() == traced
    assert langsmith_sandbox.faults() == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"repeat_cursor": True}, "same cursor twice"),
        ({"repeat_page": True}, "same page again"),
        ({"empty_page": True}, "100 empty pages"),
    ],
)
def test_pages_without_end_are_refused_and_the_old_day_stays(
    fault: FaultFields, words: str, archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    project.root(NOON)
    old = archive.fetch()
    for number in range(250):
        project.root(NOON + timedelta(seconds=number))
    always: FaultFields = {"path": QUERY, "times": 100_000, **fault}
    langsmith_sandbox.fault(**always)

    with pytest.raises(QueryGoesInCircles, match=words):
        archive.fetch()

    assert archive.store.load(project.name, DAY) == old


def test_a_final_error_ends_the_waiting_of_all_workers(
    sandbox: Sandbox, project: TracedProject, langsmith_sandbox: ControlClient, tmp_path: Path
) -> None:
    project.root(NOON)
    langsmith_sandbox.fault(path=QUERY, status=503, headers={"Retry-After": "600"}, times=3)
    langsmith_sandbox.fault(path=QUERY, status=401)
    settings = LangSmithSettings(
        sandbox.env["LANGSMITH_API_KEY"], endpoint=sandbox.langsmith_url, rates="none"
    )

    with Transport(settings) as transport:  # one that really waits
        archive = Archive(transport, project.name, tmp_path)
        with pytest.raises(Unauthorized):
            archive.fetch()

        assert archive.fetch().run_ids()


def test_a_server_that_ignores_the_filters_is_refused_and_the_old_day_stays(
    archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    project.root(FIRST_MOMENT)
    old = archive.fetch()
    project.root(FIRST_MOMENT - timedelta(microseconds=1))
    project.root(MIDNIGHT)
    langsmith_sandbox.settings(ignore_filter=True)

    # Its count ignores the filter too, so nothing can be proved.
    with pytest.raises(IncompleteDay, match="1 of 3 runs"):
        archive.fetch()

    assert archive.store.load(project.name, DAY) == old


def test_a_query_names_one_project_all_fields_and_both_bounds(
    archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    project.root(NOON)
    langsmith_sandbox.clear()

    archive.fetch()

    for body in queries(langsmith_sandbox):
        assert body["project_ids"] == [project.id]
        assert body["selects"] == list(V2_SELECTS)
        assert "is_root" not in body
        assert "end_time" not in body
        assert body["min_start_time"] < body["max_start_time"]
    filters = " ".join(body["filter"] for body in queries(langsmith_sandbox))
    assert 'gte(start_time, "2025-08-29T00:00:00.000000Z")' in filters
    assert 'lt(start_time, "2025-08-30T00:00:00.000000Z")' in filters


def test_feedback_records_are_kept_with_their_trace(archive: Archive, project: TracedProject) -> None:
    root, other = project.root(NOON), project.root(NOON)
    child = project.child(root, NOON + timedelta(seconds=1))
    for run, number in [(root, 130), (child, 1)]:
        for score in range(number):
            body = {"run_id": run.id, "key": "score", "score": score, "trace_id": run.trace_id}
            assert project.api.post("/feedback", body).ok

    day = archive.fetch()

    kept = {
        trace.trace_id: [json.loads(bytes(record)) for record in trace.feedback] for trace in day.traces()
    }
    assert sorted(record["score"] for record in kept[root.id] if record["run_id"] == root.id) == list(
        range(130)
    )
    assert [record["run_id"] for record in kept[root.id]].count(child.id) == 1
    assert kept[other.id] == []
    assert day.summary.counts.feedback == 131


def test_integers_and_decimals_that_python_would_change_survive(
    archive: Archive, project: TracedProject
) -> None:
    big = '{"int": 123456789012345678901234567890, "decimal": 0.100, "tiny": 1E-400, "text": "\\u00e9"}'
    raw = json.dumps({"id": "@", "name": "run", "run_type": "chain"})
    run_id = "0198f31f-bc00-7e30-9deb-7cd53241433d"
    body = raw.replace('"@"', f'"{run_id}"')[:-1] + (
        f', "session_name": "{project.name}", "trace_id": "{run_id}"'
        f', "start_time": "2025-08-29T12:00:00.000001"'
        f', "dotted_order": "20250829T120000000001Z{run_id}", "inputs": {big}}}'
    )
    headers = {"content-type": "application/json"}
    assert project.api.session.post(project.api.url + "/runs", data=body, headers=headers).ok

    day = archive.fetch()

    (trace,) = day.traces()
    assert big.encode() in bytes(trace.runs[0])


def test_a_project_that_does_not_exist_is_named_and_nothing_is_left(
    transport: Transport, tmp_path: Path
) -> None:
    with pytest.raises(ProjectNotFound, match="no such project"):
        fetch_day(transport, DayStore(tmp_path), "no such project", DAY)

    assert not [path for path in tmp_path.rglob("*") if path.is_dir() and path.name.endswith(".staging")]


def test_a_project_whose_name_only_starts_the_same_is_not_taken(
    transport: Transport, project: TracedProject, tmp_path: Path
) -> None:
    with pytest.raises(ProjectNotFound):
        fetch_day(transport, DayStore(tmp_path), project.name[:-1], DAY)


def test_a_day_that_langsmith_has_forgotten_does_not_replace_the_archive(
    archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    traced = [project.root(NOON), project.root(NOON)]
    old = archive.fetch()
    langsmith_sandbox.settings(delete_runs=[traced[0].id])

    with pytest.raises(OverwriteRefused):
        archive.fetch()

    assert archive.store.load(project.name, DAY) == old


def test_an_existing_day_is_refused_before_a_single_request_under_never(
    archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    project.root(NOON)
    archive.fetch()
    langsmith_sandbox.clear()

    with pytest.raises(OverwriteRefused):
        fetch_day(archive.transport, archive.store, project.name, DAY, overwrite="never")

    assert [entry for entry in langsmith_sandbox.requests() if "_control" not in entry.path] == []


def test_progress_tells_the_runs_so_far(archive: Archive, project: TracedProject) -> None:
    for number in range(150):
        project.root(NOON + timedelta(seconds=number))
    seen: list[FetchProgress] = []

    fetch_day(
        archive.transport,
        archive.store,
        project.name,
        DAY,
        on_progress=seen.append,
    )

    assert max(progress.runs for progress in seen) == 150
    assert [progress.share for progress in seen] == sorted(progress.share for progress in seen)
    assert seen[-1].share == 1.0


@pytest.mark.parametrize("v2", [True, False], ids=["v2", "v1"])
@pytest.mark.parametrize("written", ["null", "absent"])
@pytest.mark.parametrize("runs", [0, 3])
def test_an_empty_list_that_is_written_as_null_or_left_out_is_an_empty_page(
    v2: bool,
    written: str,
    runs: int,
    archive: Archive,
    project: TracedProject,
    langsmith_sandbox: ControlClient,
) -> None:
    traced = [project.root(NOON + timedelta(hours=number)).id for number in range(runs)]
    for run_id in traced:
        assert project.api.post("/feedback", {"run_id": run_id, "key": "score", "score": 1}).ok
    langsmith_sandbox.settings(v2=v2, empty_lists=written)

    day = archive.fetch()

    assert day.run_ids() == set(traced)
    assert (day.summary.langsmith_total, day.summary.counts.feedback) == (runs, runs)


@pytest.mark.parametrize(
    "body", [{}, {"items": None}, {"detail": "Try later"}], ids=["absent", "null", "a message"]
)
def test_pages_that_come_empty_and_are_not_lose_no_run(
    body: object, archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    traced = {project.root(NOON + timedelta(seconds=number)).id for number in range(30)}
    langsmith_sandbox.fault(path=QUERY, status=200, body=body, times=2)  # one worker may get all

    assert archive.fetch().run_ids() == traced


def test_a_list_of_projects_that_is_null_has_none(
    transport: Transport, project: TracedProject, tmp_path: Path, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.settings(empty_lists="null")

    with pytest.raises(ProjectNotFound):
        fetch_day(transport, DayStore(tmp_path), f"{project.name}-2", DAY)
