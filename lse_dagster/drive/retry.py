"""When to try again, and for how long: exponential backoff with full jitter, and a limit on patience.

`Backoff` is the rule and never changes. `Patience` counts the faults of one operation and belongs to the one
thread that carries it out. Which faults pass is said by their type, not here.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lse_dagster.drive.errors import FileMissing, PassingFault
from lse_dagster.errors import OnRetry
from lse_dagster.net.come_back import ComeBack

_SETTLING: Final = (1.0, 2.0, 4.0)
"""Seconds, at most, after which what Drive does not find is asked for again. What was made a moment ago, or
what a list has just given, is not found once or twice (public reports to rclone and PyDrive2)."""


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How an operation behaves between two tries. All times in seconds.

    `tries`: how often one step is tried without any progress; `patience`: how long an operation waits in all.
    """

    tries: int = 8
    first: float = 1.0
    longest: float = 64.0
    patience: float = 900.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    """A number in [0, 1) by which the whole wait is multiplied: many clients must not come back at once."""


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
        # The exponent is bounded too: 2.0**1100 is an OverflowError.
        longest = min(rule.longest, rule.first * 2.0 ** min(self._row - 1, 30))
        wait = longest * rule.jitter()
        if fault.retry_after is not None:
            wait = max(wait, fault.retry_after)
        if fault.retry_after is not None and self._waited + fault.retry_after > rule.patience:
            later = ComeBack.after(fault.retry_after, patience=rule.patience)
            raise type(fault)(fault.what, f"{fault.why} {later.why}", later.next_step)
        if self._row >= rule.tries or self._waited + wait > rule.patience:
            raise fault
        self._waited += wait
        self._on_retry(fault, wait)
        rule.sleep(wait)
