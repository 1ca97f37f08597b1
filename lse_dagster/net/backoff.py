"""How long to wait before a request is sent again: by exponential backoff, or as the server asks.

The one rule for LangSmith, for its files and for Drive. For how long in all: `PATIENCE` where somebody waits
at a terminal, less where a step holds a place in a pool (`defs.failure`) or somebody looks in passing.
"""

import email.utils
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

PATIENCE: Final = 900.0
_LONGEST_WAIT: Final = 86_400.0
_FIRST: Final = 0.5
_LONGEST: Final = 64.0
_LATEST: Final = 31 * 86_400.0
"""Seconds. A date beyond it is as good as never, and one beyond the calendar none."""


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How an operation behaves between two tries. All times in seconds.

    `tries`: how often one step is tried without any progress; `patience`: how long an operation waits in all.
    """

    tries: int = 9
    patience: float = PATIENCE
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    """A number in [0, 1) by which the whole wait is multiplied: many clients must not come back at once."""


IN_PASSING: Final = Backoff(tries=3, patience=20.0)
"""For a question that can go without an answer."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from either form of the header; None without a usable one.

    No time at all is not usable, and more than a day is a day: nobody would wait as long.
    """
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):  # the latter of a year or a zone that cannot be
            return None
    return min(seconds, _LONGEST_WAIT) if seconds > 0 else None


def pause(attempt: int, asked: float, jitter: float) -> float:
    """Seconds. `attempt` counts from 0, `asked` is Retry-After or 0, `jitter` a number in [0, 1).

    Never less than the server asks for; more where it asks for little again and again.
    """
    return max(asked, min(_LONGEST, _FIRST * 2.0 ** min(attempt, 10)) * jitter)


@dataclass(frozen=True)
class ComeBack:
    """When to come back, in the words of an error."""

    why: str
    next_step: str

    @classmethod
    def after(cls, seconds: float, *, patience: float) -> Self:
        """In so many seconds from now; `patience` is what would have been waited."""
        seconds = min(seconds, _LATEST)
        moment = datetime.now(UTC) + timedelta(seconds=seconds + 1)  # to the second, and not before
        return cls(
            f"The server asks to wait for {seconds:,.0f} s, and nobody waits here for longer than "
            f"{patience:,.0f} s.",
            f"Run this again after {moment:%Y-%m-%d %H:%M:%S} UTC.",
        )
