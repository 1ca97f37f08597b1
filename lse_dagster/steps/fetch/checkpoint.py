"""What an interrupted fetch has completed, so that the next one goes on where it is safe.

A file of JSON lines in the staging folder: the scope of the fetch, then one line per completed time range
with the size of the spool that holds its runs. A line is written only after those runs are on the disk. It is
used again for the same scope only, and only within a day: later, runs may have come or gone. It ends with the
fetch, before the day is published: what was fetched must not be put over what LangSmith has later.
"""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import msgspec

from lse_dagster.day.disk import flush_folder
from lse_dagster.day.errors import DiskError

SCHEMA: Final = "lse.fetch/3"
_OLDEST = timedelta(days=1)

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class FetchScope(msgspec.Struct, frozen=True):
    """What a fetch is about; only an equal one may go on with it."""

    project_id: str
    date: str
    api: Literal["v1", "v2"]
    fields: tuple[str, ...]
    schema: str = SCHEMA


class _Header(msgspec.Struct, frozen=True):
    scope: FetchScope
    started_at: _Instant


class _Done(msgspec.Struct, frozen=True):
    low: _Instant
    high: _Instant
    spool_bytes: int


class Checkpoint:
    """The completed ranges of one fetch. Not thread-safe: its caller takes turns.

    What writes raises `DiskError`.
    """

    def __init__(self, path: Path, started_at: datetime, done: list[_Done]) -> None:
        self._path = path
        self.started_at = started_at
        self._done = done

    @classmethod
    def begin(cls, path: Path, scope: FetchScope, now: datetime) -> Self:
        """A new checkpoint, in place of any that is there."""
        path.unlink(missing_ok=True)
        _append(path, msgspec.json.encode(_Header(scope, now)))
        return cls(path, now, [])

    @classmethod
    def find(cls, path: Path, scope: FetchScope, now: datetime) -> Self | None:
        """The checkpoint of an earlier process, if it may be used. A line cut off by a crash is left out."""
        try:
            written = path.read_bytes()
            whole = written[: written.rfind(b"\n") + 1]
            first, *lines = whole.splitlines()
            header = msgspec.json.decode(first, type=_Header)
            done = [msgspec.json.decode(line, type=_Done) for line in lines]
            if len(whole) < len(written):
                os.truncate(path, len(whole))  # or the next line would be added to the cut one
        except (OSError, ValueError, msgspec.MsgspecError):
            return None
        if header.scope != scope or not done or not timedelta(0) <= now - header.started_at < _OLDEST:
            return None
        return cls(path, header.started_at, done)

    @property
    def ranges(self) -> list[tuple[datetime, datetime]]:
        """The intervals `[low, high)` whose runs are all in the spool."""
        return [(done.low, done.high) for done in self._done]

    @property
    def spool_bytes(self) -> int:
        """How many bytes of the spool belong to them."""
        return self._done[-1].spool_bytes if self._done else 0

    def complete(self, low: datetime, high: datetime, flush_spool: Callable[[], int]) -> None:
        """Note a completed range, after its runs are on the disk."""
        done = _Done(low, high, flush_spool())
        _append(self._path, msgspec.json.encode(done))
        self._done.append(done)

    def end(self) -> None:
        """The fetch has all it wanted: no other one goes on with it, whenever this process ends."""
        try:
            self._path.unlink(missing_ok=True)
            flush_folder(self._path.parent)
        except OSError as error:
            raise DiskError(f"Removing {self._path.name}", error) from error


def _append(path: Path, line: bytes) -> None:
    try:
        with path.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DiskError(f"Writing {path.name}", error) from error
