"""The time by which it is decided what a day needs: LangSmith's while it can be asked, else this machine's.

A machine's clock can be wrong by weeks and right again a minute later. What was decided meanwhile would stay:
days archived that have not happened, and days never looked at.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.access import base_url
from lse_dagster.langsmith.server import look_at_server
from lse_dagster.net.server_time import TOLERANCE, WRONG_CLOCK, believed

_HOLDS_FOR: Final = 60.0
"""Seconds. All projects that are looked at in one round share one request, also where it fails."""
_TIMEOUT: Final = 5.0
"""Seconds. The tick of a sensor must end within a minute."""


class WrongClock(ArchiveError):
    """This machine's clock is far from LangSmith's."""

    def __init__(self, ahead: timedelta) -> None:
        where = "behind" if ahead > timedelta() else "ahead of"
        super().__init__(
            "Comparing the time with LangSmith",
            f"This machine's clock is {abs(ahead).total_seconds() / 60:,.0f} minutes {where} it. Days are "
            "archived by LangSmith's time, but Dagster starts by this machine's.",
            "Set this machine's clock (NTP), then look at `lse health`.",
        )


@dataclass(frozen=True)
class _Seen:
    """How far LangSmith's clock was ahead of the machine's, None if it did not say; and when that was."""

    ahead: timedelta | None
    machine: datetime
    even: float

    def holds(self, machine: datetime, even: float) -> bool:
        """Whether this was just now, and nobody has set the machine's clock since."""
        passed = even - self.even
        return passed < _HOLDS_FOR and abs(machine - self.machine - timedelta(seconds=passed)) <= TOLERANCE


class LangSmithClock:
    """The clock of one server, as seen from here. From any thread."""

    def __init__(self, endpoint: str, machine: Callable[[], datetime]) -> None:
        self.machine = machine
        """This machine's own time."""
        self._endpoint = base_url(endpoint)
        self._lock = threading.Lock()
        self._seen: _Seen | None = None

    def now(self) -> datetime:
        """LangSmith's time; the machine's where the two agree, or LangSmith cannot be asked."""
        ahead, machine = self.ahead(), self.machine()
        return machine if ahead is None else believed(machine, machine + ahead)

    def ahead(self) -> timedelta | None:
        """How far LangSmith's clock is ahead of the machine's, to about a second; None if nobody knows."""
        with self._lock:
            if self._seen is None or not self._seen.holds(self.machine(), time.monotonic()):
                self._seen = _Seen(self._ask(), self.machine(), time.monotonic())
            return self._seen.ahead

    def problem(self) -> WrongClock | None:
        """What people should know."""
        ahead = self.ahead()
        return WrongClock(ahead) if ahead is not None and abs(ahead) > WRONG_CLOCK else None

    def _ask(self) -> timedelta | None:
        try:
            return look_at_server(self._endpoint, now=self.machine, timeout=_TIMEOUT).clock
        except ArchiveError:
            return None  # why, the step that needs it says
