"""How many runs to ask for at once: by their bytes, and fewer when a page is too large for the server.

Runs differ in size by a thousand times. Pages are kept near a budget of bytes, which bounds the memory of all
workers together; a page that the server cannot give is halved, down to one run.
"""

import threading

_BUDGET = 4_000_000
"""Bytes of a page, before decompression is over: a few of these per worker are in memory at once."""

_FIRST = 100


class PageSize:
    """The page size of one fetch, shared by its workers. Thread-safe."""

    def __init__(self, largest: int, *, first: int = _FIRST) -> None:
        self._largest = largest
        self._size = min(first, largest)
        self._ceiling = largest
        self._lock = threading.Lock()

    @property
    def current(self) -> int:
        """How many runs the next request asks for."""
        return self._size

    def arrived(self, runs: int, size: int) -> None:
        """A page came: `runs` runs in `size` bytes. Approaches the budget by at most doubling."""
        if not runs:
            return
        with self._lock:
            wanted = max(1, int(_BUDGET / (size / runs)))
            self._ceiling = min(self._largest, self._ceiling * 2)
            self._size = max(1, min(wanted, self._size * 2, self._ceiling))

    def too_large(self, asked_for: int) -> bool:
        """A page of `asked_for` runs could not be given; whether a smaller one can be asked for."""
        with self._lock:
            if asked_for > 1:
                self._ceiling = self._size = max(1, min(self._size, asked_for // 2))
            return asked_for > 1
