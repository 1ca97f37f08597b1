"""The pace of new files: a burst, then what Drive takes for long, for all archives of one account."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.service import CreationLimiter, shared_limiter
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Waits, Where, nothing, rate_body

START: Where = {"method": "POST", "path": r"/upload/.*uploadType=resumable"}


def test_new_files_come_at_drives_pace_over_all_archives_of_an_account(
    settings: DriveSettings, folder: str, local: Callable[[bytes], Path]
) -> None:
    slept: list[float] = []
    limiter = CreationLimiter(burst=3, clock=lambda: 1000.0 + sum(slept), sleep=slept.append)
    path = local(b"content")
    with (
        DriveArchive.connect(settings, creations=limiter) as one,
        DriveArchive.connect(settings, creations=limiter) as other,
    ):
        for number in range(4):
            for drive in (one, other):
                drive.upload(path, folder=folder, name=f"{number}{id(drive)}", may_replace=nothing)

    # A folder and eight files; three may come at once, the others half a second apart.
    assert slept == [pytest.approx(0.5)] * 6


def test_a_refusal_slows_down_what_follows(
    settings: DriveSettings,
    folder: str,
    local: Callable[[bytes], Path],
    waits: Waits,
    drive_sandbox: ControlClient,
) -> None:
    slept: list[float] = []
    limiter = CreationLimiter(clock=lambda: 1000.0 + sum(slept), sleep=slept.append)
    path = local(b"content")
    with DriveArchive.connect(settings, backoff=waits.backoff(), creations=limiter) as drive:
        drive_sandbox.fault(**START, status=403, body=rate_body("userRateLimitExceeded"))
        for number in range(3):
            drive.upload(path, folder=folder, name=f"{number}", may_replace=nothing)

    assert len(slept) == 2
    assert all(0.5 < wait <= 0.75 for wait in slept)


def test_one_account_has_one_limiter_in_a_process() -> None:
    assert shared_limiter(None, "a@example.com") is shared_limiter(None, "a@example.com")
    assert shared_limiter(None, "a@example.com") is not shared_limiter(None, "b@example.com")
