"""Google's token endpoint: codes, refresh tokens and service accounts' assertions become access tokens.

And revocation, which ends them.
"""

import base64
import binascii
import hmac
import json
import secrets
import sqlite3
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lse_dagster.sandbox.drive.call import Drive
from lse_dagster.sandbox.drive.errors import GrantError
from lse_dagster.sandbox.drive.requests import base_url, small_body
from lse_dagster.sandbox.drive.sign_in.consent import redeem
from lse_dagster.sandbox.drive.world import SCOPES, SERVICE_ACCOUNT, USER, known

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
"""google-auth writes this one into every assertion, whatever the key file's token_uri."""
_CLOCK_SKEW = 300
_LONGEST = 3600


class TokenEndpoint:
    """POST /token and /revoke."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive

    async def token(self, request: Request) -> Response:
        """Answer a grant."""
        form = dict(parse_qsl((await small_body(request.stream())).decode("utf-8", "replace")))
        form = _basic_client(request.headers.get("authorization", "")) | form
        audience = f"{base_url(request)}{request.url.path}"
        return await run_in_threadpool(self._answer, form, audience)

    async def revoke(self, request: Request) -> Response:
        """Revoke an access token or a refresh token, and with either everything from the same grant."""
        form = dict(parse_qsl((await small_body(request.stream())).decode("utf-8", "replace")))
        token = form.get("token") or request.query_params.get("token", "")
        return await run_in_threadpool(self._revoke, token)

    def for_machine(self, scopes: frozenset[str]) -> dict[str, Any]:
        """An access token of the service account, as a machine that runs as it gets one."""
        with self._drive.store.transaction() as db:
            return self._issue(db, SERVICE_ACCOUNT, known(db, "service_account_client"), scopes, None)

    def _answer(self, form: Mapping[str, str], audience: str) -> Response:
        try:
            with self._drive.store.transaction() as db:
                body = self._grant(db, form, audience)
        except GrantError as error:
            return JSONResponse(error.body, status_code=error.status)
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    def _grant(self, db: sqlite3.Connection, form: Mapping[str, str], audience: str) -> dict[str, Any]:
        grant = form.get("grant_type", "")
        if grant == "authorization_code":
            return self._code(db, form)
        if grant == "refresh_token":
            return self._refresh(db, form)
        if grant == _JWT_GRANT:
            return self._assertion(db, form.get("assertion", ""), audience)
        raise GrantError("unsupported_grant_type", f"Invalid grant_type: {grant}")

    def _code(self, db: sqlite3.Connection, form: Mapping[str, str]) -> dict[str, Any]:
        _check_client(db, form)
        email, app, scopes, offline = redeem(db, form)
        if not offline:
            return self._issue(db, email, app, scopes, None) | {"scope": " ".join(sorted(scopes))}
        refresh_token = "1//" + secrets.token_urlsafe(48)
        db.execute(
            "INSERT INTO refresh_tokens VALUES (?, ?, ?, ?)",
            (refresh_token, email, app, " ".join(sorted(scopes))),
        )
        return self._issue(db, email, app, scopes, refresh_token) | {"refresh_token": refresh_token}

    def _refresh(self, db: sqlite3.Connection, form: Mapping[str, str]) -> dict[str, Any]:
        _check_client(db, form)
        token = form.get("refresh_token", "")
        row = db.execute("SELECT * FROM refresh_tokens WHERE token = ?", (token,)).fetchone()
        if row is None or self._drive.switches.now.refresh_token_revoked:
            raise GrantError("invalid_grant", "Token has been expired or revoked.")
        granted = frozenset(row["scopes"].split())
        wanted = frozenset(form.get("scope", "").split())
        if not wanted <= granted:
            raise GrantError("invalid_scope", "Some requested scopes were not granted.")
        return self._issue(db, row["email"], row["app"], wanted or granted, token)

    def _assertion(self, db: sqlite3.Connection, assertion: str, audience: str) -> dict[str, Any]:
        claims = _verified(assertion, known(db, "service_account_public_key"))
        if claims.get("iss") != SERVICE_ACCOUNT:
            raise GrantError("invalid_grant", "Invalid grant: account not found")
        if claims.get("aud") not in {audience, _GOOGLE_AUDIENCE}:
            raise GrantError("invalid_grant", f"Invalid JWT: the audience must be {audience}.")
        _check_times(claims)
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes or not scopes <= SCOPES:
            raise GrantError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        subject = claims.get("sub", SERVICE_ACCOUNT)
        if subject not in {USER, SERVICE_ACCOUNT}:
            message = (
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized"
                " for any of the scopes requested."
            )
            raise GrantError("unauthorized_client", message, status=401)
        return self._issue(db, subject, known(db, "service_account_client"), scopes, None)

    def _issue(
        self, db: sqlite3.Connection, email: str, app: str, scopes: frozenset[str], refresh_token: str | None
    ) -> dict[str, Any]:
        token = "ya29." + secrets.token_urlsafe(64)
        seconds = self._drive.switches.now.token_seconds
        text = " ".join(sorted(scopes))
        db.execute("DELETE FROM access_tokens WHERE expires < ?", (time.time() - 24 * 3600,))
        db.execute(
            "INSERT INTO access_tokens VALUES (?, ?, ?, ?, ?, ?)",
            (token, email, app, text, time.time() + seconds, refresh_token),
        )
        body: dict[str, Any] = {"access_token": token, "expires_in": seconds, "token_type": "Bearer"}
        # Google tells the scope of a refreshed token; of a service account's it does not.
        return body | {"scope": text} if refresh_token else body

    def _revoke(self, token: str) -> Response:
        with self._drive.store.transaction() as db:
            row = db.execute("SELECT refresh_token FROM access_tokens WHERE token = ?", (token,)).fetchone()
            refresh = row["refresh_token"] if row else token
            tokens = db.execute("DELETE FROM access_tokens WHERE token = ?", (token,)).rowcount
            tokens += db.execute("DELETE FROM refresh_tokens WHERE token = ?", (refresh,)).rowcount
            tokens += db.execute("DELETE FROM access_tokens WHERE refresh_token = ?", (refresh,)).rowcount
        if not tokens:
            error = {"error": "invalid_token", "error_description": "Token expired or revoked"}
            return JSONResponse(error, status_code=400)
        return JSONResponse({})


def _basic_client(header: str) -> dict[str, str]:
    """A client may name itself in the Authorization header instead of the form, as Google's own flow does."""
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return {}
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return {}
    return {"client_id": client_id, "client_secret": secret}


def _check_client(db: sqlite3.Connection, form: Mapping[str, str]) -> None:
    if form.get("client_id") != known(db, "client_id"):
        raise GrantError("invalid_client", "The OAuth client was not found.", status=401)
    if not hmac.compare_digest(form.get("client_secret", "").encode(), known(db, "client_secret").encode()):
        raise GrantError("invalid_client", "The provided client secret is invalid.", status=401)


def _verified(assertion: str, public_key: str) -> dict[str, Any]:
    """The claims of a JWT that the service account's key signed."""
    try:
        signed, _, signature = assertion.rpartition(".")
        head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
    except (ValueError, binascii.Error):
        raise GrantError("invalid_grant", "Invalid JWT: malformed.") from None
    if not isinstance(head, dict) or not isinstance(claims, dict) or head.get("alg") != "RS256":
        raise GrantError("invalid_grant", "Invalid JWT: only RS256 is accepted.")
    key = load_pem_public_key(public_key.encode())
    if not isinstance(key, RSAPublicKey):
        raise TypeError("the service account's key is RSA")
    try:
        key.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error):
        raise GrantError("invalid_grant", "Invalid JWT Signature.") from None
    return claims


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _check_times(claims: dict[str, Any]) -> None:
    issued, expires, moment = claims.get("iat"), claims.get("exp"), time.time()
    if not isinstance(issued, int | float) or not isinstance(expires, int | float):
        raise GrantError("invalid_grant", "Invalid JWT: iat and exp are required.")
    if expires <= moment or issued > moment + _CLOCK_SKEW or expires - issued > _LONGEST:
        message = (
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            " Check your iat and exp values in the JWT claim."
        )
        raise GrantError("invalid_grant", message)
