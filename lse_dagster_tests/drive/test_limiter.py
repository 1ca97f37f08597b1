"""The pace of new files: a burst, then what Drive takes for long, for all archives of one account."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.net.backoff import Backoff
from lse_dagster.net.limiter import CREATIONS, RateLimiter, shared_creations
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Waits, Where, rate_body

START: Where = {"method": "POST", "path": r"/upload/.*uploadType=resumable"}


def test_new_files_come_at_drives_pace_over_all_archives_of_an_account(
    settings: DriveSettings, folder: str, local: Callable[[bytes], Path]
) -> None:
    slept: list[float] = []
    limiter = RateLimiter(CREATIONS, burst=3, clock=lambda: 1000.0 + sum(slept))
    backoff = Backoff(sleep=slept.append)
    path = local(b"content")
    with (
        DriveArchive.connect(settings, backoff=backoff, creations=limiter) as one,
        DriveArchive.connect(settings, backoff=backoff, creations=limiter) as other,
    ):
        for number in range(4):
            for drive in (one, other):
                drive.upload(path, folder=folder, name=f"{number}{id(drive)}")

    # A folder and eight files; three may come at once, the others a little more than half a second apart.
    assert slept == [pytest.approx(0.525)] * 6


def test_a_refusal_slows_down_what_follows(
    settings: DriveSettings,
    folder: str,
    local: Callable[[bytes], Path],
    waits: Waits,
    drive_sandbox: ControlClient,
) -> None:
    limiter = RateLimiter(CREATIONS, burst=CREATIONS, clock=lambda: 1000.0 + sum(waits.seconds))
    path = local(b"content")
    at_once = waits.backoff(jitter=lambda: 0.0)
    with DriveArchive.connect(settings, backoff=at_once, creations=limiter) as drive:
        drive_sandbox.fault(**START, status=403, body=rate_body("userRateLimitExceeded"))
        for number in range(3):
            drive.upload(path, folder=folder, name=f"{number}")

    slept = [wait for wait in waits.seconds if wait]
    assert len(slept) == 2
    assert all(0.525 < wait < 0.79 for wait in slept)


def test_one_account_has_one_limiter_in_a_process() -> None:
    assert shared_creations(None, "a@example.com") is shared_creations(None, "a@example.com")
    assert shared_creations(None, "a@example.com") is not shared_creations(None, "b@example.com")
