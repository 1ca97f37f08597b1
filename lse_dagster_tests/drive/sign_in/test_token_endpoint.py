"""Where secrets are exchanged for tokens: with Google over https, or on the configured endpoint's host."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lse_dagster.drive.errors import CredentialsInvalid
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.sign_in.credentials import open_account
from lse_dagster.drive.sign_in.login import read_desktop_client
from lse_dagster.drive.sign_in.token_endpoint import expect_token_endpoint
from lse_dagster_tests.langsmith.odd_server import OddServer, running_odd_server

GOOGLES = [
    "https://oauth2.googleapis.com/token",
    "https://oauth2.googleapis.com:443/token",
    "https://accounts.google.com/o/oauth2/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://sts.googleapis.com/v1/token",
]
NOBODYS = [
    "http://oauth2.googleapis.com/token",
    "https://oauth2.googleapis.com:8443/token",
    "https://oauth2.googleapis.com.example.org/token",
    "https://evilgoogleapis.com/token",
    "https://notaccounts.google.com/token",
    "https://oauth2.googleapis.com@example.org/token",
    "https://example.org/oauth2.googleapis.com",
    "https://sites.google.com/token",
    "http://169.254.169.254/token",
    "https://example.org\\.googleapis.com/token",
    "https://example.org\\@oauth2.googleapis.com/token",
    "https://example.org\\@drive.example.com/token",
    "http://example.org\\@127.0.0.1:8912/token",
    "ftp://127.0.0.1/token",
    "ftp://oauth2.googleapis.com/token",
    "https://[::1/token",
    "https:///token",
    "token",
    "",
]
SANDBOX = "http://127.0.0.1:8912"
OF_ITS_OWN = "https://drive.example.com/google/"


@pytest.mark.parametrize("endpoint", [None, SANDBOX, OF_ITS_OWN])
@pytest.mark.parametrize("url", GOOGLES)
def test_googles_endpoints_are_taken_whatever_is_configured(url: str, endpoint: str | None) -> None:
    expect_token_endpoint(url, endpoint)


@pytest.mark.parametrize("endpoint", [None, SANDBOX, OF_ITS_OWN])
@pytest.mark.parametrize("url", NOBODYS)
def test_an_endpoint_that_is_neither_googles_nor_configured_is_refused(
    url: str, endpoint: str | None
) -> None:
    with pytest.raises(CredentialsInvalid, match="nothing was sent"):
        expect_token_endpoint(url, endpoint)


@pytest.mark.parametrize(
    ("url", "endpoint", "taken"),
    [
        ("http://127.0.0.1:8912/token", SANDBOX, True),
        ("http://127.0.0.1:1/token", SANDBOX, True),  # another port of this machine
        ("http://127.0.0.1:8912/token", None, False),
        ("http://127.0.0.1:8912/token", OF_ITS_OWN, False),
        ("https://drive.example.com/token", OF_ITS_OWN, True),
        ("https://drive.example.com:8443/token", OF_ITS_OWN, True),
        ("http://drive.example.com/token", OF_ITS_OWN, False),
        ("https://example.com/token", OF_ITS_OWN, False),
        ("http://drive:8912/token", "http://drive:8912", True),
        ("http://drive:1/token", "http://drive:8912", False),
    ],
)
def test_the_configured_endpoints_host_may_give_tokens(url: str, endpoint: str | None, taken: bool) -> None:
    if taken:
        expect_token_endpoint(url, endpoint)
    else:
        with pytest.raises(CredentialsInvalid):
            expect_token_endpoint(url, endpoint)


@pytest.fixture
def thief() -> Iterator[OddServer]:
    """Whose address stands in the file instead of Google's."""
    with running_odd_server() as server:
        server.script = lambda question: question.answer(200, b'{"access_token": "x", "expires_in": 9}')
        yield server


@pytest.mark.parametrize("kind", ["service_account", "oauth2"])
def test_a_file_with_a_strangers_endpoint_sends_nothing(
    kind: str, settings: DriveSettings, oauth_settings: DriveSettings, thief: OddServer, tmp_path: Path
) -> None:
    path = oauth_settings.token_path if kind == "oauth2" else settings.credentials_path
    assert path is not None
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(json.loads(path.read_bytes()) | {"token_uri": f"{thief.url}/token"}))
    real = {"service_account": settings, "oauth2": oauth_settings}[kind]
    account = open_account(
        replace(real, credentials_path=changed, token_path=changed, endpoint=None), timeout=10
    )

    with pytest.raises(CredentialsInvalid, match="not where Google gives tokens"):
        account.headers()

    assert thief.asked == []


def test_a_client_with_a_strangers_endpoint_is_refused_before_anybody_agrees(
    env: dict[str, str], tmp_path: Path
) -> None:
    client = tmp_path / "client.json"
    known = (Path(env["GOOGLE_DRIVE_TOKEN_PATH"]).parent / "oauth-client.json").read_text()
    client.write_text(known.replace(env["GOOGLE_DRIVE_ENDPOINT"], "https://example.org"))

    with pytest.raises(CredentialsInvalid, match="not where Google gives tokens"):
        read_desktop_client(client, endpoint=env["GOOGLE_DRIVE_ENDPOINT"])
