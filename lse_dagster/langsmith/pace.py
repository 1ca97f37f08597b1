"""How slow a server may be: a read timeout alone is content with one byte a minute, for ever.

Only the time that is spent waiting for bytes counts, not what is done with them in between.
"""

from collections.abc import Callable
from typing import Final, Protocol


class Pace(Protocol):
    """Watches one answer arrive, its headers too."""

    def arrived(self, seconds: float, size: int) -> None:
        """`size` bytes came after `seconds` of waiting. Raises `TimeoutError` when it is too slow."""


NewPace = Callable[[], Pace]


class WholeWithin:
    """An answer has to be whole after so many seconds: what is kept in memory has a size."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    def arrived(self, seconds: float, size: int) -> None:
        """Raises `TimeoutError`."""
        self._left -= seconds
        if self._left < 0:
            raise TimeoutError("the answer was not whole in time")


class AtLeast:
    """So many bytes have to come in each so many seconds: a file can be of any size."""

    def __init__(self, size: int, *, in_seconds: float) -> None:
        self._least: Final = size
        self._seconds: Final = in_seconds
        self._size, self._waited = 0, 0.0

    def arrived(self, seconds: float, size: int) -> None:
        """Raises `TimeoutError`."""
        self._size += size
        self._waited += seconds
        if self._size >= self._least:
            self._size, self._waited = 0, 0.0
        elif self._waited > self._seconds:
            raise TimeoutError("too few bytes came in time")
