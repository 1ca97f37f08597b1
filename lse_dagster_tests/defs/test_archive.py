"""The road through Dagster: a day archived, what its metadata says, and what is never overwritten or told."""

import gzip
import json
import os
import shutil
from pathlib import Path

import dagster as dg
import langsmith
import pytest

from lse_dagster.sandbox.trace import trace_conversations
from lse_dagster_tests.worlds.day_archive import (
    ALL_CHECKS,
    DATE,
    RAW_RUNS_CHECKS,
    DayArchive,
    failure,
    materialized,
    verdicts,
)
from lse_dagster_tests.worlds.staged import content

CONVERSATIONS = (
    Path(__file__).parents[3] / "shared" / "data" / "agent_conversations" / "gpt-4o-airline.json.gz"
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


def test_archiving_an_unchanged_day_again_sends_nothing(archive: DayArchive) -> None:
    archive.api.add_runs(2)
    archive.materialize()

    result = archive.materialize(["drive_archive"])

    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["action"].value == "unchanged"
    assert event.materialization.metadata["bytes_sent"].value == 0


def test_overwrite_never_refuses_an_existing_day_with_the_reason(archive: DayArchive) -> None:
    archive.api.add_runs(1)
    archive.materialize()

    result = archive.materialize(["raw_runs"], config={"raw_runs": {"overwrite": "never"}})

    assert "overwrite is `never`" in (failure(result, "raw_runs").description or "")


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
