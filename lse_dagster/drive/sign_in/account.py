"""Whose access token goes with every request, and how it stays fresh.

google-auth signs and refreshes; this module decides when, under one lock for all threads. It calls
`refresh` and `apply`, not `before_request` (nor `AuthorizedSession`, which does): as of google-auth 2.62 that
sends the token to another Google service too, in a background thread, even when the endpoint is a sandbox.
"""

import json
import threading
from typing import Any, Protocol

import google.auth.exceptions
import google.auth.transport
import google.auth.transport.requests

from lse_dagster.drive.errors import CertificateRefused, CredentialsInvalid, DriveError, DriveUnavailable
from lse_dagster.drive.sign_in.token_endpoint import expect_token_endpoint
from lse_dagster.drive.sign_in.token_refusal import Explain
from lse_dagster.net.certificates import CertificateError
from lse_dagster.net.faults import fault_words
from lse_dagster.net.session import Session

_WHAT = "Signing in to Google Drive"


class GoogleCredentials(Protocol):
    """What this room uses of google-auth's credentials."""

    @property
    def token(self) -> str | None:
        """The access token, once there is one."""

    @property
    def valid(self) -> bool:
        """Whether there is an access token with some minutes left."""

    def refresh(self, request: Any) -> None:
        """Get a new access token."""

    def apply(self, headers: dict[str, str]) -> None:
        """Put the access token into the headers."""


class Account:
    """An account with a fresh access token. All threads share it; the lock guards the token."""

    def __init__(
        self,
        credentials: GoogleCredentials,
        *,
        name: str,
        explain: Explain,
        timeout: float,
        source: str | None = None,
        endpoint: str | None = None,
    ) -> None:
        """`endpoint` is GOOGLE_DRIVE_ENDPOINT, whose host may give tokens, too."""
        self.name = name
        """How advice calls the account: its e-mail address where it is known."""
        self.source = source
        """Where google-auth found the credentials, if it was left to look for them."""
        self._credentials = credentials
        self._explain = explain
        self._timeout = timeout
        self._lock = threading.Lock()
        self._endpoint = endpoint
        self._session = Session()

    def headers(self) -> dict[str, str]:
        """The headers that carry the access token, which is refreshed first when it is about to end.

        Raises `CredentialsRejected`, `CredentialsInvalid`, `CertificateRefused`, or `DriveUnavailable` when
        Google's token endpoint does not answer.
        """
        with self._lock:
            if not self._credentials.valid:
                self._refresh()
            headers: dict[str, str] = {}
            self._credentials.apply(headers)
            return headers

    def renew(self, refused: str | None) -> None:
        """Get a new access token, unless another thread has replaced the refused one. Raises as `headers`."""
        with self._lock:
            if self._credentials.token == refused:
                self._refresh()

    @property
    def token(self) -> str | None:
        """The access token at this moment."""
        return self._credentials.token

    def close(self) -> None:
        """Close the connection to the token endpoint."""
        self._session.close()

    def _refresh(self) -> None:
        failure: DriveError | None = None
        try:
            self._credentials.refresh(self._ask)
        except google.auth.exceptions.RefreshError as error:
            failure = self._explain(*_code_and_words(error))
        except google.auth.exceptions.GoogleAuthError as error:
            failure = _unreachable(str(error) if isinstance(error, _NoToken) else fault_words(error))
        if failure is not None:  # not in the handlers: google-auth's errors quote the server's whole answer
            raise failure

    def _ask(self, **arguments: Any) -> google.auth.transport.Response:
        # What is posted holds secrets. (Credentials of other clouds are asked for elsewhere, with GET.)
        if arguments.get("method") == "POST":
            expect_token_endpoint(str(arguments.get("url")), self._endpoint)
        transport: Any = google.auth.transport.requests.Request(self._session)
        try:
            response: google.auth.transport.Response = transport(**{**arguments, "timeout": self._timeout})
        except google.auth.exceptions.TransportError as error:
            if error.args and isinstance(untrusted := error.args[0], CertificateError):
                raise CertificateRefused(_WHAT, untrusted.why, untrusted.next_step) from None
            raise
        status = int(response.status)
        if 300 <= status < 400:
            raise CredentialsInvalid(
                _WHAT,
                f"The token endpoint answered {status} and points elsewhere, where no secret is sent.",
                "check `token_uri` in the file of the credentials, and whether a proxy answers for Google",
            )
        # google-auth would wait and try again by itself, but all waiting is done in `operation.py`; and
        # an answer that was cut short it would take for a token. (GET is for the metadata server.)
        cut = arguments.get("method") == "POST" and status == 200 and not _holds_token(response.data)
        if status == 429 or status >= 500 or cut:
            raise _NoToken(  # type: ignore[no-untyped-call]
                "the answer was cut short" if cut else f"HTTP {status}"
            )
        return response

    def __repr__(self) -> str:
        return f"Account({self.name!r})"


class _NoToken(google.auth.exceptions.TransportError):
    """An answer without a token; the text is ours. A connection that broke is google-auth's own class."""


def _holds_token(body: bytes) -> bool:
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    # "accessToken" is how a service account that acts as another one gets its own.
    return isinstance(answer, dict) and bool(answer.get("access_token") or answer.get("accessToken"))


def _code_and_words(error: google.auth.exceptions.RefreshError) -> tuple[str, str]:
    """What the server answered, as far as google-auth passes it on: OAuth's code, and some words."""
    words = str(error.args[0]) if error.args else ""
    answer = error.args[1] if len(error.args) > 1 else None
    code = answer.get("error") if isinstance(answer, dict) else None
    return code if isinstance(code, str) else "", words


def _unreachable(why: str) -> DriveUnavailable:
    return DriveUnavailable(
        _WHAT, f"Google's token endpoint: {why}.", "check the network and run again later"
    )
