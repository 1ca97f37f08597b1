"""Refusals of Drive: which 403s pass, which are final, and what each tells a person to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import (
    ApiDisabled,
    CredentialsRejected,
    DailyLimitReached,
    DriveError,
    FolderFull,
    NoStorage,
    PermissionMissing,
    ScopeMissing,
)
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Waits, Where, elsewhere, rate_body

Local = Callable[[bytes], Path]

START: Where = {"method": "POST", "path": r"/upload/.*uploadType=resumable"}
SEND: Where = {"method": "PUT", "path": r"/upload/.*upload_id="}
LIST: Where = {"method": "GET", "path": r"^/drive/v3/files$"}


@pytest.mark.parametrize("reason", ["userRateLimitExceeded", "rateLimitExceeded"])
@pytest.mark.parametrize("where", [START, SEND])
def test_a_rate_limit_in_the_form_of_a_403_passes(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    folder: str,
    local: Local,
    reason: str,
    where: Where,
) -> None:
    drive_sandbox.fault(**where, status=403, body=rate_body(reason))

    uploaded = drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert uploaded.retries == 1


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("storageQuotaExceeded", NoStorage),
        ("insufficientFilePermissions", PermissionMissing),
        ("teamDriveFileLimitExceeded", FolderFull),
        ("numChildrenInNonRootLimitExceeded", FolderFull),
        ("appNotAuthorizedToFile", ScopeMissing),
        ("insufficientPermissions", ScopeMissing),
        ("accessNotConfigured", ApiDisabled),
        ("dailyLimitExceeded", DailyLimitReached),
        ("somethingNew", PermissionMissing),
    ],
)
@pytest.mark.parametrize("where", [START, SEND])
def test_other_403s_are_final_and_say_what_to_do(
    drive: DriveArchive,
    waits: Waits,
    drive_sandbox: ControlClient,
    folder: str,
    local: Local,
    reason: str,
    error: type[DriveError],
    where: Where,
) -> None:
    drive_sandbox.fault(**where, status=403, body=rate_body(reason))

    with pytest.raises(error) as caught:
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert waits.seconds == []
    assert reason in caught.value.why
    assert folder in caught.value.what
    assert caught.value.next_step
    assert caught.value.transient == (error is DailyLimitReached)


def test_a_service_account_without_storage_is_told_of_shared_drives(
    settings: DriveSettings, env: dict[str, str], waits: Waits, folder: str, local: Local
) -> None:
    in_my_drive = elsewhere(settings, env["SANDBOX_MY_DRIVE_FOLDER_ID"])

    with (
        DriveArchive.connect(in_my_drive, backoff=waits.backoff()) as drive,
        pytest.raises(NoStorage) as caught,
    ):
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert "shared drive" in caught.value.next_step
    assert waits.seconds == []


def test_a_full_drive_is_told_so(
    oauth_settings: DriveSettings, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.settings(quota_full=True)

    with DriveArchive.connect(oauth_settings) as drive, pytest.raises(NoStorage, match="free some storage"):
        drive.upload(local(b"content"), folder=folder, name="a.zip")


def test_a_reader_is_told_to_become_an_editor(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.settings(service_account_role="reader")

    with pytest.raises(PermissionMissing, match="Content manager"):
        drive.upload(local(b"content"), folder=folder, name="a.zip")


@pytest.mark.parametrize("where", [START, SEND, LIST])
def test_a_401_after_a_fresh_token_is_final(
    drive: DriveArchive,
    waits: Waits,
    drive_sandbox: ControlClient,
    folder: str,
    local: Local,
    where: Where,
) -> None:
    drive_sandbox.fault(**where, status=401, body=rate_body("authError", 401), times=100)

    with pytest.raises(CredentialsRejected):
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert waits.seconds == []
    assert len(drive_sandbox.requests()) < 15
