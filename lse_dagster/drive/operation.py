"""One public call on Drive: its attempts, its patience, its counts, and the words its errors begin with.

Every request of this room goes through here. An attempt either gives an answer or raises a `DriveError`;
`again` repeats a step after the faults that pass.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec
import requests
from googleapiclient.errors import HttpError

from lse_dagster.drive.errors import (
    AccessTokenRefused,
    CertificateRefused,
    DriveUnavailable,
    FileMissing,
    ListGoesInCircles,
    PassingFault,
    RateLimited,
)
from lse_dagster.drive.refusal import Answer, explain
from lse_dagster.drive.service import Service
from lse_dagster.errors import OnRetry
from lse_dagster.net.backoff import Backoff, ComeBack, pause
from lse_dagster.net.certificates import CertificateError
from lse_dagster.net.faults import fault_words
from lse_dagster.net.page_trail import PageTrail

if TYPE_CHECKING:
    from googleapiclient.http import HttpRequest


_SETTLING: Final = (1.0, 2.0, 4.0)
"""Seconds, at most, after which what Drive does not find is asked for again. What was made a moment ago, or
what a list has just given, is not found once or twice (public reports to rclone and PyDrive2)."""


class Patience:
    """What is left of an operation's tries and waiting time."""

    def __init__(self, backoff: Backoff, on_retry: OnRetry) -> None:
        self._backoff = backoff
        self._on_retry = on_retry
        self._row = 0
        self._waited = 0.0

    def progress(self) -> None:
        """Something got through: the next fault is the first of its row. The waiting time stays used."""
        self._row = 0

    def settle(self, number: int, missing: FileMissing) -> None:
        """Wait some seconds for what must be there; raise when that was done so many times in a row."""
        if number >= len(_SETTLING):
            raise missing
        wait = _SETTLING[number] * (1 + self._backoff.jitter()) / 2
        self._on_retry(missing, wait)
        self._backoff.sleep(wait)

    def after(self, fault: PassingFault) -> None:
        """Wait as long as is right after this fault; raise it when there are no tries or no time left.

        When Drive asks to wait for longer than that, the fault says until when.
        """
        self._row += 1
        rule = self._backoff
        asked = fault.retry_after or 0.0
        wait = pause(self._row - 1, asked, rule.jitter())
        if asked and self._waited + asked > rule.patience:
            later = ComeBack.after(asked, patience=rule.patience)
            raise type(fault)(fault.what, f"{fault.why} {later.why}", later.next_step)
        if self._row >= rule.tries or self._waited + wait > rule.patience:
            raise fault
        self._waited += wait
        self._on_retry(fault, wait)
        rule.sleep(wait)


T = TypeVar("T")


class Operation:
    """Belongs to the one thread that carries it out; the counts are final when the call returns."""

    def __init__(self, service: Service, what: str) -> None:
        self.service = service
        self.what = what
        self.patience = Patience(service.backoff, service.on_retry)
        self.requests = 0
        self.retries = 0
        self._token: str | None = None
        self._token_refused = False

    def call(self, request: "HttpRequest", kind: type[T], *, known: bool = True) -> T:
        """Drive's answer to a metadata request, tried as often as patience allows. Raises `DriveError`."""
        return self.again(lambda: self.attempt(request, kind), known=known)

    def again(self, step: Callable[[], T], *, known: bool = True) -> T:
        """The step's result. After a fault that passes, or one refused access token, it is tried again.

        `known`: that what the step names is there, because Drive has just said so or we have just made it. A
        404 contradicts that and is worth a few tries; of an id that a person gave us it is final.

        A step makes single attempts (`attempt`, `send`) and no `call`: what gets through there would count as
        progress of the step, which then might never give up.
        """
        missed = 0
        while True:
            try:
                result = step()
            except FileMissing as missing:
                if not known:
                    raise
                self.patience.settle(missed, missing)
                missed += 1
                self.retries += 1
            except AccessTokenRefused:
                if self._token_refused:
                    raise
                self._token_refused = True
                self.retries += 1
                self._renew_token()
            except PassingFault as fault:
                if isinstance(fault, RateLimited):
                    self.service.creations.refused()
                self.patience.after(fault)
                self.retries += 1
            else:
                self.accepted()
                return result

    def accepted(self) -> None:
        """Something got through: earlier faults no longer count against what follows."""
        self._token_refused = False
        self.patience.progress()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Iterable[bytes | memoryview] | bytes | None = None,
        stream: bool = False,
    ) -> requests.Response:
        """One attempt at a media request: a response of any status. Raises `DriveUnavailable` without one.

        A GET goes on where the answer points to, if that is another server without any secret.
        """
        secrets = self._authorization()
        session, timeout = self.service.session(), self.service.timeout
        self.requests += 1
        broken = ""
        try:
            with self._trusting():
                if method == "GET":
                    return session.get_and_follow(
                        url, headers=headers or {}, secrets=secrets, stream=stream, timeout=timeout
                    )
                return session.request(
                    method,
                    url,
                    headers={**secrets, **(headers or {})},
                    data=cast("Iterable[bytes]", data),  # the stubs know no other buffers
                    stream=stream,
                    timeout=timeout,
                )
        except requests.RequestException as error:
            broken = fault_words(error)
        # Not in the handler: the context would carry the address, which may be an upload session's.
        raise self.unavailable(broken)

    def error_for(self, response: requests.Response) -> Exception:
        """The error that a media response of a failing status means."""
        answer = Answer.of(response.status_code, dict(response.headers), self.content(response))
        return self._explained(answer)

    def content(self, response: requests.Response) -> bytes:
        """The whole body of a small response. Raises `DriveUnavailable` if it was cut short."""
        try:
            return response.content
        except requests.RequestException as error:
            broken = fault_words(error)
        raise self.unavailable(broken)

    def unavailable(self, cause: str) -> DriveUnavailable:
        """The fault of a connection that gave no whole answer; `cause` is a word without secrets."""
        return DriveUnavailable(
            self.what,
            f"Google Drive: {cause}.",
            "check the network and run the same step again later",
        )

    def attempt(self, request: "HttpRequest", kind: type[T]) -> T:
        """One attempt at a metadata request, whose answer is of a kind. Raises a `DriveError`."""
        request.headers = {**(request.headers or {}), **self._authorization()}
        self.requests += 1
        broken, answer = "", None
        try:
            with self._trusting():
                result: Any = request.execute(http=self.service.http())
        except HttpError as error:
            answer = Answer.of(int(error.resp.status), dict(error.resp), error.content)
        except (OSError, ValueError, RecursionError) as error:
            broken = fault_words(error)
        else:
            try:
                return msgspec.convert(result, kind, strict=False)  # Drive writes large numbers as text
            except msgspec.ValidationError:
                # What is not JSON, Google's client hands on as text.
                is_json = isinstance(result, dict)
                broken = "the answer was not to the question" if is_json else "the answer was cut short"
        if answer is not None:
            raise self._explained(answer)
        raise self.unavailable(broken)

    @contextmanager
    def _trusting(self) -> Iterator[None]:
        """A certificate that is not trusted is final; it is no fault of the connection."""
        try:
            yield
        except CertificateError as error:
            raise CertificateRefused(self.what, error.why, error.next_step) from None

    def trail(self) -> PageTrail:
        """The way through one list. It raises `ListGoesInCircles`."""
        return PageTrail(
            lambda what_came: ListGoesInCircles(
                self.what,
                f"Drive gave {what_came}.",
                "run the same step again later; if it stays, look at the folder in Google Drive",
            )
        )

    def _authorization(self) -> dict[str, str]:
        headers = self.service.headers()
        self._token = self.service.account.token
        return headers

    def _renew_token(self) -> None:
        refused = self._token
        while True:
            try:
                self.service.account.renew(refused)
            except PassingFault as fault:
                self.patience.after(fault)
                self.retries += 1
            else:
                return

    def _explained(self, answer: Answer) -> Exception:
        return explain(answer, what=self.what, account=self.service.account.name)
