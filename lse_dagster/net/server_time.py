"""What time it is for LangSmith, as its answers say: the machine's clock may be wrong by days.

`Date` is cut to the second, and `Age` says for how long a cache has kept the answer (RFC 9110, 9111). A cache
that does not say so makes it older, never newer, so the latest of several answers is believed.
"""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

WRONG_CLOCK: Final = timedelta(minutes=10)
"""By how much a clock may be wrong before people are told. Less does no harm: days are hours apart."""


TOLERANCE: Final = timedelta(seconds=5)
"""Less than this nobody can tell from the second that `Date` is cut to, and the way of an answer. Then the
machine's clock is taken: its digits tell two fetches apart that ended in the same second."""

_POSSIBLE_YEARS: Final = range(2000, 3000)


class ServerTime:
    """The time of one server by its answers, carried on between them. From any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that pass evenly, whatever anybody sets."""
        self._clock = clock
        self._lock = threading.Lock()
        self._ahead: timedelta | None = None
        """Of the even seconds, as if those began with the year 1."""

    def note(self, headers: Mapping[str, str]) -> None:
        """An answer came just now."""
        said = date_of(headers)
        if said is None:
            return
        ahead = said - _even(self._clock())
        with self._lock:
            self._ahead = ahead if self._ahead is None else max(self._ahead, ahead)

    def now(self, machine: datetime) -> datetime:
        """The time there, where the machine says it is `machine`; that, if no answer has said the time."""
        if self._ahead is None:
            return machine
        return believed(machine, _even(self._clock()) + self._ahead)


def believed(machine: datetime, server: datetime) -> datetime:
    """Which of two clocks to go by."""
    return machine if abs(server - machine) <= TOLERANCE else server


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """When an answer with these headers came, by its server's clock; None if they do not say it.

    None also of a time that cannot be, as of a proxy without a clock (1970) or at the end of all dates: days
    are counted from it.
    """
    try:
        said = parsedate_to_datetime(headers["Date"]).replace(tzinfo=UTC)  # GMT, whether it is named or not
        came = said + timedelta(seconds=int(headers.get("Age") or 0))
    except (KeyError, ValueError, OverflowError):  # the last of a year or a zone that cannot be
        return None
    return came if came.year in _POSSIBLE_YEARS else None


def _even(seconds: float) -> datetime:
    return datetime.min.replace(tzinfo=UTC) + timedelta(seconds=seconds)
