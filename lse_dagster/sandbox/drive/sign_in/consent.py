"""Google's consent screen for apps on a person's machine: who agrees here is decided by a setting, at once.

GET /o/oauth2/auth sends the browser on to the app's loopback address with a code; `oauth.py` changes the code
for tokens. What the real one refuses with a page is refused with a page here.
"""

import base64
import hashlib
import hmac
import secrets
import sqlite3
import time
from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from lse_dagster.sandbox.drive.call import Drive
from lse_dagster.sandbox.drive.errors import GrantError
from lse_dagster.sandbox.drive.world import SCOPES, USER, known
from lse_dagster.sandbox.environment import is_loopback

_CODE_SECONDS = 600


class ConsentScreen:
    """GET /o/oauth2/auth."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive

    async def ask(self, request: Request) -> Response:
        """Send the browser back to the app, with a code or with a refusal."""
        return await run_in_threadpool(self._ask, dict(request.query_params))

    def _ask(self, query: Mapping[str, str]) -> Response:
        with self._drive.store.transaction() as db:
            if refused := _malformed(query, known(db, "client_id")):
                return _page(refused)
            if self._drive.switches.now.consent == "denied":
                return _back(query, error="access_denied")
            return _back(query, code=self._new_code(db, query), scope=self._granted(query))

    def _new_code(self, db: sqlite3.Connection, query: Mapping[str, str]) -> str:
        code = "4/0A" + secrets.token_urlsafe(48)
        db.execute("DELETE FROM codes WHERE expires < ?", (time.time(),))
        db.execute(
            "INSERT INTO codes VALUES (?, ?, ?, ?, ?, ?)",
            (
                code,
                query["redirect_uri"],
                query.get("code_challenge", ""),
                self._granted(query),
                query.get("access_type") == "offline" and self._drive.switches.now.offline_access,
                time.time() + _CODE_SECONDS,
            ),
        )
        return code

    def _granted(self, query: Mapping[str, str]) -> str:
        return self._drive.switches.now.consent_scope or query["scope"]


def redeem(db: sqlite3.Connection, form: Mapping[str, str]) -> tuple[str, str, frozenset[str], bool]:
    """Use up a code: its e-mail address, its client, its scopes, and whether a refresh token belongs to it.

    Raises `GrantError` when the code is not good, or was asked for by somebody else.
    """
    code = form.get("code", "")
    row = db.execute("SELECT * FROM codes WHERE code = ?", (code,)).fetchone()
    if row is None or row["expires"] < time.time():
        raise GrantError("invalid_grant", "Malformed auth code.")
    if form.get("redirect_uri") != row["redirect_uri"]:
        raise GrantError("redirect_uri_mismatch", "Bad Request")
    if row["challenge"]:
        verifier = form.get("code_verifier")
        if not verifier:
            raise GrantError("invalid_grant", "Missing code verifier.")
        digest = hashlib.sha256(verifier.encode()).digest()
        if not hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"="), row["challenge"].encode()):
            raise GrantError("invalid_grant", "Invalid code verifier.")
    db.execute("DELETE FROM codes WHERE code = ?", (code,))
    return USER, known(db, "client_id"), frozenset(row["scopes"].split()), bool(row["offline"])


def _malformed(query: Mapping[str, str], client_id: str) -> str | None:
    """Google's words for a request that it does not send back to the app."""
    if query.get("client_id") != client_id:
        return "Error 401: invalid_client. The OAuth client was not found."
    if not is_loopback(query.get("redirect_uri", "")):
        return "Error 400: redirect_uri_mismatch"
    if query.get("response_type") != "code":
        return "Error 400: invalid_request. Required parameter is missing: response_type"
    asked = frozenset(query.get("scope", "").split())
    if not asked or not asked <= SCOPES:
        return "Error 400: invalid_scope"
    if query.get("code_challenge") and query.get("code_challenge_method") != "S256":
        return "Error 400: invalid_request. Only S256 is known here as code_challenge_method."
    return None


def _back(query: Mapping[str, str], **answer: str) -> Response:
    state = {"state": query["state"]} if "state" in query else {}
    return RedirectResponse(f"{query['redirect_uri']}?{urlencode({**state, **answer})}", status_code=302)


def _page(refused: str) -> Response:
    html = f'<!doctype html><html lang="en"><title>Sandbox sign-in</title><p>{escape(refused)}</p>'
    return HTMLResponse(html, status_code=400)
