"""A page of runs: how many to ask for at once, by their bytes and by what the server can; the ids in it.

Runs differ in size by a thousand times. Pages are kept near a budget of bytes, which bounds the memory of all
workers together; a page that the server cannot give is halved, down to one run.
"""

import threading
from collections.abc import Iterable
from typing import Final

import msgspec

from lse_dagster.langsmith.errors import InvalidAnswer
from lse_dagster.run.identity import InvalidRun, decode_run
from lse_dagster.run.raw_json import RawDecoder

_BUDGET: Final = 4_000_000
"""Bytes of a page, before decompression is over: a few of these per worker are in memory at once."""

_FIRST: Final = 100
_REMEMBERED_RUNS: Final = 2_000
"""The average size of a run is that of about so many runs before: a single page says too little."""

_NEAR_ENOUGH: Final = 0.2
"""Sizes that differ by less are kept as they are: every change costs a page that is smaller than needed."""

_GOOD_PAGES_BEFORE_MORE: Final = 20
_MORE: Final = 1.25
"""After a page was too large: finding out again costs a request, at worst the time of a timeout."""


class PageSize:
    """The page size of one fetch, shared by its workers. Thread-safe."""

    def __init__(self, largest: int, *, first: int = _FIRST) -> None:
        self._largest = largest
        self._size = min(first, largest)
        self._ceiling = largest
        self._good_pages = 0
        self._runs = self._bytes = 0.0
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
            self._raise_ceiling()
            forget = max(1.0, (self._runs + runs) / _REMEMBERED_RUNS)
            self._runs = (self._runs + runs) / forget
            self._bytes = (self._bytes + size) / forget
            wanted = int(min(_BUDGET * self._runs / self._bytes, self._size * 2, self._ceiling))
            # One page of large runs is reason enough to ask for fewer: the next may be as large.
            if size > 2 * _BUDGET:
                wanted = min(wanted, int(_BUDGET * runs / size))
            if abs(wanted - self._size) > _NEAR_ENOUGH * self._size or self._ceiling < self._size:
                self._size = max(1, wanted)

    def too_large(self, asked_for: int) -> bool:
        """A page of `asked_for` runs could not be given; whether a smaller one can be asked for."""
        with self._lock:
            if asked_for > 1:
                self._ceiling = min(self._ceiling, asked_for // 2)
                # Before anything came, one run tells at once whether it is the size or the server.
                self._size = min(self._size, self._ceiling) if self._runs else 1
                self._good_pages = 0
            return asked_for > 1

    def _raise_ceiling(self) -> None:
        self._good_pages += 1
        if self._good_pages >= _GOOD_PAGES_BEFORE_MORE and self._ceiling < self._largest:
            self._ceiling = min(self._largest, max(self._ceiling + 1, int(self._ceiling * _MORE)))
            self._good_pages = 0


class _Identified(msgspec.Struct):
    id: str


_DECODER = RawDecoder(_Identified)


def run_ids(items: Iterable[bytes | msgspec.Raw]) -> list[str]:
    """In their order. Raises `InvalidAnswer` for what has none."""
    try:
        return [decode_run(_DECODER, item).id for item in items]
    except InvalidRun as error:
        raise InvalidAnswer.with_no_run("Reading the id of a run that LangSmith sent", error) from None
