"""The runs of a fetch on disk, in the order they arrived; where each of them lies, an index knows.

Runs arrive page by page and trace by trace mixed; trace files want them grouped and sorted. They are written
side by side, a page of them as one batch behind its length and its XXH3-64, so an interrupted fetch can be
read back up to the last flush, if the disk still holds what was written. Memory stays flat.
"""

import os
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import xxhash

from lse_dagster.day.writing.index import RunIndex, SpooledRun
from lse_dagster.run.identity import RunIdentity, read_identity

_BATCH: Final = struct.Struct("<QQ")
"""Before a batch: its size in bytes, and its XXH3-64."""
_LENGTH: Final = struct.Struct("<Q")
"""Before a run: its size in bytes."""

_MOST_PARTS: Final = 1_000
"""Of one write: Linux takes 1,024."""

_HASHED_AT_ONCE: Final = 1 << 16
"""Bytes. For more, xxhash lets go of the interpreter's lock: to get it back takes longer than the hash."""


class DamagedSpool(ValueError):
    """What lies on the disk is not what was flushed there."""


class RunSpool:
    """For any number of threads. A run that arrives twice is kept once, in its later form."""

    def __init__(
        self, path: Path, *, recover: int = 0, read: Callable[[bytes], RunIdentity] = read_identity
    ) -> None:
        """A new spool, or the first bytes of one, as many as an earlier process flushed.

        `read` gives the identities of those. Raises `DamagedSpool`, `InvalidRun` or `OSError` when they are
        not what was written.
        """
        self._file = path.open("r+b" if recover else "w+b", buffering=0)
        self._size = 0
        self._under_way: set[int] = set()
        self._changed = threading.Condition()
        """Guards the size, and where batches are being written."""
        self.index = RunIndex(path.with_suffix(".index"))
        if recover:
            self._file.truncate(recover)
            self._read_back(recover, read)

    def add(self, runs: Sequence[tuple[RunIdentity, bytes | msgspec.Raw]]) -> None:
        """Keep runs, in one write. Raises `OSError`."""
        if not runs:
            return
        sizes = [len(raw) for _, raw in runs]
        content = [part for _, raw in runs for part in (_LENGTH.pack(len(raw)), raw)]
        size = sum(sizes) + _LENGTH.size * len(sizes)
        begin = self._reserve(_BATCH.size + size)
        try:
            self._write([_BATCH.pack(size, _checksum(content)), *content], begin)
        finally:
            self._release(begin)
        self.index.note(_places(begin + _BATCH.size, [run for run, _ in runs], sizes))

    def flush(self) -> int:
        """Bring all runs so far to the disk; how many bytes they take there. Raises `OSError`."""
        with self._changed:
            size = self._size
            self._changed.wait_for(lambda: all(begin >= size for begin in self._under_way))
        os.fsync(self._file.fileno())
        return size

    def read(self, run: SpooledRun) -> bytes:
        """The bytes of a run as they arrived. Raises `OSError`."""
        return os.pread(self._file.fileno(), run.length, run.offset)

    def close(self) -> None:
        """Close the files; the staging folder that holds them is removed by its owner."""
        self.index.close()
        self._file.close()

    def _reserve(self, size: int) -> int:
        """A place at the end for a batch; nobody else writes there."""
        with self._changed:
            begin = self._size
            self._size += size
            self._under_way.add(begin)
        return begin

    def _release(self, begin: int) -> None:
        with self._changed:
            self._under_way.discard(begin)
            self._changed.notify_all()

    def _write(self, parts: Sequence[bytes | msgspec.Raw], offset: int) -> None:
        """Write parts one after the other, as they are: joined first, they would be in memory twice."""
        for start in range(0, len(parts), _MOST_PARTS):
            some = parts[start : start + _MOST_PARTS]
            size = sum(map(len, some))
            written = os.pwritev(self._file.fileno(), some, offset)
            if written < size:
                self._write_rest(memoryview(b"".join(some))[written:], offset + written)
            offset += size

    def _write_rest(self, rest: memoryview, offset: int) -> None:
        while rest:
            written = os.pwrite(self._file.fileno(), rest, offset)
            rest, offset = rest[written:], offset + written

    def _read_back(self, flushed: int, read: Callable[[bytes], RunIdentity]) -> None:
        while self._size < flushed:
            batch = self._read_batch(flushed)
            runs = list(_runs_in(batch))
            identities = [read(raw) for raw in runs]
            begin = self._size + _BATCH.size
            self.index.note(_places(begin, identities, [len(raw) for raw in runs]))
            self._size = begin + len(batch)

    def _read_batch(self, flushed: int) -> bytes:
        head = os.pread(self._file.fileno(), _BATCH.size, self._size)
        size, checksum = _BATCH.unpack(head) if len(head) == _BATCH.size else (flushed, 0)
        if size > flushed - self._size - _BATCH.size:
            raise DamagedSpool(f"a batch of {size} bytes at {self._size} of {flushed}")
        batch = os.pread(self._file.fileno(), size, self._size + _BATCH.size)
        if len(batch) != size or _checksum([batch]) != checksum:
            raise DamagedSpool(f"other bytes than were written in the batch at {self._size}")
        return batch


def _checksum(parts: Iterable[bytes | msgspec.Raw]) -> int:
    digest = xxhash.xxh3_64()
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(view), _HASHED_AT_ONCE):
            digest.update(view[start : start + _HASHED_AT_ONCE])
    return digest.intdigest()


def _places(
    begin: int, runs: Sequence[RunIdentity], sizes: Sequence[int]
) -> list[tuple[RunIdentity, SpooledRun]]:
    """Where the runs of a batch lie whose content begins there."""
    places = []
    for run, size in zip(runs, sizes, strict=True):
        begin += _LENGTH.size
        places.append((run, SpooledRun(run.id, begin, size)))
        begin += size
    return places


def _runs_in(batch: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(batch):
        (size,) = _LENGTH.unpack_from(batch, at)
        at += _LENGTH.size
        yield batch[at : at + size]
        at += size
