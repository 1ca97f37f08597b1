"""What Dagster tries again by itself: what may pass, and nothing else. With waits of no seconds."""

import os
import signal
import time

import dagster as dg
import pytest

from lse_dagster.defs.failure import Retries
from lse_dagster.defs.progress import ProgressEvent, heard_by
from lse_dagster.langsmith.errors import Unavailable
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.worlds.day_archive import (
    ALL_CHECKS,
    DATE,
    DayArchive,
    evaluation,
    failure,
    materialized,
    verdicts,
)

UNTIL_TOMORROW = {"Retry-After": "86400"}
"""Longer than a connection's own patience: it gives up at once."""


@pytest.fixture
def archive(archive: DayArchive) -> DayArchive:
    """A day of two runs, archived by steps that are tried up to three times more."""
    archive.retries = Retries(first_wait_seconds=0)
    archive.api.add_runs(2)
    return archive


def retried(result: dg.ExecuteInProcessResult) -> list[str]:
    """The steps that were put back to be tried again, each as often as it was."""
    return [
        str(event.step_key)
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY
    ]


def test_a_fetch_during_an_outage_is_tried_again_and_succeeds(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path="/sessions", status=503, headers=UNTIL_TOMORROW, times=2)

    result = archive.materialize()

    assert result.success
    assert retried(result) == ["raw_runs", "raw_runs"]
    assert materialized(result) == {"raw_runs", "day_zip", "drive_archive"}
    assert all(verdicts(result).values())


def test_an_upload_during_an_outage_is_tried_again_without_fetching_again(
    archive: DayArchive, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(path="/upload/", status=503, headers=UNTIL_TOMORROW)

    result = archive.materialize()

    assert result.success
    assert retried(result) == ["drive_archive"]
    assert len(result.get_asset_materialization_events()) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_tried_again(
    status: int, archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path="/sessions", status=status)

    result = archive.materialize()

    assert not result.success
    assert retried(result) == []
    assert str(status) in (failure(result, "raw_runs").description or "")


def test_a_folder_that_may_not_be_written_is_not_tried_again(
    archive: DayArchive, drive_sandbox: ControlClient
) -> None:
    refused = {"error": {"code": 403, "message": "no", "errors": [{"reason": "insufficientFilePermissions"}]}}
    drive_sandbox.fault(path="/drive/v3/files", status=403, body=refused, times=100)

    result = archive.materialize()

    assert retried(result) == []
    assert failure(result, "drive_archive")


def test_an_outage_that_lasts_ends_after_three_more_attempts_with_the_reason(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path="/runs/query", status=503, headers=UNTIL_TOMORROW, times=1000)

    result = archive.materialize()

    assert retried(result) == ["raw_runs"] * 3
    assert "503" in (failure(result, "raw_runs").description or "")
    assert archive.days.find(archive.project, DATE) is None


@pytest.mark.parametrize(
    ("job", "step", "path"),
    [
        ("archive", "raw_runs", "/runs/"),
        ("reconcile", "count_again", "/runs/"),
        ("verify", "raw_runs_checks", "/runs/"),
        ("archive", "drive_archive", "/upload/"),
        ("verify", "drive_archive_checks", "/drive/v3/files"),
        ("restore", "raw_runs", "/drive/v3/files"),
    ],
)
def test_no_step_waits_long_for_who_is_away_in_its_place_in_the_pool(
    job: str,
    step: str,
    path: str,
    archive: DayArchive,
    langsmith_sandbox: ControlClient,
    drive_sandbox: ControlClient,
) -> None:
    if job != "archive":
        archive.materialize()
    away = langsmith_sandbox if path == "/runs/" else drive_sandbox
    away.fault(path=path, status=503, times=100_000)
    archive.retries = Retries(first_wait_seconds=0, patience_seconds=0.2)

    began = time.monotonic()
    result = archive.verify() if job == "verify" else archive.run(job)

    assert retried(result) == [step] * 3
    assert time.monotonic() - began < 300  # the patience of who waits at a terminal is a quarter of an hour


def test_a_day_that_stays_short_fails_its_check_once(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.settings(hidden_runs=archive.api.add_runs(1))

    result = archive.materialize()

    recorded = [
        event
        for event in archive.instance.all_logs(
            result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )
        if event.dagster_event is not None
    ]
    assert retried(result) == ["raw_runs"] * 3
    assert len(recorded) == 1
    assert not archive.latest_evaluation("raw_runs", "run_count_matches_langsmith").passed


def test_a_check_that_could_not_ask_is_tried_again_and_reports_each_result_once(
    archive: DayArchive, langsmith_sandbox: ControlClient, drive_sandbox: ControlClient
) -> None:
    archive.materialize()
    langsmith_sandbox.fault(path="/runs/stats", status=503, headers=UNTIL_TOMORROW)
    drive_sandbox.fault(path="/drive/v3/files", status=503, headers=UNTIL_TOMORROW)

    result = archive.verify()

    results = [check.check_name for check in result.get_asset_check_evaluations()]
    assert result.success
    assert sorted(retried(result)) == ["drive_archive_checks", "raw_runs_checks"]
    assert sorted(results) == sorted(ALL_CHECKS)
    assert evaluation(result, "run_count_matches_langsmith").passed


def test_an_error_that_nobody_foresaw_is_not_tried_again() -> None:
    with pytest.raises(ZeroDivisionError), Retries().archive_errors(0):
        print(1 / 0)


def test_a_run_that_a_person_cancels_ends_and_is_not_tried_again(archive: DayArchive) -> None:
    def cancel_once(_: ProgressEvent) -> None:
        if not pressed:
            pressed.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    pressed: list[bool] = []
    archive.progress = heard_by(cancel_once)

    result = archive.materialize()

    assert pressed
    assert not result.success
    assert retried(result) == []


def test_a_disk_that_cannot_be_written_is_not_tried_again(archive: DayArchive) -> None:
    (archive.folder / "data").write_text("a file where a folder should be")

    result = archive.materialize(["raw_runs"])

    assert not result.success
    assert retried(result) == []


def test_at_a_terminal_nothing_is_tried_again(archive: DayArchive, langsmith_sandbox: ControlClient) -> None:
    archive.retries = None
    langsmith_sandbox.fault(path="/runs/query", status=503, headers=UNTIL_TOMORROW)

    result = archive.materialize()

    assert not result.success
    assert retried(result) == []


def test_the_waits_take_minutes_grow_and_vary() -> None:
    waits = [[wait_after(attempt) for _ in range(20)] for attempt in range(3)]

    for times, middle in zip(waits, (60, 180, 420), strict=True):
        assert all(middle - 60 <= wait <= middle + 60 for wait in times)
        assert len(set(times)) > 1


def wait_after(attempt: int) -> float:
    with pytest.raises(dg.RetryRequested) as requested, Retries().archive_errors(attempt):
        raise Unavailable("Fetching", "503", "Wait.")
    assert requested.value.seconds_to_wait is not None
    return float(requested.value.seconds_to_wait)
