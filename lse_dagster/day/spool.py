"""The runs of a fetch on disk, in the order they arrived, and an index of them beside it.

Runs arrive page by page and trace by trace mixed; trace files want them grouped and sorted. The spool file
holds their bytes, each run behind its length, so an interrupted fetch can be read back up to the last flush,
and is, if its checksum is still the one that was noted then. The index is a SQLite file that no crash needs
to survive. Memory stays flat whatever the day's size.
"""

import errno
import os
import sqlite3
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

import msgspec
import xxhash

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
_ROW: Final = "(?,?,?,?,?,?,?,?,?,?,?)"
_ROWS_A_STATEMENT: Final = 50
"""Each statement lets go of the interpreter's lock once, and workers queue for it; one a row is slow."""


class DamagedSpool(ValueError):
    """What lies on the disk is not what was flushed there."""


class Flushed(msgspec.Struct, frozen=True):
    """What of the spool is on the disk: its first `bytes` bytes, and the XXH3-64 of them in hex."""

    bytes: int
    xxh3: str


@dataclass(frozen=True, slots=True)
class SpooledRun:
    """Where one run lies in the spool."""

    id: str
    offset: int
    length: int


class RunSpool:
    """Append-only, for any number of threads. A run that arrives twice is kept once, in its later form."""

    def __init__(self, path: Path, *, recover: Flushed | None = None) -> None:
        """A new spool, or what an earlier process flushed of one.

        Raises `DamagedSpool`, `InvalidRun` or `OSError` when that is not what was flushed.
        """
        self._file = path.open("r+b" if recover else "w+b")
        self._lock = threading.Lock()
        self._size = 0
        self._checksum = xxhash.xxh3_64()
        self._index = _new_index(path.with_suffix(".index"))
        if recover:
            self._file.truncate(recover.bytes)
            self._read_back(recover)

    def __len__(self) -> int:
        return self.count("TRUE")

    def __contains__(self, run_id: str) -> bool:
        with self._lock:
            return bool(self._execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchall())

    def add(self, runs: Sequence[tuple[RunIdentity, bytes | msgspec.Raw]]) -> None:
        """Keep runs. The bytes of all are in memory twice meanwhile."""
        framed = b"".join(part for _, raw in runs for part in (_LENGTH.pack(len(raw)), raw))
        with self._lock:
            self._file.write(framed)
            self._note(framed, [(identity, len(raw)) for identity, raw in runs])

    def flush(self) -> Flushed:
        """Bring all runs so far to the disk; what to recover them by."""
        with self._lock:
            self._file.flush()
            flushed = Flushed(self._size, self._checksum.hexdigest())
        os.fsync(self._file.fileno())
        return flushed

    def read(self, run: SpooledRun) -> bytes:
        """The bytes of a run as they arrived. Only after the last `add` and a `flush`."""
        return os.pread(self._file.fileno(), run.length, run.offset)

    def find(self, run_id: str) -> bytes:
        """The bytes of a run, at any time. Raises `KeyError`."""
        query = "SELECT id, offset, length FROM runs WHERE id = ?"
        with self._lock:
            row = self._execute(query, (run_id,)).fetchone()
            if row is None:
                raise KeyError(run_id)
            self._file.flush()
        return self.read(SpooledRun(*row))

    def count(self, condition: str, *parameters: int) -> int:
        """How many runs meet a condition of SQL on the columns of the index."""
        with self._lock:
            query = f"SELECT count(*) FROM runs WHERE {condition}"  # noqa: S608 - conditions are our own
            ((number,),) = self._execute(query, parameters).fetchall()
        return int(number)

    def ids_with_feedback(self) -> list[str]:
        """The ids of the runs that have feedback records."""
        with self._lock:
            return [row[0] for row in self._execute("SELECT id FROM runs WHERE has_feedback ORDER BY id")]

    def runs_naming_files(self) -> list[SpooledRun]:
        """The runs that name attachments or offloaded fields."""
        query = "SELECT id, offset, length FROM runs WHERE names_files ORDER BY id"
        with self._lock:
            return [SpooledRun(*row) for row in self._execute(query)]

    def traces(self) -> Iterator[tuple[str, int, list[SpooledRun]]]:
        """Each trace's id, start in microseconds, and runs in `dotted_order` order; one after the other."""
        rows = self._execute(
            "SELECT trace_id, trace_start_us, id, offset, length FROM runs"
            " ORDER BY trace_id, dotted_order, start_us, id"
        )
        for trace_id, group in groupby(rows, key=itemgetter(0)):
            of_trace = list(group)
            yield trace_id, of_trace[0][1], [SpooledRun(*row[2:]) for row in of_trace]

    def close(self) -> None:
        """Close the files; the staging folder that holds them is removed by its owner."""
        self._index.close()
        self._file.close()

    def _note(self, framed: bytes, runs: Sequence[tuple[RunIdentity, int]]) -> None:
        """Runs that lie at the end of the file now, one after the other."""
        rows = []
        offset = self._size
        for run, length in runs:
            offset += _LENGTH.size
            rows.append(_row(run, offset, length))
            offset += length
        self._checksum.update(framed)
        self._size = offset
        self._insert(rows)

    def _read_back(self, flushed: Flushed) -> None:
        self._file.seek(0)
        while self._size < flushed.bytes:
            head = self._file.read(_LENGTH.size)
            length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else flushed.bytes
            if length > flushed.bytes - self._size:
                raise DamagedSpool(f"a run of {length} bytes at {self._size} of {flushed.bytes}")
            raw = self._file.read(length)
            self._note(head + raw, [(read_identity(raw), length)])
        if self._checksum.hexdigest() != flushed.xxh3:
            raise DamagedSpool(f"XXH3-64 {self._checksum.hexdigest()} instead of {flushed.xxh3}")

    def _insert(self, rows: Sequence[tuple[object, ...]]) -> None:
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            some = rows[start : start + _ROWS_A_STATEMENT]
            self._execute(
                "INSERT OR REPLACE INTO runs VALUES " + ",".join([_ROW] * len(some)),  # noqa: S608 - no data
                [value for row in some for value in row],
            )

    def _execute(self, statement: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            return self._index.execute(statement, parameters)
        except sqlite3.Error as error:
            raise OSError(errno.EIO, f"the index of the runs cannot be used: {error}") from error


def _row(run: RunIdentity, offset: int, length: int) -> tuple[object, ...]:
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


def _new_index(path: Path) -> sqlite3.Connection:
    path.unlink(missing_ok=True)
    try:
        index = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
            index.execute(f"PRAGMA {setting}")
        index.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        index.execute(_TABLE)
        index.execute("BEGIN")  # never committed: nobody else reads it, and a crash makes it worthless
    except sqlite3.Error as error:
        raise OSError(errno.EIO, f"the index of the runs cannot be made: {error}") from error
    return index
