"""Keeping within the services' rate limits: one limiter per account and kind of request in the process.

Requests are spaced evenly, a little wider than the limit asks for, so that no ten seconds anywhere hold more
than it allows. A refusal stops every thread for as long as the server says, and widens the spacing a while.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["v2", "v1", "stats", "other"]
RatesName = Literal["us", "eu", "none"]

_WINDOW = 10.0
_MARGIN = 1.05
"""Wider than the limit: requests may arrive closer together than they were sent."""
_WIDENING = 1.5
_WIDEST = 8.0
_RECOVERY = 0.98


@dataclass(frozen=True)
class Rates:
    """Requests allowed in ten seconds; None for no limit. `other` requests have none."""

    v2: int | None
    v1: int | None
    stats: int | None

    def of(self, kind: Kind) -> int | None:
        """The limit of one kind of request."""
        return None if kind == "other" else {"v2": self.v2, "v1": self.v1, "stats": self.stats}[kind]


PUBLISHED_RATES: Final[dict[RatesName, Rates]] = {
    "us": Rates(v2=300, v1=10, stats=1),
    "eu": Rates(v2=300, v1=10, stats=20),
    "none": Rates(v2=None, v1=None, stats=None),
}
"""LangSmith Cloud's limits (documentation, November 2026), and none for self-hosted servers without any."""


CREATIONS: Final = 20
"""New files and folders that Drive takes in ten seconds for long (rclone's documentation, November 2026). As
many may come at once after a rest."""


class RateLimiter:
    """Gives each request its moment. Thread-safe; only its own methods change it.

    `burst`: so many may come at once after a rest, which is for limits over a longer time than the window.
    """

    def __init__(
        self,
        requests_in_window: int | None,
        *,
        burst: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spacing = _WINDOW / requests_in_window * _MARGIN if requests_in_window else 0.0
        self._rest = (burst - 1) * self._spacing
        self._stretch = 1.0
        self._next = float("-inf")
        self._paused_until = 0.0
        self._refusals = 0
        self._clock = clock
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next free moment; the seconds until then."""
        with self._lock:
            now = self._clock()
            moment = max(now - self._rest, self._next)
            self._next = moment + self._spacing * self._stretch
            self._stretch = max(1.0, self._stretch * _RECOVERY)
            return max(0.0, moment - now)

    def pause_left(self) -> float:
        """How many seconds the server still asks everybody to wait; 0 when it does not."""
        with self._lock:
            return max(0.0, self._paused_until - self._clock())

    @property
    def refusals(self) -> int:
        """How often it was too much. A moment reserved before the last time holds no longer."""
        return self._refusals

    def refused(self, pause: float = 0.0) -> None:
        """It was too much: nobody sends for `pause` seconds, and all a little slower afterwards."""
        with self._lock:
            self._refusals += 1
            self._paused_until = max(self._paused_until, self._clock() + pause)
            self._next = max(self._next, self._paused_until)
            self._stretch = min(_WIDEST, self._stretch * _WIDENING)


class RateLimiters:
    """The limiters of one LangSmith account."""

    def __init__(self, rates: Rates, *, clock: Callable[[], float] = time.monotonic) -> None:
        kinds: tuple[Kind, ...] = ("v2", "v1", "stats", "other")
        self._limiters = {kind: RateLimiter(rates.of(kind), clock=clock) for kind in kinds}

    def __getitem__(self, kind: Kind) -> RateLimiter:
        return self._limiters[kind]


_shared: dict[tuple[str, str, RatesName], RateLimiters] = {}
_shared_creations: dict[tuple[str | None, str], RateLimiter] = {}
_shared_lock = threading.Lock()


def shared_limiters(endpoint: str, api_key: str, rates: RatesName) -> RateLimiters:
    """The one set of limiters that this process has for an account of LangSmith, made on first use."""
    account = (endpoint, hashlib.sha256(api_key.encode()).hexdigest(), rates)
    with _shared_lock:
        return _shared.setdefault(account, RateLimiters(PUBLISHED_RATES[rates]))


def shared_creations(endpoint: str | None, account: str) -> RateLimiter:
    """The one limiter of new files that this process has for an account of Drive, made on first use."""
    with _shared_lock:
        return _shared_creations.setdefault((endpoint, account), RateLimiter(CREATIONS, burst=CREATIONS))
