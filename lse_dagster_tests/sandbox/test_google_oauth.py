"""Google's auth library gets, loses and is refused access tokens as from the real token endpoint."""

import json
import time
from pathlib import Path
from typing import Any

import google.auth.jwt
import pytest
import requests
from google.auth.crypt import RSASigner
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from googleapiclient.errors import HttpError

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.sandbox.drive_clients import (
    DRIVE,
    DriveClients,
    google_client,
    person,
    reason,
    service_account,
)

FILE_SCOPE = DRIVE + ".file"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def who(sandbox: Sandbox, credentials: Any) -> str:
    about = google_client(sandbox.drive_url, credentials).about().get(fields="user/emailAddress").execute()
    return str(about["user"]["emailAddress"])


def assertion(sandbox: Sandbox, **changes: Any) -> str:
    key = json.loads(Path(sandbox.env["GOOGLE_DRIVE_CREDENTIALS_PATH"]).read_text())
    now = int(time.time())
    claims = {
        "iss": key["client_email"],
        "aud": key["token_uri"],
        "scope": DRIVE,
        "iat": now,
        "exp": now + 3600,
    }
    signer = RSASigner.from_service_account_info(key)  # type: ignore[no-untyped-call]
    token: bytes = google.auth.jwt.encode(signer, claims | changes)  # type: ignore[no-untyped-call]
    return token.decode()


def exchange(sandbox: Sandbox, token: str) -> requests.Response:
    return requests.post(
        f"{sandbox.drive_url}/token", data={"grant_type": JWT_GRANT, "assertion": token}, timeout=10
    )


def test_a_service_account_key_becomes_an_access_token(sandbox: Sandbox) -> None:
    credentials = service_account(sandbox)

    credentials.refresh(Request())

    assert credentials.valid
    assert who(sandbox, credentials).endswith(".iam.gserviceaccount.com")


def test_a_stored_refresh_token_becomes_an_access_token_with_its_scope(sandbox: Sandbox) -> None:
    credentials = person(sandbox)

    credentials.refresh(Request())

    assert credentials.granted_scopes == [DRIVE]
    assert who(sandbox, credentials) == "archivist@example.com"


def test_domain_wide_delegation_acts_as_the_person(sandbox: Sandbox) -> None:
    credentials = service_account(sandbox, subject="archivist@example.com")

    assert who(sandbox, credentials) == "archivist@example.com"


def test_a_service_account_cannot_act_as_a_stranger(sandbox: Sandbox) -> None:
    credentials = service_account(sandbox, subject="stranger@example.com")

    with pytest.raises(RefreshError, match="unauthorized_client"):
        credentials.refresh(Request())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"aud": "https://elsewhere.example.com/token"}, "invalid_grant"),
        ({"exp": 1}, "invalid_grant"),
        ({"exp": int(time.time()) + 9999}, "invalid_grant"),
        ({"iss": "stranger@example.com"}, "invalid_grant"),
        ({"scope": "https://www.googleapis.com/auth/calendar"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
    ],
)
def test_an_assertion_with_wrong_claims_is_refused(
    sandbox: Sandbox, changes: dict[str, Any], error: str
) -> None:
    token = assertion(sandbox, **changes)

    response = exchange(sandbox, token)

    assert response.status_code == 400
    assert response.json()["error"] == error


def test_an_assertion_signed_by_another_key_is_refused(sandbox: Sandbox) -> None:
    head, claims, signature = assertion(sandbox).split(".")
    forged = ".".join((head, claims, signature[::-1]))

    response = exchange(sandbox, forged)

    assert response.json() == {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "e30.e30.e30", "é.é.é"])
def test_what_is_no_jwt_is_refused(sandbox: Sandbox, token: str) -> None:
    response = exchange(sandbox, token)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_grant"


def test_a_wrong_client_secret_is_refused(sandbox: Sandbox) -> None:
    credentials = person(sandbox, client_secret="wrong")

    with pytest.raises(RefreshError, match="invalid_client"):
        credentials.refresh(Request())


def test_an_unknown_refresh_token_is_refused(sandbox: Sandbox) -> None:
    credentials = person(sandbox, refresh_token="1//unknown")

    with pytest.raises(RefreshError, match="invalid_grant"):
        credentials.refresh(Request())


def test_a_revoked_refresh_token_is_refused_until_the_switch_is_back(
    sandbox: Sandbox, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.settings(refresh_token_revoked=True)

    with pytest.raises(RefreshError, match="invalid_grant: Token has been expired or revoked"):
        person(sandbox).refresh(Request())

    drive_sandbox.clear()
    person(sandbox).refresh(Request())


def test_a_revoked_access_token_is_no_longer_good(sandbox: Sandbox) -> None:
    credentials = service_account(sandbox)
    credentials.refresh(Request())

    answers = [
        requests.post(
            f"{sandbox.drive_url}/revoke", data={"token": credentials.token}, timeout=10
        ).status_code
        for _ in range(2)
    ]

    assert answers == [200, 400]
    response = requests.get(
        f"{sandbox.drive_url}/drive/v3/files",
        headers={"Authorization": f"Bearer {credentials.token}"},
        timeout=60,
    )
    assert response.status_code == 401
    assert response.json()["error"]["errors"][0]["reason"] == "authError"


def test_an_expired_access_token_is_refreshed_by_the_client(
    sandbox: Sandbox, drive_sandbox: ControlClient
) -> None:
    clients = DriveClients(sandbox, person(sandbox))
    clients.get(clients.archive_folder)
    drive_sandbox.settings(expire_tokens=True)
    drive_sandbox.clear()

    clients.get(clients.archive_folder)

    paths = [(entry.path, entry.status) for entry in drive_sandbox.requests()]
    file = f"/drive/v3/files/{clients.archive_folder}"
    assert paths == [(file, 401), ("/token", 200), (file, 200)]


def test_the_lifetime_of_tokens_can_be_set(sandbox: Sandbox, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(token_seconds=0)
    credentials = person(sandbox)
    credentials.refresh(Request())

    response = requests.get(
        f"{sandbox.drive_url}/drive/v3/files",
        headers={"Authorization": f"Bearer {credentials.token}"},
        timeout=60,
    )

    assert response.status_code == 401


def test_the_long_lived_token_opens_the_drive(sandbox: Sandbox) -> None:
    response = requests.get(
        f"{sandbox.drive_url}/drive/v3/about?fields=user",
        headers={"Authorization": f"Bearer {sandbox.env['SANDBOX_DRIVE_TOKEN']}"},
        timeout=60,
    )

    assert response.json()["user"]["emailAddress"] == "archivist@example.com"


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic YTpi"])
def test_without_a_good_token_nothing_opens(sandbox: Sandbox, header: str | None) -> None:
    response = requests.get(
        f"{sandbox.drive_url}/drive/v3/files",
        headers={"Authorization": header} if header else {},
        timeout=60,
    )

    assert response.status_code == 401


def test_the_file_scope_sees_only_what_its_app_made(sandbox: Sandbox) -> None:
    clients = DriveClients(sandbox, person(sandbox, FILE_SCOPE))
    own = clients.create(name="own")

    with pytest.raises(HttpError) as failure:
        clients.get(clients.archive_folder)

    assert (failure.value.status_code, reason(failure.value)) == (404, "notFound")
    assert clients.get(own)["name"] == "own"
    found = clients.search("trashed = false")
    assert "own" in found
    assert "LangSmith archives" not in found


def test_a_read_only_token_cannot_write(sandbox: Sandbox) -> None:
    clients = DriveClients(sandbox, service_account(sandbox, DRIVE + ".readonly"))

    with pytest.raises(HttpError) as failure:
        clients.make_folder()

    assert (failure.value.status_code, reason(failure.value)) == (403, "insufficientPermissions")


def test_credential_files_are_for_their_owner_only(sandbox: Sandbox) -> None:
    names = ["service-account.json", "oauth-token.json", "oauth-client.json"]

    modes = {oct((sandbox.directory / name).stat().st_mode & 0o777) for name in names}

    assert modes == {"0o600"}
