"""Nothing that people or logs get to see holds a token, a key, or the address of an upload session."""

import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import DriveError
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.sign_in.login import Consent, read_desktop_client
from lse_dagster.sandbox.client import ControlClient, FaultFields
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.drive.conftest import Waits, rate_body

SEND: FaultFields = {"method": "PUT", "path": r"/upload/.*upload_id="}
LOOKS_SECRET = re.compile(
    r"ya29\.(?!\.\.)[\w-]+|upload_id=(?!\[secret\])|AHx[\w-]{20,}|eyJ[\w-]{10,}\.|BEGIN PRIVATE"
)


def everything_about(error: BaseException) -> Iterator[str]:
    """The error as text, and those behind it, whether Python would show them or not."""
    yield "".join(traceback.format_exception(error))
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield f"{link} {link!r} {link.args} {vars(link)}"
        chain += [link.__cause__, link.__context__]


@pytest.fixture
def secrets(settings: DriveSettings, oauth_settings: DriveSettings) -> list[str]:
    assert settings.credentials_path is not None
    assert oauth_settings.token_path is not None
    key = json.loads(settings.credentials_path.read_bytes())
    token = json.loads(oauth_settings.token_path.read_bytes())
    return [key["private_key"].splitlines()[1], token["refresh_token"], token["client_secret"]]


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """What this side of the wire logged; the sandbox's server, in the same process, logs for itself."""
    return "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith("uvicorn"))


def assert_clean(text: str, secrets: list[str]) -> None:
    assert LOOKS_SECRET.search(text) is None
    assert not any(secret in text for secret in secrets)


FAILURES: list[FaultFields] = [
    {**SEND, "drop_request_after": 3, "times": 50},
    {**SEND, "drop_after": -1, "times": 50},
    {**SEND, "status": 503, "times": 50},
    {**SEND, "status": 410, "times": 50},
    {**SEND, "status": 401, "times": 50},
    {**SEND, "status": 400, "body": "not json upload_id=AHxabcdefghijklmnopqrstuvwxyz"},
    {**SEND, "delay": 0.4, "times": 50},
    {**SEND, "status": 403, "body": rate_body("Bearer ya29.echoed-token upload_id=abc&x")},
    {"path": "/drive/v3/files", "status": 500, "times": 50},
    {"path": "/token", "status": 400, "body": {"error": "invalid_grant", "error_description": "ya29.x"}},
    {"path": "/token", "status": 400, "body": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl"},
    {"path": "/token", "drop_after": -1, "times": 50},
]


CASES = [("oauth2", fault) for fault in FAILURES]
CASES += [("service_account", fault) for fault in FAILURES if fault["path"] == "/token"]


@pytest.mark.parametrize(("kind", "fault"), CASES)
def test_no_failure_shows_a_secret(
    settings: DriveSettings,
    oauth_settings: DriveSettings,
    waits: Waits,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    caplog: pytest.LogCaptureFixture,
    secrets: list[str],
    kind: str,
    fault: FaultFields,
) -> None:
    drive_sandbox.fault(**fault)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")
    chosen = settings if kind == "service_account" else oauth_settings

    with pytest.raises(DriveError) as caught:
        use(chosen, waits, local(b"content"), folder)

    assert_clean(logged(caplog), secrets)
    for text in everything_about(caught.value):
        assert_clean(text, secrets)


def use(settings: DriveSettings, waits: Waits, path: Path, folder: str) -> None:
    with DriveArchive.connect(settings, backoff=waits.backoff(tries=3), timeout=0.2) as drive:
        drive.upload(path, folder=folder, name="a.zip")


def test_a_good_day_logs_no_secret(
    settings: DriveSettings,
    folder: str,
    local: Callable[[bytes], Path],
    caplog: pytest.LogCaptureFixture,
    secrets: list[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")  # the client of Kubernetes turns it down

    with DriveArchive.connect(settings) as drive:
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert "/drive/v3/files" in logged(caplog)
    assert_clean(logged(caplog), secrets)


def test_the_archive_and_its_settings_show_no_secret(
    drive: DriveArchive, settings: DriveSettings, secrets: list[str]
) -> None:
    assert_clean(f"{drive!r} {settings!r} {drive._service.account!r}", secrets)


SIGN_INS: list[FaultFields] = [
    {},
    {
        "path": "/token",
        "status": 400,
        "body": {"error": "invalid_grant", "error_description": "4/0Aecho ya29.x"},
    },
    {"path": "/token", "status": 400, "body": "GOCSPX-echo ya29.echoed"},
    {"path": "/token", "status": 503},
    {"path": "/token", "drop_after": -1},
    {"path": "/token", "truncate": 60},
]


@pytest.mark.parametrize("fault", SIGN_INS)
def test_no_sign_in_shows_a_secret(
    sandbox: Sandbox, drive_sandbox: ControlClient, caplog: pytest.LogCaptureFixture, fault: FaultFields
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")
    client = read_desktop_client(sandbox.directory / "oauth-client.json", endpoint=sandbox.drive_url)
    consent = Consent.ask(client, "http://127.0.0.1:9/", "a-state")
    address = requests.get(consent.url, allow_redirects=False, timeout=60).headers["Location"]
    code = parse_qs(urlsplit(address).query)["code"][0]
    caplog.clear()
    if fault:
        drive_sandbox.fault(**fault)

    shown: list[str] = []
    try:
        token = consent.redeem(address)
        secrets = [client.secret, code, token["refresh_token"], token["token"]]
    except DriveError as error:
        assert fault
        secrets = [client.secret, code, "4/0Aecho", "GOCSPX-echo"]
        shown += everything_about(error)

    for text in (*shown, logged(caplog), repr(client), repr(consent)):
        assert_clean(text, secrets)
