"""The consent screen and its codes, used by Google's own library for apps on a person's machine."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from google_auth_oauthlib.flow import InstalledAppFlow

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.sandbox.drive_clients import DRIVE

REDIRECT = "http://127.0.0.1:9/"


@pytest.fixture
def flow(sandbox: Sandbox, drive_sandbox: ControlClient, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the sandbox has no https
    client = sandbox.directory / "oauth-client.json"
    app: Any = InstalledAppFlow
    made = app.from_client_secrets_file(str(client), [DRIVE])
    made.redirect_uri = REDIRECT
    return made


def agreed(flow: Any, **changes: str) -> dict[str, str]:
    """What the browser brings back to the app."""
    url, state = flow.authorization_url(**changes)
    response = requests.get(url, allow_redirects=False, timeout=60)
    assert response.status_code == 302, response.text
    assert response.headers["Location"].startswith(REDIRECT)
    answer = {
        name: values[0] for name, values in parse_qs(urlsplit(response.headers["Location"]).query).items()
    }
    assert answer.pop("state") == state
    return answer


def redeem(sandbox: Sandbox, flow: Any, code: str, **changes: str | None) -> requests.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": flow.client_config["client_id"],
        "client_secret": flow.client_config["client_secret"],
        "redirect_uri": REDIRECT,
        "code_verifier": flow.code_verifier,
    }
    return requests.post(f"{sandbox.drive_url}/token", data=form | changes, timeout=60)


def test_googles_own_flow_ends_with_a_token_that_can_be_refreshed(sandbox: Sandbox, flow: Any) -> None:
    flow.fetch_token(code=agreed(flow)["code"])

    credentials = flow.credentials
    credentials.refresh(google_request())
    assert credentials.refresh_token
    assert credentials.granted_scopes == [DRIVE]
    assert who(sandbox, credentials.token) == "archivist@example.com"


def google_request() -> Any:
    from google.auth.transport.requests import Request

    return Request()


def who(sandbox: Sandbox, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(f"{sandbox.drive_url}/drive/v3/about?fields=user", headers=headers, timeout=60)
    return str(answer.json()["user"]["emailAddress"])


def test_a_person_may_say_no(flow: Any, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(consent="denied")

    assert agreed(flow) == {"error": "access_denied"}


def test_a_person_may_grant_less(sandbox: Sandbox, flow: Any, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(consent_scope=f"{DRIVE}.file")

    answer = redeem(sandbox, flow, agreed(flow)["code"])

    assert answer.json()["scope"] == f"{DRIVE}.file"


def test_without_offline_access_there_is_no_refresh_token(sandbox: Sandbox, flow: Any) -> None:
    answer = redeem(sandbox, flow, agreed(flow, access_type="online")["code"])

    assert answer.json()["access_token"]
    assert "refresh_token" not in answer.json()


def test_a_code_is_good_once(sandbox: Sandbox, flow: Any) -> None:
    code = agreed(flow)["code"]

    statuses = [redeem(sandbox, flow, known).status_code for known in ("4/unknown", code, code)]

    assert statuses == [400, 200, 400]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "of-somebody-else"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:10/"}, "redirect_uri_mismatch"),
        ({"client_secret": "wrong"}, "invalid_client"),
    ],
)
def test_a_code_is_good_for_who_asked_for_it_only(
    sandbox: Sandbox, flow: Any, changes: dict[str, str | None], error: str
) -> None:
    code = agreed(flow)["code"]

    answer = redeem(sandbox, flow, code, **changes)

    assert answer.json()["error"] == error
    assert redeem(sandbox, flow, code).status_code == 200


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client_id": "unknown"}, "invalid_client"),
        ({"redirect_uri": "https://elsewhere.example.com/"}, "redirect_uri_mismatch"),
        ({"response_type": "token"}, "invalid_request"),
        ({"scope": "https://www.googleapis.com/auth/calendar"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_a_malformed_question_ends_at_a_page(flow: Any, change: dict[str, str], words: str) -> None:
    url = urlsplit(flow.authorization_url()[0])
    query = {name: values[0] for name, values in parse_qs(url.query).items()} | change

    response = requests.get(url._replace(query="").geturl(), params=query, allow_redirects=False, timeout=60)

    assert response.status_code == 400
    assert words in response.text


def test_the_client_file_leads_to_this_server(sandbox: Sandbox, flow: Any) -> None:
    assert Path(urlsplit(flow.client_config["auth_uri"]).path).name == "auth"
    assert flow.client_config["token_uri"] == f"{sandbox.drive_url}/token"
