"""Keeping within Drive's rate of new files: one limiter per account for all archives of the process.

Drive takes about two new files a second for long, and more for a moment. A refusal widens the spacing for a
while. Other processes have limiters of their own: what they take too much together, Drive refuses, and
`retry.py` waits.
"""

import threading
import time
from collections.abc import Callable

CREATIONS_PER_SECOND = 2.0
"""Sustained (rclone's documentation, November 2026)."""
_BURST = 20
_WIDENING = 1.5
_WIDEST = 8.0
_RECOVERY = 0.98


class CreationLimiter:
    """Gives each new file or folder its moment. Thread-safe; only its own methods change it."""

    def __init__(
        self,
        per_second: float = CREATIONS_PER_SECOND,
        *,
        burst: int = _BURST,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._spacing = 1 / per_second
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._stretch = 1.0
        self._next = float("-inf")
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Take the next free moment and wait for it."""
        with self._lock:
            now = self._clock()
            spacing = self._spacing * self._stretch
            # Moments that nobody took are kept, up to the burst.
            moment = max(self._next, now - (self._burst - 1) * self._spacing)
            self._next = moment + spacing
            self._stretch = max(1.0, self._stretch * _RECOVERY)
        if moment > now:
            self._sleep(moment - now)

    def refused(self) -> None:
        """Drive said that it is too much: what follows comes a little slower, for a while."""
        with self._lock:
            self._next = max(self._next, self._clock())  # no burst is left
            self._stretch = min(_WIDEST, self._stretch * _WIDENING)


_shared: dict[tuple[str | None, str], CreationLimiter] = {}
_shared_lock = threading.Lock()


def shared_limiter(endpoint: str | None, account: str) -> CreationLimiter:
    """The one limiter that this process has for an account, made on first use."""
    with _shared_lock:
        return _shared.setdefault((endpoint, account), CreationLimiter())
