"""Dividing a day among workers: time ranges, and who runs dry takes half of what the slowest has left.

No count is needed first. A range follows its own cursor, newest runs first, and so has a frontier: all that
started after it has come. Who takes over the older half of what lies before it gets a query of its own; the
first worker follows its cursor only until it reaches the part it gave away. That early stop is taken only in
a range whose pages came sorted so far; any other follows its cursor to the end, and what arrives twice is
kept once. So a server that does not sort costs time, never runs.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

_SLACK = timedelta(milliseconds=2)
"""Start times are cut or rounded to the millisecond where a server sorts by them."""

_SMALLEST = timedelta(milliseconds=10)
"""What is shorter than this is not divided."""

_WORTH_TAKING = 1.5
"""Pages that a range must still have, by its own speed, before half of it is taken."""


@dataclass(eq=False)
class TimeRange:
    """`[low, high)` of start times, and how far its worker has come. Only the board changes it."""

    low: datetime
    high: datetime
    frontier: datetime = field(init=False)
    pages: int = 0
    is_sorted: bool = True

    def __post_init__(self) -> None:
        self.asked_from = self.low
        """The lower bound of its query; `low` rises when another worker takes the older half."""
        self.frontier = self.high

    @property
    def pages_left(self) -> float:
        """An estimate from the time that each page so far has covered."""
        covered, left = self.high - self.frontier, self.frontier - self.low
        if not covered:
            return float("inf") if left > _SMALLEST else 0.0
        return self.pages * (left / covered)


class RangeBoard:
    """The ranges of one fetch. Thread-safe; `take` waits while others may still have something to give."""

    def __init__(self, ranges: Sequence[tuple[datetime, datetime]]) -> None:
        self._waiting = [TimeRange(low, high) for low, high in reversed(ranges)]
        self._active: list[TimeRange] = []
        self._changed = threading.Condition()
        self._stopped = False

    def take(self) -> TimeRange | None:
        """A range to work on, or None when there is nothing left to do for anyone else."""
        with self._changed:
            while not self._stopped:
                taken = self._waiting.pop() if self._waiting else self._take_half()
                if taken is not None:
                    self._active.append(taken)
                    return taken
                if not self._active:
                    return None
                self._changed.wait()
            return None

    def arrived(self, working_on: TimeRange, starts: Sequence[datetime]) -> bool:
        """Note a page's start times, in the order they came; whether the range needs its next page."""
        with self._changed:
            working_on.pages += 1
            for start in starts:
                if start > working_on.frontier + _SLACK:
                    working_on.is_sorted = False
                working_on.frontier = min(working_on.frontier, start)
            self._changed.notify_all()
            return not (working_on.is_sorted and working_on.frontier < working_on.low - _SLACK)

    def finish(self, done: TimeRange) -> tuple[datetime, datetime]:
        """The range has all its runs: the interval `[low, high)` that is complete by it."""
        with self._changed:
            self._active.remove(done)
            self._changed.notify_all()
            return done.low, done.high

    def stop(self) -> None:
        """Give out nothing more; whoever waits gets None."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def time_left(self) -> timedelta:
        """How much of the time of all ranges has not come yet."""
        with self._changed:
            waiting = sum((one.high - one.low for one in self._waiting), timedelta())
            return waiting + sum(
                (max(one.frontier - one.low, timedelta()) for one in self._active), timedelta()
            )

    @property
    def has_work(self) -> bool:
        """Whether `take` would give a range at once."""
        with self._changed:
            return bool(self._waiting) or self._slowest() is not None

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def _take_half(self) -> TimeRange | None:
        slowest = self._slowest()
        if slowest is None:
            return None
        middle = slowest.low + (slowest.frontier - slowest.low) / 2
        older = TimeRange(slowest.low, middle)
        slowest.low = middle
        return older

    def _slowest(self) -> TimeRange | None:
        able = [one for one in self._active if one.is_sorted and one.pages and self._can_give(one)]
        return max(able, key=lambda one: (one.pages_left, one.frontier - one.low), default=None)

    @staticmethod
    def _can_give(one: TimeRange) -> bool:
        return one.frontier - one.low > _SMALLEST and one.pages_left >= _WORTH_TAKING


def slices(low: datetime, high: datetime, count: int) -> list[tuple[datetime, datetime]]:
    """`[low, high)` in `count` parts of the same length."""
    edges = [low + (high - low) * number / count for number in range(count)] + [high]
    return list(pairwise(edges))


def gaps(
    low: datetime, high: datetime, done: Sequence[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    """What of `[low, high)` is in none of the intervals that are done."""
    left = []
    for done_low, done_high in sorted(done):
        if done_low > low:
            left.append((low, min(done_low, high)))
        low = max(low, done_high)
    if low < high:
        left.append((low, high))
    return left
