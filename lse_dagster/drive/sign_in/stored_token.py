"""The stored OAuth token as credentials that several processes share.

The file is the truth: a process that needs a fresh access token looks there first, as the only writer, and
asks Google only when no other process has done so. So a new `lse auth login` reaches processes that run.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import google.oauth2.credentials

from lse_dagster.drive.errors import CredentialsInvalid, DriveError, ScopeMissing
from lse_dagster.drive.refusal import CONSENT_AGAIN
from lse_dagster.drive.sign_in.login import GOOGLE_TOKEN_URI, read_client
from lse_dagster.drive.sign_in.token_file import (
    KEY_VARIABLE,
    KINDS,
    TOKEN_VARIABLE,
    kind_of,
    only_writer,
    read_secret_file,
    warn_not_kept,
    write_back,
)
from lse_dagster.drive.sign_in.token_refusal import SCOPE

GET_TOKEN = f"set {TOKEN_VARIABLE} to where the token is to be kept, and run `lse auth login`"


class StoredToken:
    """google-auth's credentials over the token file. Belongs to one `Account`, whose lock guards it."""

    def __init__(self, path: Path | None, client_path: Path | None, *, timeout: float) -> None:
        """Read the token; `timeout`: seconds to wait for another process that refreshes it.

        Raises `CredentialsMissing`, `CredentialsInvalid` or `ScopeMissing`.
        """
        info = _read(path)
        assert path is not None  # noqa: S101  _read has refused None
        self.path = path
        self.account = str(info.get("account") or "the Google account of the token")
        """Whose token it is, as far as the file says."""
        self._client_path = client_path
        self._timeout = timeout
        self._credentials = _credentials(info, client_path)

    @property
    def token(self) -> str | None:
        """The access token at this moment."""
        token: str | None = self._credentials.token
        return token

    @property
    def valid(self) -> bool:
        """Whether there is an access token with some minutes left."""
        return bool(self._credentials.valid)

    def apply(self, headers: dict[str, str]) -> None:
        """Put the access token into the headers."""
        self._credentials.apply(headers)

    def refresh(self, request: Any) -> None:
        """Take the access token that another process has stored meanwhile, or get one from Google.

        Raises google-auth's errors.
        """
        refused = self.token
        with only_writer(self.path, timeout=self._timeout) as may_write:
            self._take_up_the_file()
            if self.valid and self.token != refused:
                return
            self._credentials.refresh(request)
            if may_write:
                write_back(self.path, changes=self._changes())
            else:
                warn_not_kept("another process holds it, or its directory is read-only")

    def _take_up_the_file(self) -> None:
        try:
            self._credentials = _credentials(_read(self.path), self._client_path)
        except DriveError:
            return  # gone or spoilt since it was read: what is in memory still works

    def _changes(self) -> dict[str, Any]:
        expiry = self._credentials.expiry
        return {
            "token": self._credentials.token,
            "refresh_token": self._credentials.refresh_token,
            "expiry": None if expiry is None else expiry.isoformat() + "Z",
        }


def _read(path: Path | None) -> dict[str, Any]:
    next_step = GET_TOKEN if path is None else "run `lse auth login`"
    info = read_secret_file(path, variable=TOKEN_VARIABLE, next_step=next_step)
    if (kind := kind_of(info)) != "authorized_user":
        advice = (
            f"set GOOGLE_DRIVE_AUTH_TYPE=service_account and {KEY_VARIABLE} to it, or "
            if kind == "service_account"
            else ""
        )
        raise CredentialsInvalid(
            f"Reading {TOKEN_VARIABLE}",
            f"{path} holds {KINDS.get(kind, 'nothing to refresh with')}, not a stored OAuth token.",
            advice + "move it away and run `lse auth login`",
        )
    scopes = info.get("scopes")
    granted = scopes.split() if isinstance(scopes, str) else scopes if isinstance(scopes, list) else []
    if granted and SCOPE not in granted:
        raise ScopeMissing(
            f"Reading {TOKEN_VARIABLE}", f"{path} was made for a narrower scope than {SCOPE}.", CONSENT_AGAIN
        )
    return info


def _credentials(info: Mapping[str, Any], client_path: Path | None) -> Any:
    client_id, client_secret = info.get("client_id"), info.get("client_secret")
    token_uri = info.get("token_uri")
    if not (client_id and client_secret):
        client = read_client(client_path)
        client_id, client_secret = client.id, client.secret
        token_uri = token_uri or client.token_uri
    token, expiry = _access_token(info)
    project = info.get("quota_project_id")
    make: Any = google.oauth2.credentials.Credentials
    return make(
        token,
        expiry=expiry,
        refresh_token=info["refresh_token"],
        client_id=client_id,
        client_secret=client_secret,
        # `from_authorized_user_info` would overwrite the token's own address with Google's.
        token_uri=token_uri or GOOGLE_TOKEN_URI,
        quota_project_id=project if isinstance(project, str) else None,
    )


def _access_token(info: Mapping[str, Any]) -> tuple[str | None, datetime | None]:
    """The stored access token and its end in naive UTC, as google-auth has it; nothing if it has no end."""
    try:
        expiry = datetime.fromisoformat(info["expiry"])
        expiry = expiry.replace(tzinfo=UTC) if expiry.tzinfo is None else expiry.astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None, None
    return info.get("token"), expiry.replace(tzinfo=None)
