"""Which runs a spool holds, where, and of which trace: a SQLite file that no crash needs to survive.

Rows are gathered and inserted many at a time by whichever thread comes first; the others do not wait. Every
question is answered as of all rows noted before it.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from lse_dagster.day.disk import private_database, sqlite_as_os_error
from lse_dagster.run.identity import RunIdentity, trace_start
from lse_dagster.run.times import microseconds

_CACHE_KIB: Final = 8192
_TABLE: Final = """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, trace_id TEXT, dotted_order TEXT, start_us INTEGER, trace_start_us INTEGER,
        is_root INTEGER, run_type TEXT, status TEXT, feedback INTEGER, names_files INTEGER,
        unfiled INTEGER, offset INTEGER, length INTEGER
    )
"""
_ROW: Final = "(?,?,?,?,?,?,?,?,?,?,?,?,?)"
_ROWS_A_STATEMENT: Final = 250
"""Each statement lets go of the interpreter's lock once; one a row is slow."""
_ROWS_TO_GATHER: Final = 1_000
_IDS_A_QUERY: Final = 1_000


class SpooledRun(msgspec.Struct, frozen=True):
    """Where one run lies in the spool."""

    id: str
    offset: int
    length: int


class UnfiledRun(msgspec.Struct, frozen=True):
    """A run that its trace's file cannot hold. Times in microseconds; `began_us` is its trace's begin."""

    where: SpooledRun
    start_us: int
    began_us: int


@dataclass(frozen=True)
class SpooledTrace:
    """The runs of a trace in `dotted_order` order; those without one come last. Times in microseconds."""

    id: str
    start_us: int
    runs: list[SpooledRun]
    starts_us: list[int]
    unfiled: list[UnfiledRun]


@dataclass(frozen=True)
class TailTrace:
    """A trace none of whose runs started before a moment, in microseconds."""

    id: str
    start_us: int
    """Of its first run."""
    told_start_us: int | None
    """When it began, if one of its runs says so."""
    has_root: bool
    runs: int


class RunIndex:
    """For any number of threads. A run that is noted twice counts once, as it was noted last."""

    def __init__(self, path: Path) -> None:
        """A new index in place of what lies there. Raises `OSError`."""
        self._connection = private_database(path, _TABLE, cache_kib=_CACHE_KIB)
        self._inserting = threading.Lock()
        self._gathering = threading.Lock()
        self._gathered: list[tuple[object, ...]] = []

    def note(self, runs: Sequence[tuple[RunIdentity, SpooledRun]]) -> None:
        """Remember runs. Raises `OSError`."""
        rows = [_row(identity, where) for identity, where in runs]
        with self._gathering:
            self._gathered += rows
            enough = len(self._gathered) >= _ROWS_TO_GATHER
        if enough and self._inserting.acquire(blocking=False):
            try:
                self._insert_gathered()
            finally:
                self._inserting.release()

    def unknown(self, run_ids: Sequence[str]) -> list[str]:
        """Those of these runs that were never noted, in their order."""
        known: set[str] = set()
        for start in range(0, len(run_ids), _IDS_A_QUERY):
            some = run_ids[start : start + _IDS_A_QUERY]
            query = f"SELECT id FROM runs WHERE id IN ({','.join('?' * len(some))})"  # noqa: S608 - no data
            known.update(row[0] for row in self._ask(query, *some))
        return [run_id for run_id in run_ids if run_id not in known]

    def find(self, run_id: str) -> SpooledRun:
        """Where a run lies. Raises `KeyError`."""
        for row in self._ask("SELECT id, offset, length FROM runs WHERE id = ?", run_id):
            return SpooledRun(*row)
        raise KeyError(run_id)

    def count(self, condition: str, *parameters: int) -> int:
        """How many runs meet a condition of SQL on the columns."""
        query = f"SELECT count(*) FROM runs WHERE {condition}"  # noqa: S608 - conditions are our own
        return int(self._ask(query, *parameters)[0][0])

    def even_starts(self, first_us: int, end_us: int, parts: int) -> list[int]:
        """Where each part begins when the runs that started in a span are cut into so many of equal count."""
        query = (
            "SELECT min(start_us) FROM (SELECT start_us, ntile(?) OVER (ORDER BY start_us) AS part"
            " FROM runs WHERE start_us >= ? AND start_us < ?) GROUP BY part ORDER BY 1"
        )
        return [row[0] for row in self._ask(query, parts, first_us, end_us)]

    def kinds(self, first_us: int, end_us: int) -> list[tuple[str, str, int, int]]:
        """Of the runs that started in a span: type, status, hour since its begin, and how many there are."""
        query = (
            "SELECT run_type, status, (start_us - ?) / 3600000000 AS hour, count(*) FROM runs"
            " WHERE start_us >= ? AND start_us < ? GROUP BY run_type, status, hour"
        )
        return self._ask(query, first_us, first_us, end_us)

    def feedback(self) -> list[tuple[str, int]]:
        """The ids of the runs that speak of feedback, and how many records each says that it has."""
        return self._ask("SELECT id, feedback FROM runs WHERE feedback IS NOT NULL ORDER BY id")

    def runs_naming_files(self) -> list[SpooledRun]:
        """The runs that name attachments or offloaded fields."""
        query = "SELECT id, offset, length FROM runs WHERE names_files ORDER BY id"
        return [SpooledRun(*row) for row in self._ask(query)]

    def traces(self) -> Iterator[SpooledTrace]:
        """Every trace, one after the other. Only after the last `note`."""
        query = (
            "SELECT trace_id, is_root, start_us, trace_start_us, id, offset, length, unfiled FROM runs"
            " ORDER BY trace_id, dotted_order = '', dotted_order, start_us, id"
        )
        with self._up_to_date() as connection:
            for trace_id, group in groupby(connection.execute(query), key=itemgetter(0)):
                of_trace = list(group)
                filed = [row for row in of_trace if not row[7]]
                yield SpooledTrace(
                    trace_id,
                    trace_start(row[1:4] for row in filed or of_trace),
                    [SpooledRun(*row[4:7]) for row in filed],
                    [row[2] for row in filed],
                    [
                        UnfiledRun(SpooledRun(*row[4:7]), row[2], trace_start([row[1:4]]))
                        for row in of_trace
                        if row[7]
                    ],
                )

    def traces_after(self, moment_us: int) -> list[TailTrace]:
        """The traces none of whose runs started before a moment, for a few runs that started after it."""
        later = "SELECT trace_id FROM runs WHERE start_us >= ?"
        query = (
            "SELECT trace_id, min(start_us), min(trace_start_us), max(is_root), count(*) FROM runs"  # noqa: S608
            f" WHERE trace_id IN ({later}) GROUP BY trace_id HAVING min(start_us) >= ?"
        )
        rows = self._ask(query, moment_us, moment_us)
        return [TailTrace(*row) for row in rows]

    def forget_traces(self, trace_ids: Sequence[str]) -> None:
        """Leave these traces out, as if none of their runs had ever come."""
        for start in range(0, len(trace_ids), _IDS_A_QUERY):
            some = trace_ids[start : start + _IDS_A_QUERY]
            self._ask(f"DELETE FROM runs WHERE trace_id IN ({','.join('?' * len(some))})", *some)  # noqa: S608 - no data

    def close(self) -> None:
        """Close the file; who owns its folder removes it."""
        self._connection.close()

    def _ask(self, query: str, *parameters: object) -> list[Any]:
        with self._up_to_date() as connection:
            return connection.execute(query, parameters).fetchall()

    @contextmanager
    def _up_to_date(self) -> Iterator[sqlite3.Connection]:
        with self._inserting:
            self._insert_gathered()
            with sqlite_as_os_error("used"):
                yield self._connection

    def _insert_gathered(self) -> None:
        """The caller has the right to insert: in the order of the notes."""
        with self._gathering:
            rows, self._gathered = self._gathered, []
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            some = rows[start : start + _ROWS_A_STATEMENT]
            with sqlite_as_os_error("written"):
                self._connection.execute(
                    "INSERT OR REPLACE INTO runs VALUES " + ",".join([_ROW] * len(some)),  # noqa: S608 - no data
                    [value for row in some for value in row],
                )


def _row(run: RunIdentity, where: SpooledRun) -> tuple[object, ...]:
    return (
        run.id,
        run.trace_id,
        run.dotted_order,
        run.start_us,
        None if run.trace_start is None else microseconds(run.trace_start),
        run.is_root,
        run.run_type,
        run.status,
        run.feedback,
        run.names_files,
        bool(run.unfiled),
        where.offset,
        where.length,
    )
