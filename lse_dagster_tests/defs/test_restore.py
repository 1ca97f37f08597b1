"""Bringing a day back from Drive through Dagster: verified, without LangSmith, at the cost of no run."""

import io
import shutil
import zipfile
from collections.abc import Callable
from datetime import date, timedelta

import dagster as dg
import pytest

from lse_dagster.day.names import SUMMARY
from lse_dagster.defs.project import daily_utc
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.settings import Settings
from lse_dagster_tests.worlds.day_archive import (
    DATE,
    NOON,
    RAW_RUNS_CHECKS,
    DayArchive,
    evaluation,
    failure,
    materialized,
    verdicts,
)
from lse_dagster_tests.worlds.staged import content


def test_restore_works_when_langsmith_has_forgotten_the_day(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    runs = archive.api.add_runs(3)
    archive.materialize()
    before = content(archive.days.day_path(archive.project, DATE))
    shutil.rmtree(archive.days.day_path(archive.project, DATE))
    langsmith_sandbox.settings(delete_runs=runs)

    restored = archive.run("restore")

    assert restored.success
    assert verdicts(restored) == dict.fromkeys(RAW_RUNS_CHECKS, True)
    found = evaluation(restored, "run_count_matches_langsmith")
    assert "3 were deleted there or have expired" in (found.description or "")
    assert content(archive.days.day_path(archive.project, DATE)) == before


def test_restore_needs_no_langsmith_at_all(archive: DayArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.api.add_runs(2)
    archive.materialize()
    shutil.rmtree(archive.days.day_path(archive.project, DATE))
    monkeypatch.delenv("LANGSMITH_API_KEY")

    restored = archive.run("restore")

    assert restored.success
    assert verdicts(restored) == dict.fromkeys(RAW_RUNS_CHECKS, True)


def standing(archive: DayArchive, day: date) -> tuple[object, ...]:
    """How Dagster's records have a day: its partition, its materialization, the results of its checks."""
    raw, storage = dg.AssetKey("raw_runs"), archive.instance.event_log_storage
    partitions, key = daily_utc(day), day.isoformat()
    keys = [dg.AssetCheckKey(raw, name) for name in sorted(RAW_RUNS_CHECKS)]
    last = archive.instance.fetch_materializations(dg.AssetRecordsFilter(raw, [key]), limit=1).records
    return (
        archive.instance.get_status_by_partition(raw, [key], partitions),
        [record.storage_id for record in last],
        storage.get_asset_check_partition_info(keys, partition_keys=[key]),
    )


def backfill_from_the_ui(archive: DayArchive) -> dg.ExecuteInProcessResult:
    """As the UI has the job's run made: it names the asset, and says nothing of checks."""
    job = archive.definitions.resolve_job_def("restore").get_subset(asset_selection={dg.AssetKey("raw_runs")})
    return job.execute_in_process(
        instance=archive.instance, partition_key=DATE.isoformat(), raise_on_error=False
    )


@pytest.mark.parametrize("here", ["nothing", "a day that was fetched and is green"])
@pytest.mark.parametrize("road", ["job", "backfill", "config"])
def test_a_day_that_is_not_on_drive_is_skipped_and_leaves_no_record_behind(
    road: str, here: str, archive: DayArchive
) -> None:
    archive.api.add_run()
    archive.api.add_run(NOON + timedelta(days=1))
    archive.materialize(day=DATE + timedelta(days=1))
    place = archive.days.day_path(archive.project, DATE)
    if here != "nothing":
        archive.materialize(["raw_runs"])
    before, files = standing(archive, DATE), content(place) if place.exists() else None

    if road == "job":
        skipped = archive.run("restore")
    elif road == "backfill":
        skipped = backfill_from_the_ui(archive)
    else:  # of a job that plans the checks
        skipped = archive.materialize(["raw_runs"], config={"raw_runs": {"source": "drive"}})

    assert skipped.success
    assert materialized(skipped) == set()
    assert verdicts(skipped) == {}
    assert standing(archive, DATE) == before
    assert (content(place) if place.exists() else None) == files
    run = archive.instance.get_run_by_id(skipped.run_id)
    assert run is not None
    assert run.tags["lse/skipped"] == "not on Drive"
    told = [entry.user_message for entry in archive.instance.all_logs(skipped.run_id)]
    (line,) = [text for text in told if "not in the Drive folder" in text]
    assert line.startswith(f"Skipped: {archive.project}_{DATE}.zip")


def test_a_folder_without_any_day_of_the_project_is_no_place_to_restore_from(archive: DayArchive) -> None:
    result = archive.run("restore")

    refused = failure(result, "raw_runs").description or ""
    assert "holds no day zip of this project" in refused
    assert "GOOGLE_DRIVE_FOLDER_URL" in refused


def test_a_day_that_drive_knows_by_its_id_alone_as_yet_is_not_skipped(
    archive: DayArchive, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.settings(list_lag=50)
    archive.api.add_run()
    archive.materialize()
    shutil.rmtree(archive.days.day_path(archive.project, DATE))

    assert materialized(archive.run("restore")) == {"raw_runs"}


@pytest.mark.parametrize("saves", [True, False])
def test_a_day_whose_zip_is_here_the_same_as_on_drive_is_restored_without_a_download(
    saves: bool, archive: DayArchive, drive_sandbox: ControlClient
) -> None:
    archive.api.add_runs(2)
    archive.materialize()
    place = archive.days.day_path(archive.project, DATE)
    before = content(place)
    shutil.rmtree(place)
    if not saves:
        zipped = archive.zips.zip_path(archive.project, DATE)
        zipped.write_bytes(zipped.read_bytes()[:-1] + b"!")
    drive_sandbox.clear_requests()

    restored = archive.run("restore")

    assert restored.success
    assert content(place) == before
    assert any("alt=media" in request.query for request in drive_sandbox.requests()) is not saves
    told = [entry.user_message for entry in archive.instance.all_logs(restored.run_id)]
    assert any(text.startswith("Taken from the zip here, the same as on Drive") for text in told) is saves
    (event,) = restored.get_asset_materialization_events()
    assert (event.materialization.metadata["bytes_received"].value == 0) is saves


def test_the_checks_of_a_restored_day_are_of_what_was_restored(archive: DayArchive) -> None:
    archive.api.add_run()
    archive.materialize()

    restored = backfill_from_the_ui(archive)

    assert len(restored.get_asset_check_evaluations()) == len(RAW_RUNS_CHECKS)
    keys = [dg.AssetCheckKey(dg.AssetKey("raw_runs"), name) for name in RAW_RUNS_CHECKS]
    found = archive.instance.event_log_storage.get_asset_check_partition_info(
        keys, partition_keys=[DATE.isoformat()]
    )
    assert {info.check_key for info in found} == {*keys}
    assert all(info.is_current for info in found)  # the UI leaves out those that are not


def test_a_restored_day_that_lacks_runs_fails_its_run(archive: DayArchive) -> None:
    archive.api.add_run()
    archive.materialize()
    archive.api.add_run()

    restored = archive.run("restore")

    assert not restored.success
    assert materialized(restored) == {"raw_runs"}
    failed = {name for name, passed in verdicts(restored).items() if not passed}
    assert failed == {"run_count_matches_langsmith", "trace_count_matches_langsmith"}


def test_restore_does_not_replace_a_day_that_has_grown_since(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    archive.materialize()
    archive.api.add_run(NOON + timedelta(hours=1))
    archive.materialize(["raw_runs"])

    refused = archive.run("restore")

    assert "1 runs that the new one lacks" in (failure(refused, "raw_runs").description or "")
    assert archive.days.load(archive.project, DATE).summary.counts.runs_started_in_day == 3


def cut_in_the_middle(zipped: bytes) -> bytes:
    return zipped[: len(zipped) // 2]


def of_another_summary(zipped: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(zipped)) as old, zipfile.ZipFile(out := io.BytesIO(), "w") as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info, b"{}" if info.filename == SUMMARY else content)
    return out.getvalue()


def with_a_hostile_name(zipped: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(zipped)) as old, zipfile.ZipFile(out := io.BytesIO(), "w") as new:
        for info in old.infolist():
            new.writestr(info, old.read(info))
        new.writestr("con.attachment.a\x1b[2J", b"")
    return out.getvalue()


def unchanged(zipped: bytes) -> bytes:
    return zipped


def put_on_drive(archive: DayArchive, sandbox: Sandbox) -> None:
    """Upload the zip as it lies here."""
    path = archive.zips.zip_path(archive.project, DATE)
    with DriveArchive.connect(Settings.from_environment(sandbox.env).drive) as drive:
        there = drive.find(archive.project, path.name)
        drive.upload(path, folder=archive.project, name=path.name, replacing=there)


@pytest.mark.parametrize("spoil", [cut_in_the_middle, of_another_summary, with_a_hostile_name, unchanged])
def test_a_refused_restore_leaves_nothing_behind_and_does_not_advise_restoring(
    archive: DayArchive, sandbox: Sandbox, spoil: Callable[[bytes], bytes]
) -> None:
    archive.api.add_runs(2)
    archive.materialize()
    archive.api.add_run(NOON + timedelta(hours=1))
    archive.materialize(["raw_runs"])
    place = archive.days.day_path(archive.project, DATE)
    before = content(place)
    path = archive.zips.zip_path(archive.project, DATE)
    path.write_bytes(spoil(path.read_bytes()))
    put_on_drive(archive, sandbox)

    refused = failure(archive.run("restore"), "raw_runs")

    assert [entry.name for entry in place.parent.iterdir() if entry.suffix != ".lock"] == [place.name]
    assert content(place) == before
    parts = {name: str(value.value) for name, value in refused.metadata.items()}
    assert not parts["what to do next"].startswith("Restore")
    assert "or restore" not in parts["what to do next"]
    assert "\x1b" not in str(refused.description)


def test_what_a_file_manager_put_into_the_copy_is_left_out_and_named_in_the_log(
    archive: DayArchive, sandbox: Sandbox
) -> None:
    archive.api.add_runs(2)
    archive.materialize()
    before = content(archive.days.day_path(archive.project, DATE))
    shutil.rmtree(archive.days.day_path(archive.project, DATE))
    path = archive.zips.zip_path(archive.project, DATE)
    with zipfile.ZipFile(path, "a") as zipped:
        zipped.writestr("__MACOSX/._one", b"Finder's")
    put_on_drive(archive, sandbox)

    restored = archive.run("restore")

    assert content(archive.days.day_path(archive.project, DATE)) == before
    logged = [entry.user_message for entry in archive.instance.all_logs(restored.run_id)]
    assert "Left out, because it is not of the day: '__MACOSX/._one'." in logged


def test_restoring_identical_bytes_keeps_what_is_downstream_fresh(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    first = archive.materialize()
    shutil.rmtree(archive.days.day_path(archive.project, DATE))

    restored = archive.run("restore")

    versions = [
        dict(event.materialization.tags or {})["dagster/data_version"]
        for result in (first, restored)
        for event in result.get_asset_materialization_events()
        if event.materialization.asset_key == dg.AssetKey("raw_runs")
    ]
    assert versions[0] == versions[1]
