"""The runs of a fetch on disk, in the order they arrived, and an index of them beside it.

Runs arrive page by page and trace by trace mixed; trace files want them grouped and sorted. The spool file
holds their bytes, each run behind its length, so an interrupted fetch can be read back up to the last flush.
The index is a SQLite file that no crash needs to survive. Memory stays flat whatever the day's size.
"""

import errno
import os
import sqlite3
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

from lse_dagster.day.run import RunIdentity, read_identity

_LENGTH: Final = struct.Struct("<Q")

_CACHE_KIB: Final = 8192

_TABLE: Final = """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, trace_id TEXT, dotted_order TEXT, start_us INTEGER, trace_start_us INTEGER,
        is_root INTEGER, pending INTEGER, has_feedback INTEGER, names_files INTEGER,
        offset INTEGER, length INTEGER
    )
"""


@dataclass(frozen=True, slots=True)
class SpooledRun:
    """Where one run lies in the spool."""

    id: str
    offset: int
    length: int


class RunSpool:
    """Append-only, for any number of threads. A run that arrives twice is kept once, in its later form."""

    def __init__(self, path: Path, *, recover: int = 0) -> None:
        """A new spool, or the first `recover` bytes of one that an earlier process flushed.

        Raises `InvalidRun`, `OSError` or `struct.error` when those bytes are not what was flushed.
        """
        self._file = path.open("r+b" if recover else "w+b")
        self._lock = threading.Lock()
        self._size = 0
        self._index = _new_index(path.with_suffix(".index"))
        if recover:
            self._file.truncate(recover)
            self._read_back(recover)

    def __len__(self) -> int:
        return self.count("TRUE")

    def __contains__(self, run_id: str) -> bool:
        with self._lock:
            return self._index.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone() is not None

    def add(self, runs: Iterable[tuple[RunIdentity, bytes]]) -> None:
        """Keep runs."""
        with self._lock:
            self._file.seek(self._size)
            rows = []
            for identity, raw in runs:
                self._file.write(_LENGTH.pack(len(raw)))
                self._file.write(raw)
                rows.append(self._row(identity, len(raw)))
            self._insert(rows)

    def flush(self) -> int:
        """Bring all runs so far to the disk; the size to recover them by."""
        with self._lock:
            self._file.flush()
            size = self._size
        os.fsync(self._file.fileno())
        return size

    def read(self, run: SpooledRun) -> bytes:
        """The bytes of a run as they arrived. Only after the last `add` and a `flush`."""
        return os.pread(self._file.fileno(), run.length, run.offset)

    def count(self, condition: str, *parameters: int) -> int:
        """How many runs meet a condition of SQL on the columns of the index."""
        with self._lock:
            query = f"SELECT count(*) FROM runs WHERE {condition}"  # noqa: S608 - conditions are our own
            (number,) = self._index.execute(query, parameters).fetchone()
        return int(number)

    def ids_with_feedback(self) -> list[str]:
        """The ids of the runs that have feedback records."""
        with self._lock:
            return [
                row[0] for row in self._index.execute("SELECT id FROM runs WHERE has_feedback ORDER BY id")
            ]

    def runs_naming_files(self) -> list[SpooledRun]:
        """The runs that name attachments or offloaded fields."""
        query = "SELECT id, offset, length FROM runs WHERE names_files ORDER BY id"
        with self._lock:
            return [SpooledRun(*row) for row in self._index.execute(query)]

    def traces(self) -> Iterator[tuple[str, int, Iterator[SpooledRun]]]:
        """Each trace's id, start in microseconds, and runs in `dotted_order` order; one after the other."""
        rows = self._index.execute(
            "SELECT trace_id, trace_start_us, id, offset, length FROM runs"
            " ORDER BY trace_id, dotted_order, start_us, id"
        )
        for trace_id, group in groupby(rows, key=itemgetter(0)):
            first = next(group)
            yield trace_id, first[1], map(_spooled, chain([first], group))  # noqa: B031 - used once

    def close(self) -> None:
        """Close the files; the staging folder that holds them is removed by its owner."""
        self._index.close()
        self._file.close()

    def _row(self, run: RunIdentity, length: int) -> tuple[object, ...]:
        offset = self._size + _LENGTH.size
        self._size = offset + length
        return (
            run.id,
            run.trace_id,
            run.dotted_order,
            run.start_us,
            run.trace_start_us,
            run.is_root,
            run.pending,
            run.has_feedback,
            run.names_files,
            offset,
            length,
        )

    def _read_back(self, size: int) -> None:
        self._file.seek(0)
        while self._size < size:
            (length,) = _LENGTH.unpack(self._file.read(_LENGTH.size))
            if length > size - self._size:
                raise struct.error(f"a run of {length} bytes at {self._size} of {size}")
            self._insert([self._row(read_identity(self._file.read(length)), length)])

    def _insert(self, rows: Sequence[tuple[object, ...]]) -> None:
        try:
            self._index.executemany("INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows)
        except sqlite3.Error as error:
            raise OSError(errno.EIO, f"the index cannot be written: {error}") from error


def _spooled(row: tuple[str, int, str, int, int]) -> SpooledRun:
    return SpooledRun(*row[2:])


def _new_index(path: Path) -> sqlite3.Connection:
    path.unlink(missing_ok=True)
    index = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    index.execute("PRAGMA journal_mode = OFF")
    index.execute("PRAGMA synchronous = OFF")
    index.execute("PRAGMA locking_mode = EXCLUSIVE")
    index.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    index.execute(_TABLE)
    index.execute("BEGIN")  # never committed: nobody else reads it, and a crash makes it worthless
    return index
