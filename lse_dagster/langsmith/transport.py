"""HTTP to LangSmith: authentication, retries, and the counters that the metadata shows.

What may work later is tried again, with exponential backoff and full jitter or as long as `Retry-After` says,
until the patience is used up. What cannot work (401, 403, 404, 422, ...) fails at once. An answer counts only
when it arrived whole and decodes.
"""

import email.utils
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

import msgspec
import requests

from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.errors import (
    InvalidAnswer,
    MissingApiKey,
    RequestRefused,
    Unauthorized,
    Unavailable,
)

T = TypeVar("T")

DEFAULT_ENDPOINT = "https://api.smith.langchain.com"

_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 30.0
_MOST_INVALID_ANSWERS = 5
"""A cut body is worth another try; a server that keeps answering nonsense is not worth the whole patience."""
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 120.0


@dataclass(frozen=True)
class LangSmithSettings:
    """How to reach one LangSmith workspace. `patience` is in seconds of waiting per request."""

    api_key: str = field(repr=False)
    endpoint: str = DEFAULT_ENDPOINT
    workspace_id: str | None = None
    patience: float = 900.0


@dataclass
class Counters:
    """What this connection has done so far. Only `Transport` changes them."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    seconds_waited: float = 0.0


class Transport:
    """One HTTP connection to LangSmith; not for use by several threads at once."""

    def __init__(
        self,
        settings: LangSmithSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not settings.api_key:
            raise MissingApiKey
        self.endpoint = _without_api_suffix(settings.endpoint)
        self.counters = Counters()
        self._patience = settings.patience
        self._sleep = sleep
        self._jitter = jitter
        self._session = requests.Session()
        self._session.headers["x-api-key"] = settings.api_key
        if settings.workspace_id:
            self._session.headers["X-Tenant-Id"] = settings.workspace_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def get(
        self, path: str, decode: Callable[[bytes], T], *, params: Mapping[str, str | int | Sequence[str]]
    ) -> T:
        """GET a path below the endpoint and decode the body. Errors as for `post`."""
        return self._request("GET", path, decode, params=params)

    def post(self, path: str, decode: Callable[[bytes], T], *, body: object) -> T:
        """POST a JSON body to a path below the endpoint and decode the answer.

        Raises `Unauthorized`, `RequestRefused`, `Unavailable`, or `InvalidAnswer` (when `decode` keeps
        raising `msgspec.MsgspecError`).
        """
        return self._request("POST", path, decode, data=msgspec.json.encode(body))

    def _request(
        self,
        method: str,
        path: str,
        decode: Callable[[bytes], T],
        *,
        params: Mapping[str, str | int | Sequence[str]] | None = None,
        data: bytes | None = None,
    ) -> T:
        what = f"{method} {self.endpoint}{path}"
        waited = 0.0
        attempt = 0
        invalid_answers = 0
        while True:
            retry_after: float | None = None
            try:
                response = self._send(method, path, params, data)
                if response.status_code < 300:
                    return decode(response.content)
                retry_after = _retry_after(response)
                failure = _error_of(what, response)
            except requests.RequestException as error:
                failure = _unavailable(what, _words_of(error))
            except msgspec.MsgspecError as error:
                invalid_answers += 1
                failure = InvalidAnswer(
                    what, f"The answer is not what LangSmith documents: {error}.", "Run this again later."
                )
            if not failure.transient:
                raise failure
            pause = self._pause(attempt, retry_after)
            if waited + pause > self._patience or invalid_answers == _MOST_INVALID_ANSWERS:
                raise failure
            self.counters.retries += 1
            self.counters.seconds_waited += pause
            self._sleep(pause)
            waited += pause
            attempt += 1

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int | Sequence[str]] | None,
        data: bytes | None,
    ) -> requests.Response:
        self.counters.requests += 1
        response = self._session.request(
            method,
            self.endpoint + path,
            params=params,
            data=data,
            headers={"Content-Type": "application/json"} if data is not None else None,
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),
            allow_redirects=False,
        )
        self.counters.bytes += len(response.content)
        return response

    def _pause(self, attempt: int, retry_after: float | None) -> float:
        if retry_after is not None:
            return retry_after
        ceiling = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0**attempt)
        return ceiling * self._jitter()


def _without_api_suffix(endpoint: str) -> str:
    """The SDK takes `https://host`, `https://host/api` and `https://host/api/v1`; so do we."""
    base = endpoint.strip().rstrip("/")
    for suffix in ("/api/v1", "/api/v2", "/api"):
        if base.endswith(suffix):
            return base.removesuffix(suffix)
    return base


def _error_of(what: str, response: requests.Response) -> ArchiveError:
    status, words = response.status_code, _shorten(response.text)
    if status in _RETRYABLE:
        return _unavailable(what, f"{status} {response.reason}: {words}")
    if status in {401, 403}:
        return Unauthorized(
            what,
            f"LangSmith refuses the API key ({status}): {words}.",
            "Check LANGSMITH_API_KEY, and LANGSMITH_WORKSPACE_ID for an organisation-scoped key.",
        )
    return RequestRefused(
        what,
        f"LangSmith refuses the request ({status}): {words}.",
        "Check LANGSMITH_ENDPOINT. If it is right, report this with the text above.",
    )


def _unavailable(what: str, why: str) -> Unavailable:
    return Unavailable(
        what, f"{why}.", "Check the network and https://status.smith.langchain.com, then run again."
    )


def _words_of(error: requests.RequestException) -> str:
    """What happened, without the request: its headers hold the key."""
    return _shorten(f"{type(error).__name__}: {error}")


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:300] + " ..."


def _retry_after(response: requests.Response) -> float | None:
    """Seconds to wait, from either form of the header; None without a usable one."""
    value = response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
