"""The road through Dagster: archive, checks that stop a wrong day, restore."""

import gzip
import json
import os
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import langsmith
import pytest

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.trace import trace_conversations
from lse_dagster_tests.day.staged import content
from lse_dagster_tests.day_archive import (
    DATE,
    NOON,
    DayArchive,
    evaluation,
    failure,
    materialized,
    verdicts,
)

CONVERSATIONS = (
    Path(__file__).parents[2] / "shared" / "data" / "agent_conversations" / "gpt-4o-airline.json.gz"
)
RAW_RUNS_CHECKS = {
    "run_count_matches_langsmith",
    "trace_count_matches_langsmith",
    "traces_are_complete",
    "files_match_summary",
    "no_pending_runs",
    "langsmith_still_had_the_day",
    "attachments_are_complete",
}
ALL_CHECKS = RAW_RUNS_CHECKS | {"zip_matches_day", "drive_copy_matches_zip"}


def add_child(archive: DayArchive, parent: str, start: datetime = NOON + timedelta(seconds=1)) -> str:
    """A run below a root that starts at noon; the root need not exist."""
    child = f"{parent[:-6]}c00001"
    return archive.api.add_run(
        start,
        id=child,
        trace_id=parent,
        parent_run_id=parent,
        dotted_order=f"{NOON:%Y%m%dT%H%M%S%fZ}{parent}.{start:%Y%m%dT%H%M%S%fZ}{child}",
    )


def test_a_day_is_archived_with_all_checks_green(archive: DayArchive) -> None:
    runs = archive.api.add_runs(3)

    result = archive.materialize()

    assert result.success
    assert materialized(result) == {"raw_runs", "day_zip", "drive_archive"}
    assert verdicts(result) == dict.fromkeys(ALL_CHECKS, True)
    assert archive.days.load(archive.project, DATE).run_ids() == set(runs)
    assert archive.zips.load(archive.project, DATE).run_ids() == set(runs)


def test_metadata_says_how_much_how_long_and_where(archive: DayArchive) -> None:
    archive.api.add_runs(2)

    result = archive.materialize()

    metadata = {
        event.materialization.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    raw, zipped, drive = metadata["raw_runs"], metadata["day_zip"], metadata["drive_archive"]
    assert (raw["runs"].value, raw["langsmith_total"].value, raw["traces"].value) == (2, 2, 2)
    assert raw["dagster/row_count"].value == 2
    assert {"bytes", "seconds", "requests", "retries", "path", "sha256"} <= raw.keys()
    assert {"bytes", "seconds", "sha256", "path", "files"} <= zipped.keys()
    assert {"bytes", "seconds", "requests", "retries", "md5"} <= drive.keys()
    assert isinstance(drive["drive_link"], dg.UrlMetadataValue)


@pytest.mark.skipif(not CONVERSATIONS.exists(), reason="needs the real conversations of ../shared/data")
def test_real_conversations_archive_green_and_restore_to_identical_bytes(archive: DayArchive) -> None:
    conversations = json.loads(gzip.decompress(CONVERSATIONS.read_bytes()))
    client = langsmith.Client(api_url=archive.api.url, api_key=os.environ["LANGSMITH_API_KEY"])
    traced = trace_conversations(client, archive.project, DATE, conversations)
    client.cleanup()

    result = archive.materialize()
    day = archive.days.load(archive.project, DATE)
    before = content(day.path)
    shutil.rmtree(day.path)
    restored = archive.run("restore")

    assert traced.traces == 100
    assert traced.runs > 2600
    assert verdicts(result) == dict.fromkeys(ALL_CHECKS, True)
    assert day.summary.counts.runs_started_in_day == traced.runs == day.summary.langsmith_total
    assert restored.success
    assert verdicts(restored) == dict.fromkeys(RAW_RUNS_CHECKS, True)
    assert content(day.path) == before


def test_a_hidden_run_fails_the_count_names_the_numbers_and_is_not_zipped(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    runs = archive.api.add_runs(3)
    langsmith_sandbox.settings(hidden_runs=[runs[1]])

    result = archive.materialize()

    assert not result.success
    assert materialized(result) == set()
    assert archive.days.find(archive.project, DATE) is None
    found = archive.latest_evaluation("raw_runs", "run_count_matches_langsmith")
    assert not found.passed
    assert "2 of 3 runs could be fetched, 1 are missing" in (found.description or "")
    assert found.metadata["missing"].value == 1
    assert found.partition == DATE.isoformat()


def test_a_run_added_after_the_fetch_fails_the_count_until_it_is_fetched(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    assert archive.materialize().success
    archive.api.add_run(NOON + timedelta(hours=1))

    late = archive.verify()
    again = archive.materialize()

    found = evaluation(late, "run_count_matches_langsmith")
    assert not found.passed
    assert found.metadata["langsmith_now"].value == 3
    assert not evaluation(late, "trace_count_matches_langsmith").passed
    assert again.success


def test_a_parent_that_langsmith_does_not_have_is_a_warning_and_the_day_travels_on(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    parent = archive.api.add_run(NOON)
    child = add_child(archive, parent)
    langsmith_sandbox.settings(delete_runs=[parent])

    result = archive.materialize()

    assert result.success
    assert materialized(result) == {"raw_runs", "day_zip", "drive_archive"}
    found = evaluation(result, "traces_are_complete")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == f"run {child}: its parent {parent} is missing"
    assert found.metadata["missing_parents"].value == 1


def test_runs_that_were_deleted_while_the_day_was_fetched_keep_it_from_nothing(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    archive.api.add_runs(3)
    langsmith_sandbox.fault(path="/runs/stats$", status=200, body={"run_count": 2}, times=100)

    result = archive.materialize()
    again = archive.materialize()

    assert result.success
    assert again.success
    assert materialized(result) == {"raw_runs", "day_zip", "drive_archive"}
    found = evaluation(result, "run_count_matches_langsmith")
    assert found.passed
    assert "LangSmith counted 2 after they were fetched: 1 were deleted there" in (found.description or "")
    assert verdicts(result)["trace_count_matches_langsmith"]


def test_a_run_that_contradicts_its_dotted_order_is_a_warning(archive: DayArchive) -> None:
    other = "0198f31f-bc00-7e30-9deb-7cd53241433d"
    archive.api.add_run(NOON, dotted_order=f"{NOON:%Y%m%dT%H%M%S%fZ}{other}")

    result = archive.materialize(["raw_runs"])

    found = evaluation(result, "traces_are_complete")
    assert not found.passed
    assert other in (found.description or "")


def test_an_unfinished_run_is_a_warning_and_travels_on(archive: DayArchive) -> None:
    archive.api.add_run(NOON, end_time=None)

    result = archive.materialize()

    found = evaluation(result, "no_pending_runs")
    assert result.success
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["pending_runs"].value == 1


def test_an_attachment_that_cannot_be_had_is_a_warning_and_travels_on(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    run_id = archive.api.add_run(NOON)
    part = f'Content-Disposition: form-data; name="attachment.{run_id}.photo"\r\nContent-Length: 3\r\n\r\nabc'
    answer = archive.api.session.post(
        f"{archive.api.url}/runs/multipart",
        data=f"--b\r\n{part}\r\n--b--\r\n".encode(),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    langsmith_sandbox.fault(path="/_blobs/", status=403, times=1000)

    result = archive.materialize()

    found = evaluation(result, "attachments_are_complete")
    assert answer.ok
    assert result.success
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["missing"].value == 1
    assert "'photo' of run" in (found.description or "")
    assert "403" in (found.description or "")


def test_both_days_of_a_trace_across_midnight_are_green(archive: DayArchive) -> None:
    late = datetime(2025, 8, 29, 23, 59, 59, 999999, tzinfo=UTC)
    root = archive.api.add_run(late)
    child = f"{root[:-6]}c00001"
    start = datetime(2025, 8, 30, tzinfo=UTC)
    archive.api.add_run(
        start,
        id=child,
        trace_id=root,
        parent_run_id=root,
        dotted_order=f"{late:%Y%m%dT%H%M%S%fZ}{root}.{start:%Y%m%dT%H%M%S%fZ}{child}",
    )

    results = [archive.materialize(day=day) for day in (DATE, date(2025, 8, 30))]

    assert [verdicts(result) for result in results] == [dict.fromkeys(ALL_CHECKS, True)] * 2
    assert archive.days.load(archive.project, DATE).run_ids() == {root, child}


@pytest.mark.parametrize("position", [0.1, 0.5, 0.99])
def test_a_zip_changed_on_disk_fails_its_check(position: float, archive: DayArchive) -> None:
    archive.api.add_runs(2)
    archive.materialize()
    path = archive.zips.zip_path(archive.project, DATE)
    data = bytearray(path.read_bytes())
    at = int(len(data) * position)
    data[at : at + 8] = bytes(byte ^ 0x55 for byte in data[at : at + 8])
    path.write_bytes(data)

    found = evaluation(archive.verify(), "zip_matches_day")

    assert not found.passed


def test_a_copy_that_drive_lost_or_changed_fails_its_check(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    archive.materialize()
    path = archive.zips.zip_path(archive.project, DATE)
    path.write_bytes(path.read_bytes() + b" ")

    found = evaluation(archive.verify(), "drive_copy_matches_zip")

    assert not found.passed
    assert "md5" in (found.description or "")


def test_archiving_an_unchanged_day_again_sends_nothing(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    archive.materialize()

    result = archive.materialize(["drive_archive"])

    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["action"].value == "unchanged"
    assert event.materialization.metadata["bytes_sent"].value == 0


def test_a_fuller_copy_on_drive_is_not_replaced_by_an_emptier_day(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    runs = archive.api.add_runs(3)
    archive.materialize()
    shutil.rmtree(archive.days.day_path(archive.project, DATE))
    archive.zips.zip_path(archive.project, DATE).unlink()
    langsmith_sandbox.settings(delete_runs=runs[:1])

    result = archive.materialize()

    assert "1 runs that the new one lacks" in (failure(result, "drive_archive").description or "")
    shutil.rmtree(archive.days.day_path(archive.project, DATE))
    assert archive.run("restore").success
    assert archive.days.load(archive.project, DATE).run_ids() == set(runs)


def test_overwrite_never_refuses_an_existing_day_with_the_reason(archive: DayArchive) -> None:
    archive.api.add_runs(1)
    archive.materialize()

    result = archive.materialize(["raw_runs"], config={"raw_runs": {"overwrite": "never"}})

    assert "overwrite is `never`" in (failure(result, "raw_runs").description or "")


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


def test_a_day_that_is_not_on_drive_fails_clearly(archive: DayArchive) -> None:
    result = archive.run("restore")

    assert "is not in the Drive folder" in (failure(result, "raw_runs").description or "")


def test_restore_does_not_replace_a_day_that_has_grown_since(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    archive.materialize()
    archive.api.add_run(NOON + timedelta(hours=1))
    archive.materialize(["raw_runs"])

    refused = archive.run("restore")

    assert "1 runs that the new one lacks" in (failure(refused, "raw_runs").description or "")
    assert archive.days.load(archive.project, DATE).summary.counts.runs_started_in_day == 3


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


def test_checks_run_without_a_partition_look_at_every_local_day(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    archive.api.add_run(NOON + timedelta(days=1))
    archive.materialize()
    archive.materialize(day=date(2025, 8, 30))
    archive.api.add_run(NOON + timedelta(days=1, hours=1))

    result = archive.verify(day=None)

    found = {
        (check.check_name, check.partition): check.passed for check in result.get_asset_check_evaluations()
    }
    days = {DATE.isoformat(), "2025-08-30"}
    assert set(found) == {(check, day) for check in ALL_CHECKS for day in days}
    assert [key for key, passed in found.items() if not passed] == [
        ("run_count_matches_langsmith", "2025-08-30"),
        ("trace_count_matches_langsmith", "2025-08-30"),
    ]


def test_an_unchanged_day_keeps_its_zip_and_says_so(archive: DayArchive) -> None:
    archive.api.add_runs(1)
    first = archive.materialize(("raw_runs", "day_zip"))

    second = archive.materialize(("day_zip",))

    actions = [
        result.asset_materializations_for_node("day_zip")[0].metadata["action"].value
        for result in (first, second)
    ]
    assert actions == ["built", "kept"]


MISSING: dict[str, tuple[str, str]] = {
    "LANGSMITH_API_KEY": ("raw_runs", "LANGSMITH_API_KEY is not set"),
    "LSE_PROJECTS": ("raw_runs", "LSE_PROJECTS is not set"),
    "GOOGLE_DRIVE_FOLDER_URL": ("drive_archive", "GOOGLE_DRIVE_FOLDER_URL is not set"),
    "GOOGLE_DRIVE_CREDENTIALS_PATH": ("drive_archive", "GOOGLE_DRIVE_CREDENTIALS_PATH"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_variable_is_named_by_the_step_that_needs_it(
    name: str, archive: DayArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.api.add_runs(1)
    monkeypatch.delenv(name)

    result = archive.materialize()

    node, words = MISSING[name]
    assert words in (failure(result, node).description or "")


def test_no_secret_is_in_any_event_log_or_snapshot(archive: DayArchive, tmp_path: Path) -> None:
    archive.api.add_runs(1)
    home = tmp_path / "home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        archive.instance = instance
        assert archive.materialize().success
        assert archive.run("restore", overwrite="always").success

    secrets = [
        os.environ["LANGSMITH_API_KEY"],
        os.environ["SANDBOX_DRIVE_TOKEN"],
        "PRIVATE KEY",
    ]
    stored = [path for path in home.rglob("*") if path.is_file()]
    assert stored
    for secret in secrets:
        assert not [path for path in stored if secret.encode() in path.read_bytes()]
