"""Signing in: both kinds of credentials, how a stored token is kept, and the answer to every mistake."""

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import (
    CredentialsInvalid,
    CredentialsMissing,
    CredentialsRejected,
    DriveUnavailable,
    ScopeMissing,
)
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Waits

Change = Callable[[dict[str, Any]], None]


def change(path: Path, **fields: Any) -> None:
    info = json.loads(path.read_bytes())
    info.update(fields)
    path.write_text(json.dumps({name: value for name, value in info.items() if value is not None}))


def token_requests(control: ControlClient) -> int:
    return sum(request.path == "/token" for request in control.requests())


def test_a_refreshed_token_is_kept_for_its_owner_only(
    oauth_settings: DriveSettings, token_path: Path
) -> None:
    change(token_path, note="kept")
    before = json.loads(token_path.read_bytes())
    token_path.chmod(0o644)

    with DriveArchive.connect(oauth_settings):
        pass

    after = json.loads(token_path.read_bytes())
    assert stat.S_IMODE(token_path.stat().st_mode) == 0o600
    assert after["token"]
    assert datetime.fromisoformat(after["expiry"]) > datetime.now(UTC) + timedelta(minutes=30)
    assert {name: after[name] for name in before} == before
    assert {path.name for path in token_path.parent.iterdir()} == {"token.json", ".token.json.lock"}


def test_a_token_that_is_still_good_is_used_as_it_is(
    oauth_settings: DriveSettings, drive_sandbox: ControlClient
) -> None:
    with DriveArchive.connect(oauth_settings):
        pass
    drive_sandbox.clear()

    with DriveArchive.connect(oauth_settings):
        pass

    assert token_requests(drive_sandbox) == 0


@pytest.mark.parametrize("expiry", ["2001-01-01T00:00:00Z", "2001-01-01T00:00:00.000000", "soon", None])
def test_a_token_that_has_ended_or_may_have_is_refreshed(
    oauth_settings: DriveSettings, token_path: Path, drive_sandbox: ControlClient, expiry: str | None
) -> None:
    change(token_path, token="ya29.old", expiry=expiry)

    with DriveArchive.connect(oauth_settings):
        pass

    assert token_requests(drive_sandbox) == 1


def test_a_token_that_drive_refuses_is_refreshed_once(
    oauth_settings: DriveSettings, token_path: Path, drive_sandbox: ControlClient
) -> None:
    change(token_path, token="ya29.revoked", expiry="2999-01-01T00:00:00Z")

    with DriveArchive.connect(oauth_settings):
        pass

    assert token_requests(drive_sandbox) == 1


def test_a_link_to_a_token_stays_a_link(
    oauth_settings: DriveSettings, token_path: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(token_path)

    with DriveArchive.connect(replace(oauth_settings, token_path=link)):
        pass

    assert link.is_symlink()
    assert "token" in json.loads(token_path.read_bytes())


def test_a_token_without_its_client_takes_it_from_the_client_file(
    oauth_settings: DriveSettings, token_path: Path, env: dict[str, str], folder: str
) -> None:
    change(token_path, client_id=None, client_secret=None, token_uri=None)
    client = Path(env["GOOGLE_DRIVE_TOKEN_PATH"]).with_name("oauth-client.json")

    with DriveArchive.connect(replace(oauth_settings, credentials_path=client)) as drive:
        assert list(drive.list(folder)) == []

    assert "client_secret" not in json.loads(token_path.read_bytes())


def test_a_token_without_its_client_asks_for_the_client_file(
    oauth_settings: DriveSettings, token_path: Path
) -> None:
    change(token_path, client_secret=None)

    with pytest.raises(CredentialsMissing, match="GOOGLE_DRIVE_CREDENTIALS_PATH is not set"):
        DriveArchive.connect(oauth_settings)


def test_a_revoked_token_is_explained(oauth_settings: DriveSettings, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(refresh_token_revoked=True)

    with pytest.raises(CredentialsRejected, match=r"invalid_grant.*7 days") as caught:
        DriveArchive.connect(oauth_settings)

    assert "`lse auth login`" in caught.value.next_step
    assert not caught.value.transient


def test_a_deleted_oauth_client_is_explained(oauth_settings: DriveSettings, token_path: Path) -> None:
    change(token_path, client_id="gone.apps.googleusercontent.com")

    with pytest.raises(CredentialsRejected, match="invalid_client"):
        DriveArchive.connect(oauth_settings)


@pytest.mark.parametrize("kind", ["service_account", "oauth2"])
def test_a_token_endpoint_that_is_down_is_tried_again_without_a_wait_of_its_own(
    settings: DriveSettings,
    oauth_settings: DriveSettings,
    waits: Waits,
    drive_sandbox: ControlClient,
    kind: str,
) -> None:
    drive_sandbox.fault(path="/token", status=503, times=2)
    chosen = settings if kind == "service_account" else oauth_settings

    with DriveArchive.connect(chosen, backoff=waits.backoff()):
        pass

    assert waits.seconds == [0.25, 0.5]


@pytest.mark.parametrize("kind", ["service_account", "oauth2"])
@pytest.mark.parametrize("length", [0, 20])
def test_a_cut_answer_of_the_token_endpoint_is_no_token(
    settings: DriveSettings,
    oauth_settings: DriveSettings,
    waits: Waits,
    drive_sandbox: ControlClient,
    kind: str,
    length: int,
) -> None:
    drive_sandbox.fault(path="/token", truncate=length)
    chosen = settings if kind == "service_account" else oauth_settings

    with DriveArchive.connect(chosen, backoff=waits.backoff()):
        pass

    assert waits.seconds == [0.25]


def test_a_token_endpoint_that_stays_down_is_a_fault_that_passes(
    settings: DriveSettings, waits: Waits, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(path="/token", drop_after=-1, times=100)

    with pytest.raises(DriveUnavailable, match="token endpoint"):
        DriveArchive.connect(settings, backoff=waits.backoff(tries=3))


def test_a_token_for_less_than_drive_is_refused_before_anything_is_asked(
    oauth_settings: DriveSettings, token_path: Path, drive_sandbox: ControlClient
) -> None:
    change(token_path, scopes=["https://www.googleapis.com/auth/drive.file"])

    with pytest.raises(ScopeMissing, match="GOOGLE_DRIVE_TOKEN_PATH"):
        DriveArchive.connect(oauth_settings)

    assert drive_sandbox.requests() == []


def test_a_service_account_without_a_path_names_the_variable(settings: DriveSettings) -> None:
    with pytest.raises(CredentialsMissing, match="GOOGLE_DRIVE_CREDENTIALS_PATH is not set") as caught:
        DriveArchive.connect(replace(settings, credentials_path=None))

    assert "JSON key" in caught.value.next_step


def test_oauth_without_a_token_path_names_the_variable(oauth_settings: DriveSettings) -> None:
    with pytest.raises(CredentialsMissing, match="GOOGLE_DRIVE_TOKEN_PATH is not set") as caught:
        DriveArchive.connect(replace(oauth_settings, token_path=None))

    assert "`lse auth login`" in caught.value.next_step


def test_a_missing_file_is_named(settings: DriveSettings, tmp_path: Path) -> None:
    with pytest.raises(CredentialsMissing, match=r"There is no file .*nowhere\.json"):
        DriveArchive.connect(replace(settings, credentials_path=tmp_path / "nowhere.json"))


def test_a_directory_instead_of_a_file_is_named(settings: DriveSettings, tmp_path: Path) -> None:
    with pytest.raises(CredentialsMissing, match="cannot be read"):
        DriveArchive.connect(replace(settings, credentials_path=tmp_path))


def test_an_unknown_kind_of_credentials_is_refused(settings: DriveSettings) -> None:
    unknown: Any = "password"

    with pytest.raises(CredentialsInvalid, match="GOOGLE_DRIVE_AUTH_TYPE"):
        DriveArchive.connect(replace(settings, auth_type=unknown))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("no json: -----BEGIN PRIVATE KEY-----", "not a JSON object"),
        ("[]", "not a JSON object"),
        ('{"installed": {"client_id": "x"}}', "holds an OAuth client"),
        ('{"type": "authorized_user", "refresh_token": "1//secret"}', "holds a stored OAuth token"),
        ('{"hello": 1}', "holds something else"),
        ('{"type": "service_account", "client_email": "a@b"}', "not a complete service account's key"),
        (
            '{"type": "service_account", "client_email": "a@b", "token_uri": "x", "private_key": "rubbish"}',
            "not a complete service account's key",
        ),
    ],
)
def test_what_is_no_service_account_key_is_refused_with_advice(
    settings: DriveSettings, tmp_path: Path, content: str, why: str
) -> None:
    path = tmp_path / "key.json"
    path.write_text(content)

    with pytest.raises(CredentialsInvalid, match=why) as caught:
        DriveArchive.connect(replace(settings, credentials_path=path))

    assert "GOOGLE_DRIVE_CREDENTIALS_PATH" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"installed": {"client_id": "x"}}', "holds an OAuth client"),
        ('{"type": "service_account", "private_key": "x"}', "holds a service account's key"),
        ('{"token": "ya29.x"}', "nothing to refresh with"),
    ],
)
def test_what_is_no_stored_token_is_refused_with_advice(
    oauth_settings: DriveSettings, tmp_path: Path, content: str, why: str
) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)

    with pytest.raises(CredentialsInvalid, match=why) as caught:
        DriveArchive.connect(replace(oauth_settings, token_path=path))

    assert "GOOGLE_DRIVE_TOKEN_PATH" in str(caught.value)
