"""Reads the configured credentials: a service account's key or a stored OAuth token.

`account.py` keeps the access token fresh afterwards. Every error names the variable to mend.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import google.oauth2.credentials
import google.oauth2.service_account

from lse_dagster.drive.account import Account, GoogleCredentials
from lse_dagster.drive.errors import CredentialsInvalid, ScopeMissing
from lse_dagster.drive.refusal import CONSENT_AGAIN
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.token_file import read_secret_file, write_back

SCOPE = "https://www.googleapis.com/auth/drive"
"""The whole of Drive: the narrower `drive.file` cannot see a folder that a person made in the browser."""

_GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  a public address
_KEY = "GOOGLE_DRIVE_CREDENTIALS_PATH"
_TOKEN = "GOOGLE_DRIVE_TOKEN_PATH"  # noqa: S105  the name of a variable
_TYPE = "GOOGLE_DRIVE_AUTH_TYPE"
_GET_KEY = (
    "in Google Cloud make a service account, add a JSON key (IAM > Service accounts > Keys), set "
    f"{_KEY} to the file, and share the folder with the account's e-mail address"
)
_GET_TOKEN = (
    "in Google Cloud make an OAuth client of type Desktop, download its JSON as CLIENT.json, run `gcloud "
    f"auth application-default login --client-id-file=CLIENT.json --scopes={SCOPE},"
    f"https://www.googleapis.com/auth/cloud-platform`, and set {_TOKEN} to the file that it writes"
)


def open_account(settings: DriveSettings, *, timeout: float) -> Account:
    """The account that the settings describe; asks Google nothing yet. `timeout`: seconds per token request.

    Raises `CredentialsMissing`, `CredentialsInvalid` or `ScopeMissing`.
    """
    if settings.auth_type == "service_account":
        return _service_account(settings.credentials_path, timeout)
    if settings.auth_type == "oauth2":
        return _oauth(settings.token_path, settings.credentials_path, timeout)
    raise CredentialsInvalid(
        f"Reading {_TYPE}",
        "It is neither oauth2 nor service_account.",
        f"set {_TYPE} to one of the two",
    )


def _service_account(path: Path | None, timeout: float) -> Account:
    info = read_secret_file(path, variable=_KEY, next_step=_GET_KEY)
    if (kind := _kind(info)) != "service_account":
        raise CredentialsInvalid(
            f"Reading {_KEY}",
            f"{path} holds {_KINDS.get(kind, 'something else')}, not a service account's key.",
            f"set {_TYPE}=oauth2, or {_GET_KEY}",
        )
    try:
        make: Any = google.oauth2.service_account.Credentials.from_service_account_info
        credentials = make(info, scopes=[SCOPE])
    except ValueError:
        credentials = None
    if credentials is None:  # not in the handler: the library's error may quote the key
        raise CredentialsInvalid(
            f"Reading {_KEY}", f"{path} is not a complete service account's key.", _GET_KEY
        )
    return Account(credentials, name=str(info["client_email"]), timeout=timeout)


def _oauth(path: Path | None, client_path: Path | None, timeout: float) -> Account:
    info = read_secret_file(path, variable=_TOKEN, next_step=_GET_TOKEN)
    if (kind := _kind(info)) != "authorized_user":
        advice = f"set {_TYPE}=service_account and {_KEY} to it, or " if kind == "service_account" else ""
        raise CredentialsInvalid(
            f"Reading {_TOKEN}",
            f"{path} holds {_KINDS.get(kind, 'nothing to refresh with')}, not a stored OAuth token.",
            advice + _GET_TOKEN,
        )
    scopes = info.get("scopes") or []
    scopes = scopes.split() if isinstance(scopes, str) else scopes
    if scopes and SCOPE not in scopes:
        raise ScopeMissing(
            f"Reading {_TOKEN}", f"{path} was made for a narrower scope than {SCOPE}.", CONSENT_AGAIN
        )
    client = _client(info, client_path)
    token, expiry = _access_token(info)
    credentials: Any = google.oauth2.credentials.Credentials(  # type: ignore[no-untyped-call]
        token,
        expiry=expiry,
        refresh_token=info["refresh_token"],
        client_id=client["client_id"],
        client_secret=client["client_secret"],
        # `from_authorized_user_info` would overwrite the token's own address with Google's.
        token_uri=info.get("token_uri") or client.get("token_uri") or _GOOGLE_TOKEN_URI,
        quota_project_id=info.get("quota_project_id"),
    )

    def keep(refreshed: GoogleCredentials) -> None:
        changes: dict[str, Any] = {"token": refreshed.token, "refresh_token": credentials.refresh_token}
        if refreshed.expiry is not None:
            changes["expiry"] = refreshed.expiry.isoformat() + "Z"
        write_back(token_path, refresh_token=info["refresh_token"], changes=changes)
        info["refresh_token"] = changes["refresh_token"]

    assert path is not None  # noqa: S101  read_secret_file has refused None
    token_path = path
    return Account(
        credentials,
        name=str(info.get("account") or "the Google account of the token"),
        timeout=timeout,
        keep=keep,
    )


def _client(info: Mapping[str, Any], path: Path | None) -> Mapping[str, Any]:
    """Client id and secret: from the token if it has them, else from the OAuth client file."""
    if info.get("client_id") and info.get("client_secret"):
        return info
    next_step = f"set {_KEY} to the OAuth client's JSON with which the token was made"
    file = read_secret_file(path, variable=_KEY, next_step=next_step)
    client = file.get("installed") or file.get("web")
    if not isinstance(client, dict) or not client.get("client_id") or not client.get("client_secret"):
        raise CredentialsInvalid(f"Reading {_KEY}", f"{path} is not an OAuth client file.", next_step)
    return client


def _access_token(info: Mapping[str, Any]) -> tuple[str | None, datetime | None]:
    """The stored access token and its end in naive UTC, as google-auth has it; nothing if it has no end."""
    try:
        expiry = datetime.fromisoformat(info["expiry"])
    except (KeyError, TypeError, ValueError):
        return None, None
    expiry = expiry.replace(tzinfo=UTC) if expiry.tzinfo is None else expiry.astimezone(UTC)
    return info.get("token"), expiry.replace(tzinfo=None)


_KINDS = {
    "service_account": "a service account's key",
    "client": "an OAuth client",
    "authorized_user": "a stored OAuth token",
}


def _kind(info: Mapping[str, Any]) -> str:
    if info.get("type") == "service_account":
        return "service_account"
    if "installed" in info or "web" in info:
        return "client"
    return "authorized_user" if info.get("refresh_token") else "unknown"
