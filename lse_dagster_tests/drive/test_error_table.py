"""Every refusal that Drive is known to make: its error, whether it passes, and what a person reads.

The table is the specification; each row is played over HTTP at each place where Drive can say it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import (
    AccessTokenRefused,
    AlreadyExists,
    ApiDisabled,
    CredentialsRejected,
    DailyLimitReached,
    DriveError,
    DriveUnavailable,
    FileMissing,
    FileTrashed,
    FolderFull,
    NoStorage,
    PassingFault,
    PermissionMissing,
    RateLimited,
    RequestRefused,
    ScopeMissing,
    UploadSessionLost,
)
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Person, Waits, Where, put, rate_body, some_bytes

Local = Callable[[bytes], Path]
ALWAYS = 1000


class Refusal(NamedTuple):
    """One row: what Drive says, what it becomes, and words that the error must hold."""

    status: int
    reason: str
    error: type[DriveError]
    words: str


TABLE = [
    Refusal(400, "badRequest", RequestRefused, "report the answer"),
    Refusal(401, "authError", AccessTokenRefused, "fresh access token"),
    Refusal(403, "userRateLimitExceeded", RateLimited, "750 GB"),
    Refusal(403, "rateLimitExceeded", RateLimited, "fewer at a time"),
    Refusal(403, "sharingRateLimitExceeded", RateLimited, "fewer at a time"),
    Refusal(403, "RATE_LIMIT_EXCEEDED", RateLimited, "fewer at a time"),
    Refusal(403, "storageQuotaExceeded", NoStorage, "A service account has no storage of its own"),
    Refusal(403, "quotaExceeded", DailyLimitReached, "750 GB"),
    Refusal(403, "dailyLimitExceeded", DailyLimitReached, "run again tomorrow"),
    Refusal(403, "downloadQuotaExceeded", DailyLimitReached, "downloaded too often"),
    Refusal(403, "teamDriveFileLimitExceeded", FolderFull, "use another folder"),
    Refusal(403, "teamDriveHierarchyTooDeep", FolderFull, "use another folder"),
    Refusal(403, "numChildrenInNonRootLimitExceeded", FolderFull, "use another folder"),
    Refusal(403, "activeItemCreationLimitExceeded", FolderFull, "use another folder"),
    Refusal(403, "insufficientFilePermissions", PermissionMissing, "Content manager"),
    Refusal(403, "cannotDownloadAbusiveFile", PermissionMissing, "ask there for a review"),
    Refusal(403, "cannotDownloadFile", PermissionMissing, "allow downloads"),
    Refusal(403, "domainPolicy", PermissionMissing, "administrator"),
    Refusal(403, "somethingNew", PermissionMissing, "somethingNew"),
    Refusal(403, "appNotAuthorizedToFile", ScopeMissing, "less than the whole of Drive"),
    Refusal(403, "insufficientPermissions", ScopeMissing, "less than the whole of Drive"),
    Refusal(403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", ScopeMissing, "less than the whole of Drive"),
    Refusal(403, "accessNotConfigured", ApiDisabled, "enable the Google Drive API"),
    Refusal(403, "SERVICE_DISABLED", ApiDisabled, "enable the Google Drive API"),
    Refusal(404, "notFound", FileMissing, "still there"),
    Refusal(408, "requestTimeout", DriveUnavailable, "later"),
    Refusal(409, "fileIdInUse", AlreadyExists, "run the same step again"),
    Refusal(413, "uploadTooLarge", RequestRefused, "uploadTooLarge"),
    Refusal(418, "neverSeen", RequestRefused, "neverSeen"),
    Refusal(429, "rateLimitExceeded", RateLimited, "fewer at a time"),
    Refusal(500, "internalError", DriveUnavailable, "later"),
    Refusal(502, "badGateway", DriveUnavailable, "later"),
    Refusal(503, "backendError", DriveUnavailable, "later"),
    Refusal(504, "gatewayTimeout", DriveUnavailable, "later"),
]
PLACES: dict[str, Where] = {
    "metadata": {"method": "GET", "path": r"^/drive/v3/files$"},
    "content": {"method": "PUT", "path": r"upload_id="},
}


PLAYED = [(place, row) for place in PLACES for row in TABLE]
# On a session these two mean something else: the tests below, and `test_upload_faults.py`.
PLAYED = [(place, row) for place, row in PLAYED if place == "metadata" or row.status not in {404, 409}]


@pytest.mark.parametrize(
    ("place", "row"), PLAYED, ids=[f"{place} {row.status} {row.reason}" for place, row in PLAYED]
)
def test_each_refusal_becomes_its_error(
    drive: DriveArchive,
    waits: Waits,
    drive_sandbox: ControlClient,
    folder: str,
    local: Local,
    place: str,
    row: Refusal,
) -> None:
    drive_sandbox.fault(
        **PLACES[place], status=row.status, body=rate_body(row.reason, row.status), times=ALWAYS
    )

    with pytest.raises(DriveError) as caught:
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    error = caught.value
    assert type(error) is row.error
    passes = issubclass(row.error, PassingFault)
    # A final one is not tried again, but for what the list gave a moment ago and is not found.
    assert bool(waits.seconds) == (passes or row.error is FileMissing)
    assert error.transient == (passes or row.error is DailyLimitReached)
    assert row.words in f"{error.why} {error.next_step}"
    assert f"{row.status} {row.reason}" in error.why
    assert folder in error.what


@pytest.mark.parametrize("status", [404, 410])
def test_a_lost_session_passes(
    drive: DriveArchive, waits: Waits, drive_sandbox: ControlClient, folder: str, local: Local, status: int
) -> None:
    drive_sandbox.fault(**PLACES["content"], status=status, times=ALWAYS)

    with pytest.raises(UploadSessionLost) as caught:
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert caught.value.transient
    assert waits.seconds


def test_an_answer_that_is_not_drives_own_still_gives_an_error(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.fault(**PLACES["metadata"], status=403, body="<html>a proxy says no</html>")

    with pytest.raises(PermissionMissing, match="Drive answered 403"):
        drive.upload(local(b"content"), folder=folder, name="a.zip")


def test_a_token_of_an_app_in_testing_is_explained(
    oauth_settings: DriveSettings, waits: Waits, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.settings(refresh_token_revoked=True)

    with pytest.raises(CredentialsRejected, match="7 days") as caught:
        DriveArchive.connect(oauth_settings, backoff=waits.backoff())

    assert not caught.value.transient
    assert waits.seconds == []


def test_a_file_that_is_trashed_while_it_is_replaced_is_no_success(
    drive: DriveArchive, person: Person, folder: str, local: Local
) -> None:
    old = drive.upload(local(b"old"), folder=folder, name="a.zip").file

    with pytest.raises(FileTrashed) as caught:
        put(
            drive,
            local(some_bytes(3 * 1024 * 1024)),
            folder=folder,
            name="a.zip",
            on_progress=lambda done, total: person.trash(old.id),
        )

    assert caught.value.transient
    again = drive.upload(local(b"new"), folder=folder, name="a.zip")
    assert (again.action, again.file.is_trashed) == ("created", False)


def test_a_folder_that_is_trashed_while_a_file_is_made_is_no_success(
    drive: DriveArchive, person: Person, root_id: str, folder: str, local: Local
) -> None:
    parent = person.make_folder(folder, root_id)
    path = local(some_bytes(3 * 1024 * 1024))  # Drive cannot have it all when the first of it is told
    trashed: list[str] = []

    def trash(done: int, total: int) -> None:
        if not trashed:
            trashed.append(parent)
            person.trash(parent)

    with pytest.raises(FileTrashed, match="trash"):
        drive.upload(path, folder=folder, name="a.zip", on_progress=trash)

    again = put(drive, path, folder=folder, name="a.zip")
    assert [file["id"] for file in person.live_in(root_id, folder)] != [parent]
    assert drive.find(folder, "a.zip") == again.file
