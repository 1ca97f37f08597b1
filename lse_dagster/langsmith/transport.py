"""HTTP to LangSmith: authentication, rate limits, retries, and the counters that the metadata shows.

What may work later is tried again, with exponential backoff and full jitter or as long as `Retry-After` says,
until the patience is used up. What cannot work (401, 403, 404, 422, ...) fails at once. An answer counts only
when it arrived whole and decodes. One transport serves all workers of a fetch.
"""

import copy
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, TypeVar

import msgspec
import requests

from lse_dagster.errors import ArchiveError, OnRetry, without_a_word
from lse_dagster.langsmith.access import (
    ApiKey,
    LangSmithSettings,
    base_url,
    expect_usable,
    sendable,
    without_user,
)
from lse_dagster.langsmith.attachment_hosts import AttachmentHosts
from lse_dagster.langsmith.connections import Connections, WholeWithin
from lse_dagster.langsmith.errors import Cancelled
from lse_dagster.langsmith.refusal import (
    FAULTS,
    Call,
    Failed,
    Params,
    TooLarge,
    come_back_later,
    failed_by,
    refused,
    unavailable,
)
from lse_dagster.net.backoff import pause
from lse_dagster.net.end_of_life import EndOfLife, end_of_life
from lse_dagster.net.limiter import Kind, RateLimiter, RateLimiters, shared_limiters
from lse_dagster.net.server_time import ServerTime
from lse_dagster.net.session import Session
from lse_dagster.run.raw_json import expect_utf8

T = TypeVar("T")

_MOST_INVALID_ANSWERS = 5
"""A cut body is worth another try; a server that keeps answering nonsense is not worth the whole patience."""
_INVALID_ANSWERS_BEFORE_SALVAGE = 2
"""A damaged answer comes right the next time."""
_CONNECT_SECONDS = 10.0
_READS_PER_ANSWER = 5
"""Read timeouts that an answer may take in all. Ten minutes are 35 KB/s for a page of 20 MB; a line that is
slower is asked for a smaller one."""
_CONNECTIONS = 32


@dataclass
class Counters:
    """What this connection has done so far. Only `Transport` changes them, under its lock."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    seconds_waited: float = 0.0


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sleep`, `jitter`, `limiters` (this process's own by default) and `clock` are given by tests.

        Raises `MissingApiKey`, `UnusableCredential`, `UnusableAddress`.
        """
        self._key = ApiKey(settings.api_key)
        self.configured_endpoint = without_user(settings.endpoint)
        self.endpoint = base_url(settings.endpoint)
        expect_usable(self.endpoint)
        self.counters = Counters()
        self._patience = settings.patience
        self._largest_answer = settings.largest_answer
        self._timeout = (_CONNECT_SECONDS, settings.read_timeout)
        self._clock = clock
        self._given_sleep = sleep
        self._jitter = jitter
        self.time = ServerTime(clock)
        """What time it is for LangSmith, by its answers so far."""
        self.endings: dict[str, EndOfLife] = {}
        """By endpoint: those of which an answer said that they will go."""
        self.on_retry = on_retry
        """Who hears of all waiting for this workspace."""
        self.attachment_hosts = AttachmentHosts.of(self.endpoint, settings.attachment_hosts)
        self._limiters = limiters or shared_limiters(self.endpoint, self._key.value, settings.rates)
        self._lock = threading.Lock()
        self._headers = {"x-api-key": self._key.value}
        if workspace_id := sendable("LANGSMITH_WORKSPACE_ID", settings.workspace_id or ""):
            self._headers["X-Tenant-Id"] = workspace_id
        self._begin()

    def _begin(self) -> None:
        self._cancelled = threading.Event()
        self._session = Session()
        self._session.headers.update(self._headers)
        whole_within = _READS_PER_ANSWER * self._timeout[1]
        self._connections = Connections(
            self._session, most=_CONNECTIONS, pace=lambda: WholeWithin(whole_within), clock=self._clock
        )

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

    def get(
        self,
        path: str,
        decode: Callable[[bytes], T],
        *,
        params: Params,
        salvage: Callable[[bytes], T] | None = None,
    ) -> T:
        """GET a path below the endpoint and decode the body. `salvage` and errors as for `post`."""
        return self._request(Call("GET", path, params=params), decode, salvage)

    def post(
        self,
        path: str,
        decode: Callable[[bytes], T],
        *,
        body: Callable[[], object] | Mapping[str, object],
        kind: Kind = "other",
        shrink: Callable[[], bool] | None = None,
        salvage: Callable[[bytes], T] | None = None,
    ) -> T:
        """POST a JSON body to a path below the endpoint and decode the answer.

        A callable `body` is asked again for every attempt. `shrink` is called when the answer may have been
        too large, and says whether the next attempt asks for less. `salvage` decodes an answer that was no
        UTF-8 or JSON the times before, too: then that is what LangSmith holds.

        Raises `Unauthorized`, `NoSuchEndpoint`, `RequestRefused`, `PageTooLarge`, `UnusableAddress`,
        `Unavailable`, or `InvalidAnswer` (when the answer keeps being no UTF-8, or `decode` keeps
        raising `msgspec.MsgspecError`).
        """
        return self._request(Call("POST", path, body=body, kind=kind, shrink=shrink), decode, salvage)

    def _request(
        self, call: Call, decode: Callable[[bytes], T], salvage: Callable[[bytes], T] | None = None
    ) -> T:
        waited = 0.0
        attempt = 0
        invalid_answers = 0
        while True:
            try:
                if salvage is not None and invalid_answers >= _INVALID_ANSWERS_BEFORE_SALVAGE:
                    return self._attempt(call, salvage)
                return self._attempt(call, lambda content: decode(_text(content)))
            except Failed as failed:
                failure = failed
            invalid_answers += failure.invalid
            waited += failure.spent
            seconds = 0.0 if failure.at_once else pause(attempt, failure.asked, self._jitter())
            out_of_patience = waited + seconds > self._patience or invalid_answers == _MOST_INVALID_ANSWERS
            if not failure.error.transient or out_of_patience:
                raise self._beyond_patience(failure, waited)
            with self._lock:
                self.counters.retries += 1
            if seconds:
                self.on_retry(failure.error, seconds)
            self._wait(seconds)
            waited += seconds
            attempt += 1

    def _beyond_patience(self, failed: Failed, waited: float) -> ArchiveError:
        """The error, with the time at which to come back if the server said it."""
        error = failed.error
        if error.transient and failed.asked and waited + failed.asked > self._patience:
            return come_back_later(error.what, error.why, failed.asked, patience=self._patience)
        return error

    def _attempt(self, call: Call, decode: Callable[[bytes], T]) -> T:
        """Raises `Failed`, and `Cancelled`."""
        what = f"{call.method} {self.endpoint}{call.path}"
        self._wait_for_turn(self._limiters[call.kind], what)
        began = self._clock()
        try:
            status, headers, content = self._send(call)
            self._note_end_of_life(call, headers)
            if status < 300:
                self.time.note(headers)  # others may come from a proxy, which has a clock of its own
                return decode(content)
        except FAULTS as fault:
            if self._cancelled.is_set():
                raise Cancelled from None
            seconds = self._clock() - began
            less = call.ask_for_less_after(fault)
            raise failed_by(fault, what, seconds=seconds, asks_for_less=less) from None
        seconds = self._clock() - began
        less = call.ask_for_less_after(status)
        failed = refused(what, self._key, status, headers, content, seconds=seconds, asks_for_less=less)
        if status == 429:
            self._limiters[call.kind].refused(failed.asked)
        raise failed

    def _note_end_of_life(self, call: Call, headers: Mapping[str, str]) -> None:
        ending = end_of_life(call.method, call.path, headers)
        if ending is not None:
            with self._lock:
                self.endings[ending.endpoint] = ending

    def _send(self, call: Call) -> tuple[int, Mapping[str, str], bytes]:
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
            stream=True,
        ) as response:
            # In one piece from the socket: `response.content` would join a hundred thousand small ones.
            content: bytes = response.raw.read(self._most_of(response), decode_content=True)
        if self._cancelled.is_set():
            raise Cancelled  # it may be cut, and look whole where no length was promised
        with self._lock:
            self.counters.bytes += len(content)
        if len(content) > self._largest_answer:
            raise TooLarge(f"The answer is larger than {self._largest_answer:,} bytes")
        return response.status_code, response.headers, content

    def _most_of(self, response: requests.Response) -> int:
        """Bytes to read of an answer: urllib3 copies it again unless that is just as many as come."""
        most = self._largest_answer + 1
        length = None if "Content-Encoding" in response.headers else response.raw.length_remaining
        return min(length or most, most)

    def _wait_for_turn(self, limiter: RateLimiter, what: str) -> None:
        """Raises `Unavailable` when an earlier answer asked all to wait for longer than the patience."""
        refusals = -1
        while refusals != limiter.refusals:
            refusals = limiter.refusals
            if asked := limiter.pause_left():
                why = "LangSmith answered 429 to a request before this one"
                if asked > self._patience:
                    raise come_back_later(what, why, asked, patience=self._patience)
                self.on_retry(unavailable(what, why), asked)
            self._wait(limiter.reserve())

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            with self._lock:
                self.counters.seconds_waited += seconds
            (self._given_sleep or self._cancelled.wait)(seconds)
        if self._cancelled.is_set():
            raise Cancelled


def _text(content: bytes) -> bytes:
    expect_utf8(content)
    return content
