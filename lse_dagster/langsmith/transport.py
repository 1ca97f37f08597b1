"""HTTP to LangSmith: authentication, rate limits, retries, and the counters that the metadata shows.

What may work later is tried again, with exponential backoff and full jitter or as long as `Retry-After` says,
until the patience is used up. What cannot work (401, 403, 404, 422, ...) fails at once. An answer counts only
when it arrived whole and decodes. One transport serves all workers of a fetch.
"""

import copy
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self, TypeVar

import msgspec
import requests
import urllib3

from lse_dagster.errors import OnRetry, without_a_word
from lse_dagster.langsmith.answer import error_of, expect_utf8, is_timeout, retry_after, unavailable, words_of
from lse_dagster.langsmith.connections import Connections
from lse_dagster.langsmith.errors import Cancelled, InvalidAnswer, MissingApiKey
from lse_dagster.langsmith.limiter import (
    PUBLISHED_RATES,
    Kind,
    RateLimiter,
    RateLimiters,
    Rates,
    shared_limiters,
)

T = TypeVar("T")
Params = Mapping[str, str | int | Sequence[str]]

DEFAULT_ENDPOINT = "https://api.smith.langchain.com"

_MAY_BE_TOO_LARGE = frozenset({413, 502, 503, 504})
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 30.0
_MOST_INVALID_ANSWERS = 5
"""A cut body is worth another try; a server that keeps answering nonsense is not worth the whole patience."""
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 120.0
_CONNECTIONS = 32


@dataclass(frozen=True)
class LangSmithSettings:
    """How to reach one LangSmith workspace. `patience` is in seconds of waiting per request."""

    api_key: str = field(repr=False)
    endpoint: str = DEFAULT_ENDPOINT
    workspace_id: str | None = None
    patience: float = 900.0
    read_timeout: float = _READ_SECONDS
    rates: Rates = PUBLISHED_RATES["us"]


@dataclass
class Counters:
    """What this connection has done so far. Only `Transport` changes them, under its lock."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    seconds_waited: float = 0.0


@dataclass(frozen=True)
class _Call:
    """One request, as often as it is sent."""

    method: str
    path: str
    params: Params | None = None
    body: Callable[[], object] | Mapping[str, object] | None = None
    kind: Kind = "other"
    shrink: Callable[[], bool] | None = None


class Transport:
    """HTTP connections to one LangSmith workspace, for any number of threads."""

    def __init__(
        self,
        settings: LangSmithSettings,
        *,
        sleep: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
        limiters: RateLimiters | None = None,
        on_retry: OnRetry = without_a_word,
    ) -> None:
        """`sleep`, `jitter` and `limiters` (this process's own by default) are given by tests."""
        if not settings.api_key:
            raise MissingApiKey
        self.configured_endpoint = settings.endpoint
        self.endpoint = base_url(settings.endpoint)
        self.counters = Counters()
        self._patience = settings.patience
        self._timeout = (_CONNECT_SECONDS, settings.read_timeout)
        self._given_sleep = sleep
        self._jitter = jitter
        self._on_retry = on_retry
        self._limiters = limiters or shared_limiters(self.endpoint, settings.api_key, settings.rates)
        self._lock = threading.Lock()
        self._headers = {"x-api-key": settings.api_key}
        if settings.workspace_id:
            self._headers["X-Tenant-Id"] = settings.workspace_id
        self._begin()

    def _begin(self) -> None:
        self._cancelled = threading.Event()
        self._session = requests.Session()
        self._session.auth = _no_password  # requests would send one from ~/.netrc
        self._session.headers.update(self._headers)
        self._connections = Connections(self._session, most=_CONNECTIONS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()
        self._session.close()

    def with_its_own_end(self) -> Self:
        """The same limits and counters; `cancel` on what is returned does not reach this one."""
        other = copy.copy(self)
        other._begin()
        return other

    def cancel(self) -> None:
        """End all waiting, for answers too, now and later: every request raises `Cancelled`."""
        self._cancelled.set()
        self._connections.end()

    @contextmanager
    def cancelled_on_error(self) -> Iterator[None]:
        """Cancel when the block fails: for a block inside one that waits for threads which use this."""
        try:
            yield
        except BaseException:
            self.cancel()
            raise

    def get(self, path: str, decode: Callable[[bytes], T], *, params: Params) -> T:
        """GET a path below the endpoint and decode the body. Errors as for `post`."""
        return self._request(_Call("GET", path, params=params), decode)

    def post(
        self,
        path: str,
        decode: Callable[[bytes], T],
        *,
        body: Callable[[], object] | Mapping[str, object],
        kind: Kind = "other",
        shrink: Callable[[], bool] | None = None,
    ) -> T:
        """POST a JSON body to a path below the endpoint and decode the answer.

        A callable `body` is asked again for every attempt. `shrink` is called when the answer may have been
        too large, and says whether the next attempt asks for less.

        Raises `Unauthorized`, `NoSuchEndpoint`, `RequestRefused`, `PageTooLarge`, `Unavailable`, or
        `InvalidAnswer` (when the answer keeps being no UTF-8, or `decode` keeps
        raising `msgspec.MsgspecError`).
        """
        return self._request(_Call("POST", path, body=body, kind=kind, shrink=shrink), decode)

    def _request(self, call: _Call, decode: Callable[[bytes], T]) -> T:
        what = f"{call.method} {self.endpoint}{call.path}"
        waited = 0.0
        attempt = 0
        invalid_answers = 0
        while True:
            pause: float | None = None
            try:
                status, headers, content = self._send(call)
                if status < 300:
                    expect_utf8(content)
                    return decode(content)
                failure = error_of(what, status, content)
                pause = retry_after(headers)
                if status == 429:
                    self._limiters[call.kind].refused(pause or 0.0)
                if (
                    status in _MAY_BE_TOO_LARGE
                    and call.shrink is not None
                    and call.shrink()
                    and status == 413
                ):
                    pause, failure = (
                        0.0,
                        unavailable(what, "413: a page was too large, and so are smaller ones"),
                    )
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                if self._cancelled.is_set():
                    raise Cancelled from None
                failure = unavailable(what, words_of(error))
                if call.shrink is not None and is_timeout(error):
                    call.shrink()
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                invalid_answers += 1
                failure = InvalidAnswer(
                    what, f"The answer is not what LangSmith documents: {error}.", "Run this again later."
                )
            pause = self._backoff(attempt) if pause is None else pause
            out_of_patience = waited + pause > self._patience or invalid_answers == _MOST_INVALID_ANSWERS
            if not failure.transient or out_of_patience:
                raise failure
            with self._lock:
                self.counters.retries += 1
            if pause:
                self._on_retry(failure, pause)
            self._wait(pause)
            waited += pause
            attempt += 1

    def _send(self, call: _Call) -> tuple[int, Mapping[str, str], bytes]:
        self._wait_for_turn(self._limiters[call.kind])
        with self._lock:
            self.counters.requests += 1
        data = None
        if call.body is not None:
            data = msgspec.json.encode(call.body() if callable(call.body) else call.body)
        with self._session.request(
            call.method,
            self.endpoint + call.path,
            params=call.params,
            data=data,
            headers={"Content-Type": "application/json"} if data is not None else None,
            timeout=self._timeout,
            allow_redirects=False,
            stream=True,
        ) as response:
            # In one piece from the socket: `response.content` would join a hundred thousand small ones.
            content: bytes = response.raw.read(decode_content=True)
        if self._cancelled.is_set():
            raise Cancelled  # it may be cut, and look whole where no length was promised
        with self._lock:
            self.counters.bytes += len(content)
        return response.status_code, response.headers, content

    def _wait_for_turn(self, limiter: RateLimiter) -> None:
        refusals = -1
        while refusals != limiter.refusals:
            refusals = limiter.refusals
            self._wait(limiter.reserve())

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            with self._lock:
                self.counters.seconds_waited += seconds
            (self._given_sleep or self._cancelled.wait)(seconds)
        if self._cancelled.is_set():
            raise Cancelled

    def _backoff(self, attempt: int) -> float:
        return min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** min(attempt, 10)) * self._jitter()


def _no_password(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def base_url(endpoint: str) -> str:
    """The SDK takes `https://host`, `https://host/api` and `https://host/api/v1`; so do we."""
    base = endpoint.strip().rstrip("/")
    for suffix in ("/api/v1", "/api/v2", "/api"):
        if base.endswith(suffix):
            return base.removesuffix(suffix)
    return base
