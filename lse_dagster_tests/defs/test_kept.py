"""What LangSmith sent once and sends no more goes on: through Dagster, the sandbox and Drive."""

import json
import shutil
from datetime import timedelta
from typing import Any

import dagster as dg
import msgspec
import pytest

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.trace_file import KeptFeedback, KeptRun, read_entry
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.worlds.day_archive import DATE, DayArchive, evaluation, failure
from lse_dagster_tests.worlds.langsmith_api import NOON

CONTENT: dict[str, Any] = {
    "inputs": {"question": "why?"},
    "outputs": {"answer": "because"},
    "error": "Traceback ...",
    "tags": ["production"],
    "extra": {"metadata": {"user": "u"}, "runtime": {"sdk": "langsmith-py"}},
    "events": [{"name": "new_token", "time": "2025-08-29T12:00:00.500000Z"}],
    "serialized": {"name": "chain"},
}


def day_of(archive: DayArchive) -> DayFolder:
    day = archive.days.load(archive.project, DATE)
    day.verify_files()
    return day


def kept_runs(day: DayFolder) -> list[dict[str, Any]]:
    entries = [read_entry(raw) for trace in day.traces() for raw in trace.kept]
    return [json.loads(bytes(entry.raw)) for entry in entries if isinstance(entry, KeptRun)]


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (found,) = [
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.materialization.asset_key == dg.AssetKey(asset)
    ]
    return {name: value.value for name, value in found.items()}


@pytest.mark.parametrize("field", ["inputs", "outputs", "error", "tags", "extra", "events", "serialized"])
@pytest.mark.parametrize("api", [{"v2": True}, {"v2": False}])
def test_a_run_that_comes_without_a_field_keeps_its_older_form(
    api: dict[str, bool], field: str, archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.settings(**api)
    run_id = archive.api.add_run(**CONTENT)
    assert archive.materialize().success
    before = [bytes(raw) for trace in day_of(archive).traces() for raw in trace.runs]
    langsmith_sandbox.settings(withheld=[field])

    result = archive.materialize()

    assert result.success
    day = day_of(archive)
    assert day.run_ids() == {run_id}
    assert [msgspec.json.encode(msgspec.json.decode(raw)) for raw in before] == [
        msgspec.json.encode(form) for form in kept_runs(day)
    ]
    assert metadata(result, "raw_runs")["runs_kept"] == 1
    warning = evaluation(result, "nothing_was_withdrawn")
    assert not warning.passed
    assert warning.severity == dg.AssetCheckSeverity.WARN
    assert {"serialized": "manifest"}.get(field, field) in (warning.description or "")
    langsmith_sandbox.settings(withheld=[])
    assert archive.materialize().success
    assert kept_runs(day_of(archive)) == []


def test_a_run_that_was_deleted_goes_on_beside_one_that_came_late(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    first, second = archive.api.add_runs(2)
    archive.materialize()
    langsmith_sandbox.settings(delete_runs=[first])
    late = archive.api.add_run(NOON + timedelta(hours=1))

    result = archive.materialize()

    assert result.success
    day = day_of(archive)
    assert day.run_ids() == {second, late}
    assert [run["id"] for run in kept_runs(day)] == [first]
    assert (day.summary.langsmith_total, day.summary.counts.runs_started_in_day) == (2, 2)
    told = metadata(result, "raw_runs")
    assert (told["runs_added"], told["runs_kept"], told["runs_lost"]) == (1, 1, 0)
    assert archive.verify().success


def test_a_deleted_run_goes_on_with_all_that_was_said_of_it(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    run_id = archive.api.add_run()
    archive.api.post("/feedback", {"run_id": run_id, "key": "quality", "score": 1, "comment": "good"})
    archive.materialize()
    langsmith_sandbox.settings(delete_runs=[run_id])

    assert archive.materialize().success

    (trace,) = day_of(archive).traces()
    assert trace.runs == []
    feedback = [entry for raw in trace.kept if isinstance(entry := read_entry(raw), KeptFeedback)]
    assert [json.loads(bytes(entry.raw))["comment"] for entry in feedback] == ["good"]
    counts = day_of(archive).summary.counts
    assert (counts.traces, counts.kept_traces, counts.kept_runs, counts.kept_feedback) == (0, 1, 1, 1)


@pytest.mark.parametrize("freed", [("data",), ("data", "archives")])
def test_a_day_that_was_freed_is_there_when_it_is_fetched_again(
    freed: tuple[str, ...], archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    first, second = archive.api.add_runs(2)
    archive.materialize()
    for folder in freed:
        shutil.rmtree(archive.folder / folder)
    langsmith_sandbox.settings(delete_runs=[first])

    assert archive.materialize().success

    day = day_of(archive)
    assert day.run_ids() == {second}
    assert [run["id"] for run in kept_runs(day)] == [first]
    shutil.rmtree(archive.folder / "data")
    assert archive.run("restore").success
    assert [run["id"] for run in kept_runs(day_of(archive))] == [first]


def test_once_langsmith_may_have_forgotten_the_day_a_fetch_only_adds(
    archive: DayArchive, langsmith_sandbox: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = archive.api.add_runs(3)
    archive.materialize()
    before = day_of(archive).summary
    shutil.rmtree(archive.folder / "data")
    monkeypatch.setenv("LSE_RETENTION_DAYS", "14")
    langsmith_sandbox.settings(delete_runs=runs)

    assert archive.materialize().success

    assert day_of(archive).summary == before
    late = archive.api.add_run(NOON + timedelta(hours=1))
    assert archive.materialize().success
    after = day_of(archive).summary
    assert day_of(archive).run_ids() == set(runs)
    assert (after.fetched_at, after.langsmith_total) == (before.fetched_at, before.langsmith_total)
    assert [run["id"] for run in kept_runs(day_of(archive))] == [late]
    (look,) = after.looks
    assert (look.langsmith_total, look.runs) == (1, 1)


def test_a_restore_does_not_put_an_older_day_over_a_newer_one(archive: DayArchive) -> None:
    run_id = archive.api.add_run(end_time=None)
    archive.materialize()
    archive.api.session.patch(
        f"{archive.api.url}/runs/{run_id}", json={"end_time": (NOON + timedelta(seconds=9)).isoformat()}
    )
    archive.materialize(["raw_runs"])
    before = day_of(archive)
    assert before.summary.counts.pending_runs == 0

    refused = failure(archive.run("restore"), "raw_runs")

    assert "1 runs that the new one lacks" in (refused.description or "")
    assert day_of(archive) == before
    assert not list((archive.folder / "data").rglob(".*staging"))


def test_a_copy_that_holds_more_goes_on_in_the_day_that_is_uploaded(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    first, second = archive.api.add_runs(2)
    archive.materialize()
    shutil.rmtree(archive.folder / "data")
    shutil.rmtree(archive.folder / "archives")
    langsmith_sandbox.settings(delete_runs=[first])
    # As on a machine that cannot reach Drive.
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GOOGLE_DRIVE_FOLDER_URL")
        assert archive.materialize(["raw_runs", "day_zip"]).success
    assert day_of(archive).summary.counts.kept_runs == 0

    assert archive.materialize(["drive_archive"]).success

    assert [run["id"] for run in kept_runs(day_of(archive))] == [first]
    shutil.rmtree(archive.folder / "data")
    assert archive.run("restore").success
    assert day_of(archive).run_ids() == {second}
    assert [run["id"] for run in kept_runs(day_of(archive))] == [first]


def test_what_is_forced_gives_up_what_was_kept_and_older_copies_do_not_bring_it_back(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    first, second = archive.api.add_runs(2)
    archive.materialize()
    langsmith_sandbox.settings(delete_runs=[first])

    forced = archive.materialize(["raw_runs"], config={"raw_runs": {"overwrite": "always"}})

    assert metadata(forced, "raw_runs")["runs_lost"] == 1
    assert day_of(archive).summary.forced_at is not None
    assert archive.materialize().success
    shutil.rmtree(archive.folder / "data")
    assert archive.run("restore").success
    assert day_of(archive).run_ids() == {second}
    assert kept_runs(day_of(archive)) == []
