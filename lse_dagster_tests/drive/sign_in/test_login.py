"""Signing in by OAuth: the question, the listener on this machine, and every answer that may come."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from lse_dagster.drive.errors import (
    ConsentDenied,
    CredentialsInvalid,
    CredentialsMissing,
    DriveError,
    DriveUnavailable,
    ForeignAnswer,
    PortInUse,
    RefreshTokenMissing,
    ScopeMissing,
    SignInFailed,
    TokenUnwritable,
)
from lse_dagster.drive.sign_in.login import Consent, OAuthClient, read_desktop_client
from lse_dagster.drive.sign_in.loopback import is_answer, listening
from lse_dagster.drive.sign_in.token_file import check_place
from lse_dagster.sandbox.client import ControlClient, FaultFields
from lse_dagster.sandbox.server import Sandbox

DRIVE = "https://www.googleapis.com/auth/drive"
REDIRECT = "http://127.0.0.1:9/"
STATE = "of-this-sign-in"


@pytest.fixture
def client(sandbox: Sandbox, drive_sandbox: ControlClient) -> OAuthClient:
    return read_desktop_client(sandbox.directory / "oauth-client.json", endpoint=sandbox.drive_url)


@pytest.fixture
def consent(client: OAuthClient) -> Consent:
    return Consent.ask(client, REDIRECT, STATE)


def agree(consent: Consent) -> str:
    """Where the browser ends: the address with the answer."""
    return requests.get(consent.url, allow_redirects=False, timeout=60).headers["Location"]


def test_the_question_asks_for_drive_offline_with_a_challenge_of_its_own(client: OAuthClient) -> None:
    first, second = (
        parse_qs(urlsplit(Consent.ask(client, REDIRECT, STATE).url).query, strict_parsing=True)
        for _ in range(2)
    )

    assert first["scope"] == [DRIVE]
    assert first["access_type"] == ["offline"]
    assert first["prompt"] == ["consent"]
    assert first["code_challenge_method"] == ["S256"]
    assert len(first["code_challenge"][0]) == 43
    assert first["state"] == [STATE]
    assert first["code_challenge"] != second["code_challenge"]


def test_the_browser_brings_the_answer_to_the_listener(client: OAuthClient) -> None:
    with listening() as listener:
        consent = Consent.ask(client, listener.redirect_uri, listener.state)
        page = requests.get(consent.url, timeout=60)
        token = consent.redeem(listener.answer())

    assert "Go on in the terminal" in page.text
    assert "code" not in page.text
    assert token["type"] == "authorized_user"
    assert token["refresh_token"]
    assert token["scopes"] == [DRIVE]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/favicon.ico"),
        ("GET", "/?x=1"),
        ("GET", "/?code=4/forged"),
        ("GET", "/?error=access_denied"),
        ("GET", "/?state=of-another-sign-in&code=4/forged"),
        ("GET", "/?state=of-another-sign-in&error=access_denied"),
        ("GET", "/?state={state}"),
        ("GET", "http://[?state=x&code=y"),
        ("GET", "/?state=%ff%00&code=\xff"),
        ("HEAD", "/?state={state}&code=4/forged"),
        ("POST", "/?state={state}&code=4/forged"),
        ("OPTIONS", "/?state={state}&error=access_denied"),
        ("NONSENSE", "\r\n"),
    ],
)
def test_the_listener_waits_for_the_answer_to_its_own_question_whatever_else_comes(
    client: OAuthClient, capfd: pytest.CaptureFixture[str], method: str, path: str
) -> None:
    with listening() as listener, socket.create_connection(_place(listener.redirect_uri)):
        consent = Consent.ask(client, listener.redirect_uri, listener.state)
        with socket.create_connection(_place(listener.redirect_uri)) as stray:
            line = f"{method} {path.format(state=listener.state)} HTTP/1.0\r\n\r\n"
            stray.sendall(line.encode("latin-1"))
            answered = stray.makefile("rb").read()
        requests.get(consent.url, timeout=60)

        assert consent.redeem(listener.answer())["refresh_token"]

    assert b" 200 " not in answered
    assert capfd.readouterr().err == ""


def test_each_listener_has_a_secret_of_its_own() -> None:
    with listening() as one, listening() as other:
        assert one.state != other.state
        assert min(len(one.state), len(other.state)) >= 32


def _place(uri: str) -> tuple[str, int]:
    url = urlsplit(uri)
    return str(url.hostname), int(url.port or 0)


def test_the_listener_is_gone_afterwards() -> None:
    with listening() as listener:
        place = _place(listener.redirect_uri)

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place)


def test_a_port_in_use_is_named() -> None:
    with listening() as listener:
        port = _place(listener.redirect_uri)[1]

        with pytest.raises(PortInUse, match=f"127.0.0.1:{port}") as caught, listening(port):
            pass

    assert "--port" in caught.value.next_step


def test_a_denied_consent_is_explained(consent: Consent, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(consent="denied")

    with pytest.raises(ConsentDenied, match="access_denied") as caught:
        consent.redeem(agree(consent))

    assert "lse auth login" in caught.value.next_step


@pytest.mark.parametrize(
    "forge",
    [
        lambda address: address.replace("state=", "state=x"),
        lambda address: address.replace("state=", "other="),
        lambda address: f"{REDIRECT}?error=access_denied&state=\u00fc",
    ],
)
def test_an_answer_with_another_state_is_refused_before_anything_is_sent(
    consent: Consent, drive_sandbox: ControlClient, forge: Callable[[str], str]
) -> None:
    address = agree(consent)
    drive_sandbox.clear()

    with pytest.raises(ForeignAnswer, match="another sign-in"):
        consent.redeem(forge(address))

    assert drive_sandbox.requests() == []


def test_a_code_of_another_question_is_refused(client: OAuthClient, consent: Consent) -> None:
    other = parse_qs(urlsplit(agree(Consent.ask(client, REDIRECT, STATE))).query)["code"][0]
    state = parse_qs(urlsplit(consent.url).query)["state"][0]

    with pytest.raises(SignInFailed, match="did not take the code"):
        consent.redeem(f"{REDIRECT}?state={state}&code={other}")


def test_less_than_drive_is_refused(consent: Consent, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(consent_scope=f"{DRIVE}.file")

    with pytest.raises(ScopeMissing, match="not granted"):
        consent.redeem(agree(consent))


def test_a_missing_refresh_token_is_explained(consent: Consent, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(offline_access=False)

    with pytest.raises(RefreshTokenMissing) as caught:
        consent.redeem(agree(consent))

    assert "myaccount.google.com" in caught.value.next_step


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"path": "/token", "status": 503}, DriveUnavailable),
        ({"path": "/token", "drop_after": -1}, DriveUnavailable),
        ({"path": "/token", "truncate": 20}, DriveUnavailable),
        ({"path": "/token", "status": 200, "body": "<html>"}, DriveUnavailable),
        ({"path": "/token", "status": 200, "body": {"expires_in": 3600}}, SignInFailed),
        ({"path": "/token", "status": 401, "body": {"error": "invalid_client"}}, SignInFailed),
    ],
)
def test_a_token_endpoint_that_gives_no_token_is_explained(
    consent: Consent, drive_sandbox: ControlClient, fault: FaultFields, error: type[DriveError]
) -> None:
    drive_sandbox.fault(**fault)

    with pytest.raises(error) as caught:
        consent.redeem(agree(consent))

    assert "lse auth login" in caught.value.next_step


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:40000/?state=a&code=4/b&scope=c", True),
        ("127.0.0.1:40000/?state=a&error=access_denied", True),
        ("http://127.0.0.1:40000/", False),
        ("4/0Abc", False),
        ("https://accounts.google.com/o/oauth2/auth?client_id=a&state=b", False),
        ("http://[?state=a&code=b", False),
        ("what?", False),
    ],
)
def test_what_is_pasted_is_told_apart(text: str, expected: bool) -> None:
    assert is_answer(text) is expected


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"type": "service_account"}, "holds a service account's key"),
        ({"refresh_token": "1//x"}, "holds a stored OAuth token"),
        ({"web": {"client_id": "a", "client_secret": "b"}}, "Web application"),
        ({"installed": {"client_id": "a"}}, "not a complete OAuth client"),
        ({"installed": []}, "not a complete OAuth client"),
        ({}, "holds something else"),
    ],
)
def test_what_is_no_desktop_client_is_refused_with_advice(
    tmp_path: Path, content: dict[str, Any], why: str
) -> None:
    path = tmp_path / "client.json"
    path.write_text(json.dumps(content))

    with pytest.raises(CredentialsInvalid, match=why) as caught:
        read_desktop_client(path, endpoint=None)

    assert "Desktop app" in caught.value.next_step


def test_a_missing_client_names_the_variable() -> None:
    with pytest.raises(CredentialsMissing, match="GOOGLE_DRIVE_CREDENTIALS_PATH is not set"):
        read_desktop_client(None, endpoint=None)


@pytest.mark.parametrize("content", ['{"type": "service_account"}', "my notes", "", "[]"])
def test_a_file_that_is_no_token_is_never_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token.json"
    path.write_text(content)

    with pytest.raises(TokenUnwritable, match="left as it is"):
        check_place(path, next_step="")

    assert path.read_text() == content


def test_a_place_without_a_folder_gets_one_for_its_owner_only(tmp_path: Path) -> None:
    place = check_place(tmp_path / "keys" / "token.json", next_step="")

    assert place.parent.stat().st_mode & 0o777 == 0o700


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(TokenUnwritable, match="No file can be written"):
        check_place(tmp_path / "file" / "token.json", next_step="")
