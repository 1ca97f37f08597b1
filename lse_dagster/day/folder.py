"""A published day: the handle that travels between assets, and reading what it points to.

A handle is a path and a summary; the runs stay on disk and are read one trace at a time.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Final

import msgspec

from lse_dagster.day.errors import BrokenDay, repair
from lse_dagster.day.foreign import holds_day_files
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.summary import InvalidSummary, Summary, decode_summary
from lse_dagster.day.trace_file import TraceFile, read_trace_file
from lse_dagster.run.identity import InvalidRun, RunIdentity, read_identity

_PIECE: Final = 1 << 20


@dataclass(frozen=True)
class DayFolder:
    """One day on disk."""

    path: Path
    summary: Summary
    summary_sha256: str
    """Of the bytes of `_summary.json`, in hex."""

    @property
    def project(self) -> str:
        """The project's true name."""
        return self.summary.project

    @property
    def date(self) -> date:
        """The UTC date."""
        return date.fromisoformat(self.summary.date)

    @property
    def summary_path(self) -> Path:
        """Where `_summary.json` lies."""
        return self.path / SUMMARY

    def traces(self) -> Iterator[TraceFile]:
        """Every trace, one in memory at a time. Raises `BrokenDay` for a file that cannot be read."""
        return map(itemgetter(1), self.named_traces())

    def named_traces(self) -> Iterator[tuple[str, TraceFile]]:
        """Every trace with the name of its file, as `traces`."""
        return ((name, self.read_trace(name)) for name in self.summary.trace_names())

    def read_trace(self, name: str) -> TraceFile:
        """The trace in one file. Raises `BrokenDay`."""
        try:
            return read_trace_file(self.path / name)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self.broken(f"{name} cannot be read: {error}") from error

    def identities(self) -> Iterator[RunIdentity]:
        """The identity of every run. Raises `BrokenDay` as `traces` does."""
        yield from chain.from_iterable(self.identities_by_trace())
        for raw in self.unfiled():
            yield self._identity(raw)

    def unfiled(self) -> Iterator[bytes]:
        """The runs in files of their own, which may be no JSON. Raises `BrokenDay` as `traces` does."""
        for name in self.summary.unfiled_names():
            try:
                yield (self.path / name).read_bytes()
            except OSError as error:
                raise self.broken(f"{name} cannot be read: {error}") from error

    def identities_by_trace(self) -> Iterator[list[RunIdentity]]:
        """The identities of the runs of each trace. Raises `BrokenDay` as `traces` does."""
        for trace in self.traces():
            yield [self._identity(raw) for raw in trace.runs]

    def _identity(self, raw: bytes | msgspec.Raw) -> RunIdentity:
        try:
            return read_identity(raw)
        except InvalidRun as error:
            raise self.broken(str(error)) from error

    def run_ids(self) -> set[str]:
        """The ids of all runs."""
        return {run.id for run in self.identities()}

    def verify_files(self) -> None:
        """Compare every file with its hash in the summary. Raises `BrokenDay` with the first difference."""
        self.verify_names()
        for name, entry in self.summary.files.items():
            if file_sha256(self.path / name) != entry.sha256:
                raise self.broken(f"{name} differs from its hash in the summary")

    def verify_names(self) -> list[str]:
        """What else lies in the folder, sorted; it is not of the day, whoever put it there.

        Raises `BrokenDay` where a file that the summary names is missing.
        """
        files = self.summary.files
        there = bytearray(len(files))
        others = []
        with os.scandir(self.path) as entries:
            for name in (entry.name for entry in entries):
                position = files.position(name)
                if position >= 0:
                    there[position] = True
                elif name != SUMMARY:
                    others.append(name)
        missing = there.find(False)
        if missing >= 0:
            raise self.broken(f"{files.name(missing)!r} is missing")
        return sorted(others)

    def expect_summary(self) -> None:
        """Raises `BrokenDay` when `_summary.json` says something else by now."""
        try:
            digest = file_sha256(self.summary_path)
        except OSError as error:
            raise self.broken(f"{SUMMARY} cannot be read: {error}") from error
        if digest != self.summary_sha256:
            raise self.broken(f"{SUMMARY} was changed meanwhile")

    def broken(self, why: str) -> BrokenDay:
        """The error for a day whose files are not what its summary says."""
        what = f"Reading the day {self.date} of {self.project!r} at {self.path}"
        return BrokenDay(what, f"{why}.", repair(self.project, self.date))


def read_day_folder(path: Path, *, project: str, day: date) -> DayFolder | None:
    """The day in a folder; None when there is none, or nothing of a day in it. No hashes are compared.

    Raises `InvalidSummary` for a folder without a valid summary and for what is no folder.
    """
    what, mend = f"Reading the day {day} of {project!r} at {path}", repair(project, day)
    digest = hashlib.sha256()
    try:
        if not path.is_dir() and os.path.lexists(path):
            why = "It is not a folder." if path.exists() else "It is a link that leads nowhere."
            raise InvalidSummary(what, why, "Move it away, then run this again.")
        with (path / SUMMARY).open("rb") as file:

            def pieces() -> Iterator[bytes]:
                while piece := file.read(_PIECE):
                    digest.update(piece)
                    yield piece

            summary = decode_summary(pieces(), project=project, day=day, origin=str(path))
    except FileNotFoundError:
        if not path.exists() or not holds_day_files(path):
            return None
        raise InvalidSummary(what, f"It holds files of a day and no {SUMMARY}.", mend) from None
    except OSError as error:
        if not os.path.lexists(path) and not isinstance(error, PermissionError):
            return None  # what is above it is no folder: whoever writes there is told
        raise InvalidSummary(what, f"{SUMMARY} cannot be read: {error.strerror or error}.", mend) from error
    return DayFolder(path, summary, digest.hexdigest())


def file_sha256(path: Path) -> str:
    """The hash of a file, in hex. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
