"""A summary that says more than its files hold: refused on the way back, a failed check where it lies."""

import shutil
from typing import Any

import pytest
from msgspec.structs import replace

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import trace_file_name
from lse_dagster.day.trace_file import write_trace_file
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.worlds.day_archive import DATE, NOON, DayArchive, evaluation, failure, verdicts
from lse_dagster_tests.worlds.rewritten import rewrite

ALWAYS = {step: {"overwrite": "always"} for step in ("day_zip", "drive_archive")}
COUNTS = "run_count_matches_langsmith", "trace_count_matches_langsmith"


def more_runs(day: DayFolder) -> DayFolder:
    return rewrite(day, counts={"runs_started_in_day": 824, "traces": 40, "root_runs": 40})


def more_runs_by_the_older_format(day: DayFolder) -> DayFolder:
    return rewrite(day, schema="lse.day/1", counts={"runs_started_in_day": 824, "traces": 40})


def less_than_no_feedback(day: DayFolder) -> DayFolder:
    return rewrite(day, counts={"feedback": -7})


def a_trace_of_another_project(day: DayFolder) -> DayFolder:
    (name,) = day.summary.trace_names()
    (trace,) = day.traces()
    (day.path / name).unlink()
    entry = write_trace_file(
        day.path / trace_file_name(trace.trace_id, NOON),
        project="another",
        trace_id=trace.trace_id,
        start=NOON,
        api="v2",
        runs=map(bytes, trace.runs),
        feedback=(),
    )
    return rewrite(day, files={name: entry})


LIES: dict[Any, str] = {
    more_runs: "the summary says 824 runs that started in the day, the files hold 1",
    more_runs_by_the_older_format: "the summary says 824 runs, the files hold 1",
    less_than_no_feedback: "the summary says -7 feedback records, the files hold 0",
    a_trace_of_another_project: "is of the project 'another'",
}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_day_whose_summary_lies_does_not_come_back_from_drive(lie: Any, archive: DayArchive) -> None:
    archive.api.add_run()
    archive.materialize()
    lie(archive.days.load(archive.project, DATE))
    archive.materialize(list(ALWAYS), config=ALWAYS)
    shutil.rmtree(archive.days.day_path(archive.project, DATE))

    restored = archive.run("restore")

    told = failure(restored, "raw_runs")
    assert LIES[lie] in (told.description or "")
    parts = [str(told.metadata[part].value) for part in ("what failed", "why", "what to do next")]
    assert "Restoring the day" in parts[0]
    assert LIES[lie] in parts[1]
    assert "Manage versions" in parts[2]
    assert archive.days.find(archive.project, DATE) is None
    assert not archive.days.staging_path(archive.project, DATE).exists()


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_day_on_this_disk_whose_summary_lies_fails_its_check(lie: Any, archive: DayArchive) -> None:
    archive.api.add_run()
    archive.materialize(["raw_runs"])
    lie(archive.days.load(archive.project, DATE))

    found = evaluation(archive.verify(), "files_match_summary")

    assert not found.passed
    assert LIES[lie] in (found.description or "")


def test_what_is_compared_with_langsmith_is_counted_in_the_files(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    run = archive.api.add_run()
    archive.materialize(["raw_runs"])
    day = archive.days.load(archive.project, DATE)
    lying = replace(day.summary, langsmith_total=824, langsmith_root_total=40)
    more_runs(DayFolder(day.path, lying, day.summary_sha256))

    there = archive.verify()
    langsmith_sandbox.settings(delete_runs=[run])
    forgotten = archive.verify()

    assert [verdicts(there)[name] for name in COUNTS] == [True, True]
    found = evaluation(there, COUNTS[0])
    assert found.description == (
        "1 runs, as LangSmith counts now. The summary says 824, and is not believed."
    )
    assert (found.metadata["archived"].value, found.metadata["in_summary"].value) == (1, 824)
    assert [verdicts(forgotten)[name] for name in COUNTS] == [False, False]


def test_every_check_of_an_unreadable_day_says_so(archive: DayArchive) -> None:
    archive.api.add_run()
    archive.materialize(["raw_runs"])
    day = archive.days.load(archive.project, DATE)
    name = next(day.summary.trace_names())
    (day.path / name).write_bytes(b"{")

    result = archive.verify()

    wrong = {name for name, passed in verdicts(result).items() if not passed}
    assert {*COUNTS, "files_match_summary", "traces_are_complete"} <= wrong
    assert f"{name} differs from its hash" in (evaluation(result, COUNTS[0]).description or "")
