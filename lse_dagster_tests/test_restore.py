"""Bringing a day back from Drive through Dagster: verified, without LangSmith, at the cost of no run."""

import shutil
from datetime import timedelta

import dagster as dg
import pytest

from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.day.staged import content
from lse_dagster_tests.day_archive import (
    DATE,
    NOON,
    RAW_RUNS_CHECKS,
    DayArchive,
    evaluation,
    failure,
    verdicts,
)


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
