"""One stored token, several processes: each finds a good access token, and the file stays whole."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from lse_dagster.drive.errors import CredentialsRejected
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.sign_in.credentials import open_account
from lse_dagster.drive.sign_in.login import Consent, read_desktop_client
from lse_dagster.drive.sign_in.token_file import store_token
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.drive.sign_in.test_credentials import change, token_requests

_SIGN_IN = """
import sys
from pathlib import Path
from lse_dagster.drive.sign_in.credentials import open_account
from lse_dagster.drive.settings import DriveSettings

path, endpoint = Path(sys.argv[1]), sys.argv[2]
settings = DriveSettings(folder_url="", auth_type="oauth2", token_path=path, endpoint=endpoint)
headers = open_account(settings, timeout=30).headers()
print(headers["authorization"])
"""
ENDED = "2001-01-01T00:00:00Z"


def new_consent(sandbox: Sandbox, path: Path) -> None:
    """What `lse auth login` does."""
    client = read_desktop_client(sandbox.directory / "oauth-client.json", endpoint=sandbox.drive_url)
    consent = Consent.ask(client, "http://127.0.0.1:9/", "a-state")
    store_token(
        path,
        consent.redeem(requests.get(consent.url, allow_redirects=False, timeout=60).headers["Location"]),
    )


def revoke(sandbox: Sandbox, path: Path) -> None:
    grant = json.loads(path.read_bytes())["refresh_token"]
    requests.post(f"{sandbox.drive_url}/revoke", data={"token": grant}, timeout=60).raise_for_status()


def test_processes_that_need_a_token_at_once_ask_google_once(
    token_path: Path, sandbox: Sandbox, drive_sandbox: ControlClient
) -> None:
    change(token_path, token="ya29.old", expiry=ENDED)

    command = [sys.executable, "-c", _SIGN_IN, str(token_path), sandbox.drive_url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    said = {process.communicate(timeout=60)[0] for process in processes}

    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert said == {f"Bearer {json.loads(token_path.read_bytes())['token']}\n".encode()}
    assert token_requests(drive_sandbox) == 1


def test_a_process_that_runs_takes_up_a_new_consent(
    sandbox: Sandbox, oauth_settings: DriveSettings, token_path: Path
) -> None:
    new_consent(sandbox, token_path)
    account = open_account(oauth_settings, timeout=60)
    revoke(sandbox, token_path)
    new_consent(sandbox, token_path)
    stored = token_path.read_bytes()

    account.renew(account.token)  # as after a 401

    assert account.token == json.loads(stored)["token"]
    assert token_path.read_bytes() == stored


def test_a_revoked_token_stays_in_its_file(
    sandbox: Sandbox, oauth_settings: DriveSettings, token_path: Path
) -> None:
    new_consent(sandbox, token_path)
    account = open_account(oauth_settings, timeout=60)
    revoke(sandbox, token_path)
    before = token_path.read_bytes()

    with pytest.raises(CredentialsRejected, match="invalid_grant"):
        account.renew(account.token)

    assert token_path.read_bytes() == before


def test_a_session_that_an_organisation_ends_is_explained(
    oauth_settings: DriveSettings, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(
        path="/token", status=400, body={"error": "invalid_grant", "error_subtype": "invalid_rapt"}
    )

    with pytest.raises(CredentialsRejected, match="sign in again") as caught:
        open_account(oauth_settings, timeout=60).headers()

    assert "`lse auth login`" in caught.value.next_step


@pytest.mark.parametrize("spoilt", [None, "", "[]", '{"type": "service_account"}'])
def test_a_token_file_that_is_gone_or_spoilt_does_not_stop_a_process_that_runs(
    oauth_settings: DriveSettings, token_path: Path, spoilt: str | None
) -> None:
    account = open_account(oauth_settings, timeout=60)
    token_path.unlink() if spoilt is None else token_path.write_text(spoilt)

    assert account.headers()["authorization"].startswith("Bearer ")

    assert token_path.exists() == (spoilt is not None)


def test_a_token_is_for_its_owner_only_whatever_the_umask(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "token.json"
    before = os.umask(0)
    try:
        new_consent(sandbox, path)
    finally:
        os.umask(before)

    assert {found.name: found.stat().st_mode & 0o777 for found in tmp_path.iterdir()} == {
        "token.json": 0o600,
        ".token.json.lock": 0o600,
    }


def test_a_directory_that_cannot_be_written_leaves_the_fresh_token_in_memory(
    oauth_settings: DriveSettings, token_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (mounted / "token.json").write_bytes(token_path.read_bytes())
    (mounted / ".token.json.lock").mkdir()  # root may write anywhere, but not lock a directory

    account = open_account(replace(oauth_settings, token_path=mounted / "token.json"), timeout=60)

    assert account.headers()["authorization"].startswith("Bearer ")
    assert (mounted / "token.json").read_bytes() == token_path.read_bytes()
    assert "could not be written" in caplog.text
