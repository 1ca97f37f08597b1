"""What a day holds that the overwrite policy must not let go, read from its trace files and compared on disk.

A day may have a million runs, whose ids would take 150 MB of memory.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Protocol, Self

from lse_dagster.day.errors import DiskError
from lse_dagster.day.feedback import read_record
from lse_dagster.day.inline_fields import held_inline
from lse_dagster.day.overwrite.policy import Replacement
from lse_dagster.day.private_database import private_database, sqlite_as_os_error
from lse_dagster.day.run import read_identity
from lse_dagster.day.summary import Summary
from lse_dagster.day.trace_file import TraceFile

_CACHE_KIB: Final = 2048
_TABLES: Final = """
    CREATE TABLE old (kind TEXT, id TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;
    CREATE TABLE new (kind TEXT, id TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;
"""
_INTO_OLD: Final = "INSERT OR IGNORE INTO old VALUES (?, ?)"
_INTO_NEW: Final = "INSERT OR IGNORE INTO new VALUES (?, ?)"
_KINDS: Final = ("run", "attachment", "feedback")
_LOST: Final = "FROM old WHERE NOT EXISTS (SELECT 1 FROM new WHERE new.kind = old.kind AND new.id = old.id)"
_ADDED: Final = """
    SELECT count(*) FROM new WHERE kind = 'run'
    AND NOT EXISTS (SELECT 1 FROM old WHERE old.kind = new.kind AND old.id = new.id)
"""
_EXAMPLES: Final = 3


class Held(NamedTuple):
    """One thing that must not be lost: the id of a run or a feedback record, the name of an attachment."""

    kind: Literal["run", "attachment", "feedback"]
    id: str


def read_holdings(traces: Iterable[TraceFile], summary: Summary) -> Iterator[Held]:
    """What these traces hold. Raises `InvalidRun`, `msgspec.MsgspecError`, and what the iterable raises."""
    yield from (Held("attachment", name) for name in summary.attachment_names())
    for trace in traces:
        yield from (Held("run", read_identity(raw).id) for raw in trace.runs)
        yield from (Held("feedback", read_record(raw).id) for raw in trace.feedback)


class HoldingDay(Protocol):
    """A day folder or a day zip."""

    def holdings(self) -> Iterator[Held]:
        """What replacing it could lose."""

    def traces(self) -> Iterator[TraceFile]:
        """Every trace."""


class Holdings:
    """What a day holds, in a temporary database. A context manager, because it holds a file."""

    def __init__(self, held: Iterable[Held]) -> None:
        """Raises `DiskError` when the temporary directory is full, and what the iterable raises."""
        with _disk_errors():
            self._database = private_database(None, _TABLES, cache_kib=_CACHE_KIB)
        try:
            self._add(_INTO_OLD, held)
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def replaced_by(self, day: HoldingDay) -> Replacement:
        """What putting this day in its place does. To be asked once.

        Raises `DiskError`, and what the day's methods raise.
        """
        self._add(_INTO_NEW, day.holdings())
        if files := [name for (name,) in self._ask(f"SELECT id {_LOST} AND kind = 'attachment'")]:
            self._add(_INTO_NEW, (Held("attachment", name) for name in held_inline(files, day.traces())))
        lost = dict(self._ask(f"SELECT kind, count(*) {_LOST} GROUP BY kind"))
        first = next((kind for kind in _KINDS if kind in lost), "run")
        examples = self._ask(f"SELECT id {_LOST} AND kind = ? ORDER BY id LIMIT {_EXAMPLES}", first)
        return Replacement(
            added=self._ask(_ADDED)[0][0],
            lost=lost.get("run", 0),
            lost_attachments=lost.get("attachment", 0),
            lost_feedback=lost.get("feedback", 0),
            lost_examples=tuple(name for (name,) in examples),
        )

    def _add(self, statement: str, held: Iterable[Held]) -> None:
        with _disk_errors():
            self._database.executemany(statement, held)

    def _ask(self, query: str, *parameters: object) -> list[Any]:
        with _disk_errors():
            return self._database.execute(query, parameters).fetchall()


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        with sqlite_as_os_error("used"):
            yield
    except OSError as error:
        raise DiskError("Comparing the new day with the old one", error) from error
