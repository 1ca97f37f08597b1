"""A service account that acts as a person, and application default credentials."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lse_dagster.drive.errors import (
    CredentialsInvalid,
    CredentialsMissing,
    CredentialsRejected,
    ScopeMissing,
)
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.sign_in.credentials import open_account
from lse_dagster.drive.status import sign_in_status
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import rate_body

PERSON = "archivist@example.com"


@pytest.fixture
def defaults(env: dict[str, str], settings: DriveSettings, monkeypatch: pytest.MonkeyPatch) -> DriveSettings:
    """Default credentials from a key file: the search ends there, before any metadata server."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", env["GOOGLE_DRIVE_CREDENTIALS_PATH"])
    return replace(settings, auth_type="adc", credentials_path=None)


def test_a_service_account_acts_as_the_person_it_impersonates(settings: DriveSettings) -> None:
    status = sign_in_status(replace(settings, impersonate=PERSON))

    assert status.problem is None
    assert status.user is not None
    assert status.user.email == PERSON


def test_impersonation_without_delegation_says_what_an_administrator_does(settings: DriveSettings) -> None:
    account = open_account(replace(settings, impersonate="stranger@example.com"), timeout=60)

    with pytest.raises(CredentialsRejected, match=r"unauthorized_client.*stranger@example.com") as caught:
        account.headers()

    assert "Domain-wide delegation" in caught.value.next_step
    assert "https://www.googleapis.com/auth/drive" in caught.value.next_step


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("Invalid JWT Signature.", "the key was deleted"),
        ("Invalid grant: account not found", "the service account was deleted"),
        (
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
            "clock",
        ),
        ("Invalid email or User ID", "knows no user archivist@example.com"),
        ("something new ya29.secret", "the key was deleted or disabled, or the clock"),
    ],
)
def test_a_refused_key_is_explained(
    settings: DriveSettings, drive_sandbox: ControlClient, words: str, why: str
) -> None:
    body = {"error": "invalid_grant", "error_description": words}
    drive_sandbox.fault(path="/token", status=400, body=body)

    with pytest.raises(CredentialsRejected, match=why) as caught:
        open_account(replace(settings, impersonate=PERSON), timeout=60).headers()

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("way", ["oauth2", "adc"])
def test_only_a_key_can_impersonate(settings: DriveSettings, way: Any) -> None:
    with pytest.raises(CredentialsInvalid, match="GOOGLE_DRIVE_IMPERSONATE"):
        open_account(replace(settings, auth_type=way, impersonate=PERSON), timeout=60)


def test_default_credentials_open_the_drive(defaults: DriveSettings, env: dict[str, str]) -> None:
    status = sign_in_status(defaults)

    assert status.problem is None
    assert status.source is not None
    assert env["GOOGLE_DRIVE_CREDENTIALS_PATH"] in status.source
    assert status.user is not None
    assert status.user.is_service_account


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "was not found"),
        ("-----BEGIN PRIVATE KEY----- no json", "not a valid json"),
        ('{"type": "something"}', "does not have a valid type"),
        ('{"type": "service_account", "client_email": "a@b"}', "Failed to load"),
    ],
)
def test_default_credentials_that_cannot_be_used_are_explained(
    defaults: DriveSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, why: str
) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    with pytest.raises(CredentialsMissing, match=why) as caught:
        open_account(defaults, timeout=60)

    assert "gcloud auth application-default login" in caught.value.next_step
    assert caught.value.__context__ is None
    assert "BEGIN" not in str(caught.value)


def test_refused_default_credentials_are_explained(
    defaults: DriveSettings, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(path="/token", status=400, body={"error": "invalid_grant"})

    with pytest.raises(CredentialsRejected, match="invalid_grant") as caught:
        open_account(defaults, timeout=60).headers()

    assert "gcloud auth application-default login" in caught.value.next_step


def test_default_credentials_for_less_than_drive_lead_to_the_right_scopes(
    defaults: DriveSettings, drive_sandbox: ControlClient
) -> None:
    body = rate_body("ACCESS_TOKEN_SCOPE_INSUFFICIENT")
    drive_sandbox.fault(path="/about", status=403, body=body)

    problem = sign_in_status(defaults).problem

    assert isinstance(problem, ScopeMissing)
    assert "--scopes=https://www.googleapis.com/auth/drive," in problem.next_step
