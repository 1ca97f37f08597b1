"""Why a step waits: a line in its log while LangSmith or Drive has requests tried again.

A blip is not worth a line; a service that is down would otherwise be a quarter of an hour of silence.
"""

import math
import threading
import time
from collections.abc import Callable
from typing import Protocol

from lse_dagster.errors import ArchiveError, OnRetry

_WORTH_A_LINE = 5.0
_SECONDS_BETWEEN_LINES = 30.0
_SECONDS_UNTIL_OVER = 60.0


class Log(Protocol):
    """Where lines go: what of Dagster's log manager is used here."""

    def warning(self, msg: object) -> None:
        """Write one line."""


def warn_of_retries(log: Log, *, clock: Callable[[], float] = time.monotonic) -> OnRetry:
    """Warns of trouble that has lasted five seconds, or will, and then again every half minute."""
    lock = threading.Lock()
    began = until = next_line = -math.inf

    def warn(error: ArchiveError, seconds: float) -> None:
        nonlocal began, until, next_line
        with lock:
            now = clock()
            if now > until + _SECONDS_UNTIL_OVER:
                began = now
            until = now + seconds
            if until - began < _WORTH_A_LINE or now < next_line:
                return
            next_line = now + _SECONDS_BETWEEN_LINES
        log.warning(f"{error.what}: {error.why} Trying again in {max(1.0, seconds):,.0f} s.")

    return warn
