"""Who is signed in and whether uploads would work, in each situation that keeps them from working."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lse_dagster.drive.errors import (
    ApiDisabled,
    CredentialsMissing,
    CredentialsRejected,
    DriveError,
    DriveUnavailable,
    FolderNotReachable,
    FolderUrlInvalid,
    NoStorage,
    PermissionMissing,
)
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.status import sign_in_status
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Waits, elsewhere, rate_body


def test_a_service_account_on_a_shared_drive_works(settings: DriveSettings) -> None:
    status = sign_in_status(settings)

    assert status.problem is None
    assert status.user is not None
    assert status.user.is_service_account
    assert status.user.free_bytes == 0
    assert status.folder is not None
    assert (status.folder.name, status.folder.drive_name) == ("LangSmith archives", "Sandbox drive")
    assert status.folder.link == settings.folder_url
    assert status.folder.writable


def test_a_person_in_their_my_drive_works_and_sees_free_space(oauth_settings: DriveSettings) -> None:
    status = sign_in_status(oauth_settings)

    assert status.problem is None
    assert status.user is not None
    assert status.user.email == "archivist@example.com"
    assert status.user.limit_bytes == 15 * 1024**3
    assert status.user.free_bytes == 15 * 1024**3 - status.user.used_bytes
    assert status.folder is not None
    assert status.folder.drive_id is None


def test_nothing_is_changed(settings: DriveSettings, drive_sandbox: ControlClient) -> None:
    sign_in_status(settings)

    methods = {(request.method, request.path) for request in drive_sandbox.requests()}
    assert {method for method, path in methods if path != "/token"} == {"GET"}


def test_a_service_account_in_my_drive_has_no_storage(settings: DriveSettings, env: dict[str, str]) -> None:
    status = sign_in_status(elsewhere(settings, env["SANDBOX_MY_DRIVE_FOLDER_ID"]))

    assert isinstance(status.problem, NoStorage)
    assert "shared drive" in status.problem.next_step
    assert status.folder is not None
    assert status.folder.writable


def test_a_full_my_drive_is_in_the_way(oauth_settings: DriveSettings, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(quota_full=True)

    status = sign_in_status(oauth_settings)

    assert isinstance(status.problem, NoStorage)
    assert "archivist@example.com is full" in status.problem.why


def test_a_full_my_drive_does_not_matter_on_a_shared_drive(
    oauth_settings: DriveSettings, env: dict[str, str], drive_sandbox: ControlClient
) -> None:
    drive_sandbox.settings(quota_full=True)

    assert sign_in_status(elsewhere(oauth_settings, env["GOOGLE_DRIVE_FOLDER_URL"])).problem is None


def test_a_reader_is_told_which_role_is_missing(
    settings: DriveSettings, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.settings(service_account_role="reader")

    status = sign_in_status(settings)

    assert isinstance(status.problem, PermissionMissing)
    assert "Content manager" in status.problem.next_step
    assert "lse-archive@" in status.problem.next_step


def test_a_folder_on_a_shared_drive_that_only_its_members_may_name(
    settings: DriveSettings, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(path="/drive/v3/drives/", status=404, body=rate_body("notFound", 404))

    status = sign_in_status(settings)

    assert status.problem is None
    assert status.folder is not None
    assert status.folder.drive_id is not None
    assert status.folder.drive_name is None


@pytest.mark.parametrize(
    ("folder_url", "error"),
    [("", FolderUrlInvalid), ("https://example.com", FolderUrlInvalid), ("1" * 33, FolderNotReachable)],
)
def test_who_is_signed_in_is_known_without_a_folder(
    settings: DriveSettings, folder_url: str, error: type[DriveError]
) -> None:
    status = sign_in_status(elsewhere(settings, folder_url))

    assert isinstance(status.problem, error)
    assert status.user is not None
    assert status.folder is None


def test_a_token_that_is_missing_is_the_problem(oauth_settings: DriveSettings, tmp_path: Path) -> None:
    status = sign_in_status(replace(oauth_settings, token_path=tmp_path / "nowhere.json"))

    assert isinstance(status.problem, CredentialsMissing)
    assert status.problem.next_step == "run `lse auth login`"
    assert [file.mode for file in status.files] == [None]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"path": "/token", "status": 400, "body": {"error": "invalid_grant"}}, CredentialsRejected),
        ({"path": "/about", "status": 403, "body": rate_body("accessNotConfigured")}, ApiDisabled),
        ({"path": "/about", "status": 503, "times": 3}, DriveUnavailable),
    ],
)
def test_what_drive_refuses_is_the_problem(
    settings: DriveSettings,
    waits: Waits,
    drive_sandbox: ControlClient,
    fault: dict[str, Any],
    error: type[DriveError],
) -> None:
    drive_sandbox.fault(**fault)

    status = sign_in_status(settings, backoff=waits.backoff(tries=3))

    assert isinstance(status.problem, error)
    assert status.user is None


@pytest.mark.parametrize(("mode", "open_to_others"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_secret_that_others_can_read_is_noticed(
    settings: DriveSettings, tmp_path: Path, mode: int, open_to_others: bool
) -> None:
    assert settings.credentials_path is not None
    key = tmp_path / "key.json"
    key.write_bytes(settings.credentials_path.read_bytes())
    key.chmod(mode)

    (file,) = sign_in_status(replace(settings, credentials_path=key)).files

    assert (file.variable, file.mode) == ("GOOGLE_DRIVE_CREDENTIALS_PATH", mode)
    assert file.readable_by_others is open_to_others


def test_a_refreshed_token_is_closed_to_others(oauth_settings: DriveSettings, token_path: Path) -> None:
    token_path.chmod(0o644)

    (file,) = sign_in_status(oauth_settings).files

    assert (file.variable, file.mode) == ("GOOGLE_DRIVE_TOKEN_PATH", 0o600)
