"""OAuth 2 for an app on a person's machine (RFC 8252): consent in the browser, PKCE, a code, a token.

Google's own google-auth-oauthlib was weighed and left: as of 1.5 it takes any first request to its port for
the answer, knows no pasted address, refuses endpoints without https unless an environment variable says so,
and requests-oauthlib below it logs the code, the client's secret and the tokens.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from lse_dagster.drive.errors import (
    CertificateRefused,
    ConsentDenied,
    CredentialsInvalid,
    DriveUnavailable,
    ForeignAnswer,
    RefreshTokenMissing,
    ScopeMissing,
    SignInFailed,
)
from lse_dagster.drive.sign_in.token_endpoint import expect_token_endpoint
from lse_dagster.drive.sign_in.token_file import KEY_VARIABLE, KINDS, kind_of, read_secret_file
from lse_dagster.drive.sign_in.token_refusal import SCOPE
from lse_dagster.net.certificates import CertificateError
from lse_dagster.net.faults import fault_words
from lse_dagster.net.session import Session

GET_CLIENT = (
    "in the Google Cloud console (Google Auth Platform > Clients) create a client of type Desktop app, "
    f"download its JSON, and set {KEY_VARIABLE} to it"
)
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  a public address
_GOOGLE_AUTH_URI = "https://accounts.google.com/o/oauth2/auth"


@dataclass(frozen=True)
class OAuthClient:
    """Which app asks, and where. The secret of a Desktop app is none to Google, but is kept as one here."""

    id: str
    secret: str = field(repr=False)
    auth_uri: str
    token_uri: str


def read_client(path: Path | None) -> OAuthClient:
    """The client in the file, of either type. Raises `CredentialsMissing` or `CredentialsInvalid`."""
    return _client(path, _described(path))


def read_desktop_client(path: Path | None, *, endpoint: str | None) -> OAuthClient:
    """The client in the file, if it may send its answers to this machine. Raises as `read_client`.

    `endpoint` is GOOGLE_DRIVE_ENDPOINT, whose host may give tokens, too.
    """
    file = _described(path)
    if "installed" not in file:
        raise CredentialsInvalid(
            f"Reading {KEY_VARIABLE}",
            f"{path} is an OAuth client of type Web application, which cannot sign in on this machine.",
            GET_CLIENT,
        )
    client = _client(path, file)
    expect_token_endpoint(client.token_uri, endpoint)
    return client


def _described(path: Path | None) -> Mapping[str, Any]:
    file = read_secret_file(path, variable=KEY_VARIABLE, next_step=GET_CLIENT)
    if (kind := kind_of(file)) != "client":
        raise CredentialsInvalid(
            f"Reading {KEY_VARIABLE}",
            f"{path} holds {KINDS.get(kind, 'something else')}, not an OAuth client.",
            GET_CLIENT,
        )
    return file


def _client(path: Path | None, file: Mapping[str, Any]) -> OAuthClient:
    described = file.get("installed") or file.get("web")
    values = described if isinstance(described, dict) else {}
    wanted = {
        "client_id": None,
        "client_secret": None,
        "auth_uri": _GOOGLE_AUTH_URI,
        "token_uri": GOOGLE_TOKEN_URI,
    }
    found = [values.get(name) or default for name, default in wanted.items()]
    if not all(isinstance(value, str) for value in found):
        raise CredentialsInvalid(
            f"Reading {KEY_VARIABLE}", f"{path} is not a complete OAuth client.", GET_CLIENT
        )
    return OAuthClient(*map(str, found))


_WHAT = "Signing in with `lse auth login`"
TIMEOUT = 30.0
_AGAIN = "run `lse auth login` again"


@dataclass(frozen=True)
class Consent:
    """One question to a person, under way: where they answer it, and what only we know about it."""

    client: OAuthClient
    redirect_uri: str
    url: str
    """Google's consent screen, to be opened in a browser."""
    _state: str = field(repr=False)
    _verifier: str = field(repr=False)

    @classmethod
    def ask(cls, client: OAuthClient, redirect_uri: str, state: str) -> "Consent":
        """A new question; the answer will go to `redirect_uri` and carry `state`, which nobody can guess."""
        verifier = secrets.token_urlsafe(64)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        query = {
            "client_id": client.id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": SCOPE,
            "state": state,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
            "access_type": "offline",
            "prompt": "consent",  # or Google would leave out the refresh token the second time
        }
        return cls(client, redirect_uri, f"{client.auth_uri}?{urlencode(query)}", state, verifier)

    def redeem(self, address: str, *, timeout: float = TIMEOUT) -> dict[str, Any]:
        """Change the answer, the address that Google sent the browser to, for a token to be stored.

        The token is `authorized_user` JSON. `timeout` in seconds. Raises `ForeignAnswer`, `ConsentDenied`,
        `ScopeMissing`, `RefreshTokenMissing`, another `SignInFailed`, `CertificateRefused`, or
        `DriveUnavailable`.
        """
        answer = self._exchange(self._code(address), timeout)
        granted = str(answer.get("scope", SCOPE)).split()
        if SCOPE not in granted:
            raise ScopeMissing(
                _WHAT, "Access to Google Drive was not granted.", f"{_AGAIN} and leave its box ticked"
            )
        if not answer.get("refresh_token"):
            raise RefreshTokenMissing(
                _WHAT,
                "Google gave access for an hour, but no refresh token to renew it with.",
                "remove the app at https://myaccount.google.com/connections and run `lse auth login` again; "
                f"if that changes nothing, {GET_CLIENT}",
            )
        seconds = answer.get("expires_in")
        expiry = datetime.now(UTC) + timedelta(seconds=seconds if isinstance(seconds, int) else 0)
        return {
            "type": "authorized_user",
            "client_id": self.client.id,
            "client_secret": self.client.secret,
            "refresh_token": answer["refresh_token"],
            "token_uri": self.client.token_uri,
            "scopes": granted,
            "token": answer["access_token"],
            "expiry": expiry.replace(tzinfo=None).isoformat() + "Z",
            "universe_domain": "googleapis.com",
        }

    def _code(self, address: str) -> str:
        query = parse_qs(urlsplit(address).query)
        state, error, code = (query.get(name, [""])[0] for name in ("state", "error", "code"))
        if not secrets.compare_digest(state.encode(), self._state.encode()):
            raise ForeignAnswer(
                _WHAT,
                "The answer belongs to another sign-in (its `state` is not the one of this one).",
                f"{_AGAIN} and use the address that it prints, not an older one",
            )
        if error or not code:
            raise ConsentDenied(
                _WHAT,
                "Access was denied on Google's consent screen"
                + (f" ({error})." if error.replace("_", "").isalpha() else "."),
                f"{_AGAIN} and agree; while the app is in testing, the account must be one of its test users",
            )
        return code

    def _exchange(self, code: str, timeout: float) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self.client.id,
            "client_secret": self.client.secret,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self._verifier,
        }
        broken, status, body = "", 0, b""
        try:
            with Session() as session:
                response = session.post(self.client.token_uri, data=form, timeout=timeout)
                status, body = response.status_code, response.content
        except CertificateError as error:
            raise CertificateRefused(_WHAT, error.why, error.next_step) from None
        except requests.RequestException as error:
            broken = fault_words(error)
        answer = _object(body)
        # Nothing is tried twice: a code that reached Google is used up, whatever came back.
        if broken or status == 429 or status >= 500 or not answer:
            raise DriveUnavailable(
                _WHAT,
                f"Google's token endpoint: {broken or f'HTTP {status}'}.",
                f"check the network and {_AGAIN}",
            )
        if status != 200 or not isinstance(answer.get("access_token"), str):
            raise _refused(str(answer.get("error", "")))
        return answer


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _refused(error: str) -> SignInFailed:
    if error == "invalid_grant":
        return SignInFailed(
            _WHAT, "Google did not take the code: it was used before, or it is too old.", _AGAIN
        )
    known = f" ({error})" if error.replace("_", "").isalpha() else ""
    return SignInFailed(_WHAT, f"Google refused the OAuth client{known}.", f"{GET_CLIENT}; then {_AGAIN}")
