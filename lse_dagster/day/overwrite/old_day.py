"""An old day, in a folder or in a zip: what its hashes prove of it, and what else was found.

Nothing here raises because an old day is damaged: what cannot be read is named, and the rest goes on.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from lse_dagster.day.disk import link_or_copy
from lse_dagster.day.errors import BrokenDay, BrokenZip, DiskError
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY, is_trace_file_name
from lse_dagster.day.summary import InvalidSummary, Summary
from lse_dagster.day.trace_file import TraceFile, decode_trace
from lse_dagster.day.zip.directory import ZipDirectory
from lse_dagster.day.zip.member import read_pieces, read_whole
from lse_dagster.day.zip.verify import compare_with_day, extract_zip
from lse_dagster.run.times import parse_date, parse_time

_PIECE: Final = 1 << 20
_UNREADABLE: Final = (OSError, BrokenZip, DiskError, msgspec.MsgspecError, UnicodeDecodeError)

Read = Callable[[], bytes | bytearray]


class OldDay(ABC):
    """A day that is there already."""

    def __init__(self, summary: Summary, where: str) -> None:
        self.summary = summary
        self.where = where
        """Where it lies, in words for a log."""
        self.damaged: list[str] = []
        """What was found missing or changed so far."""

    @property
    def fetched_at(self) -> datetime:
        """When it was fetched; one that does not say was fetched before all others."""
        return parse_time(self.summary.fetched_at) or datetime.min.replace(tzinfo=UTC)

    def traces(self, known: Summary | None = None) -> Iterator[TraceFile]:
        """Its traces, but for those whose file `known` lists with the same hash; one in memory at a time."""
        for name, read in self._files():
            entry = self.summary.files[name]
            if not is_trace_file_name(name) or (known is not None and known.files.get(name) == entry):
                continue
            try:
                content = read()
                if hashlib.sha256(content).hexdigest() == entry.sha256:
                    trace = decode_trace(content)
                else:
                    self.damaged.append(f"{name} differs from its hash")
                    continue
            except _UNREADABLE as error:
                self.damaged.append(f"{name}: {error}")
                continue
            yield trace

    def read_file(self, name: str) -> bytes | None:
        """One of its files, None if it is not as it was promised."""
        content = b"".join(self._readable_pieces(name))
        intact = hashlib.sha256(content).hexdigest() == self.summary.files[name].sha256
        return content if intact else None

    def is_intact(self, name: str) -> bool:
        """Whether one of its files is there as it was promised."""
        digest = hashlib.sha256()
        for piece in self._readable_pieces(name):
            digest.update(piece)
        intact = digest.hexdigest() == self.summary.files[name].sha256
        if not intact:
            self.damaged.append(f"{name} differs from its hash")
        return intact

    def copy_file(self, name: str, to: Path) -> bool:
        """Put one of its files at a new path. False, and nothing left there, if it is not as promised.

        Raises `OSError` when it cannot be written.
        """
        digest = hashlib.sha256()
        with to.open("xb") as file:
            for piece in self._readable_pieces(name):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() == self.summary.files[name].sha256:
            return True
        self.damaged.append(f"{name} differs from its hash")
        to.unlink()
        return False

    def is_whole(self) -> bool:
        """Whether every one of its files is as it was promised; `damaged` says what is not."""
        for name in self.summary.files:
            self.is_intact(name)
        return not self.damaged

    def proved_zip_of(self, day: DayFolder) -> str | None:
        """The sha256 of a zip that holds exactly this day. Raises `BrokenDay` if that changed meanwhile."""
        return None

    @abstractmethod
    def write_into(self, folder: Path) -> DayFolder | None:
        """The whole day in an empty folder, every hash verified and not yet flushed.

        None, with the reason in `damaged`, if it is not whole. Raises `DiskError`, `OSError`.
        """

    @abstractmethod
    def _files(self) -> Iterator[tuple[str, Read]]:
        """Each file that the summary names and that is there, and how to read it."""

    @abstractmethod
    def _pieces(self, name: str) -> Iterator[bytes | bytearray]:
        """One of the files that the summary names."""

    def _readable_pieces(self, name: str) -> Iterator[bytes | bytearray]:
        try:
            yield from self._pieces(name)
        except _UNREADABLE as error:
            self.damaged.append(f"{name}: {error}")


class OldFolder(OldDay):
    """A day folder."""

    def __init__(self, day: DayFolder, *, where: str | None = None) -> None:
        super().__init__(day.summary, where or str(day.path))
        self._day = day

    def write_into(self, folder: Path) -> DayFolder | None:
        """The whole day, as `OldDay` says; the same files where the disk can link them."""
        try:
            self._day.verify_files()
        except (BrokenDay, OSError) as error:
            self.damaged.append(error.why if isinstance(error, BrokenDay) else str(error))
            return None
        for name in (*self.summary.files, SUMMARY):
            link_or_copy(self._day.path / name, folder / name)
        return replace(self._day, path=folder)

    def _files(self) -> Iterator[tuple[str, Read]]:
        for name in self.summary.files:
            yield name, (self._day.path / name).read_bytes

    def _pieces(self, name: str) -> Iterator[bytes]:
        with (self._day.path / name).open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece


class OldZip(OldDay):
    """A day zip, of this disk or a copy of it, which is open as long as its directory is."""

    def __init__(self, archive: ZipDirectory, summary: Summary, *, where: str | None = None) -> None:
        super().__init__(summary, where or str(archive.path))
        self._archive = archive

    def proved_zip_of(self, day: DayFolder) -> str | None:
        """The sha256 of the zip if every member is what the day's summary says."""
        differs = self.summary != day.summary or next(compare_with_day(self._archive, day), None) is not None
        return None if differs else self._archive.sha256()

    def write_into(self, folder: Path) -> DayFolder | None:
        """The whole day, as `OldDay` says."""
        try:
            day = parse_date(self.summary.date)
            return extract_zip(self._archive, folder, project=self.summary.project, day=day)
        except (BrokenZip, InvalidSummary) as error:
            self.damaged.append(error.why)
            return None

    def _files(self) -> Iterator[tuple[str, Read]]:
        files = self.summary.files
        met = bytearray(len(files))
        try:
            for member in self._archive.members():
                position = files.position(member.name)
                if position >= 0 and not met[position]:
                    met[position] = True
                    if member.size == files.entry(position).bytes:
                        yield member.name, partial(read_whole, self._archive, member)
                    else:
                        self.damaged.append(f"{member.name} has another size than the summary says")
        except BrokenZip as error:
            self.damaged.append(error.why)
        for name, was_met in zip(files, met, strict=True):
            if not was_met:
                self.damaged.append(f"{name} is missing")

    def _pieces(self, name: str) -> Iterator[bytes | bytearray]:
        yield from read_pieces(self._archive, self._archive.member(name))
