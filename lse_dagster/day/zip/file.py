"""The day zip: the files of a day folder, flat, in one deterministic zip that any tool opens.

Names are sorted and times fixed, so the same day gives the same bytes with the same libraries. Written to a
hidden file beside its place, flushed, and renamed; never half there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from heapq import merge
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Final

import msgspec

from lse_dagster.day.disk import flush_files, flush_folder, remove_whatever
from lse_dagster.day.errors import BrokenZip, DiskError
from lse_dagster.day.folder import DayFolder, file_sha256
from lse_dagster.day.names import SUMMARY, is_trace_file_name
from lse_dagster.day.run_names import is_unfiled_file_name
from lse_dagster.day.summary import InvalidSummary, Summary, SummaryHead, decode_summary
from lse_dagster.day.trace_file import TraceFile, decode_trace
from lse_dagster.day.zip.directory import Member, ZipDirectory, broken_zip
from lse_dagster.day.zip.member import read_pieces, read_whole
from lse_dagster.day.zip.writer import DEFAULT_LEVEL, ChangedFile, FileToPack, OnProgress, pack_files
from lse_dagster.run.identity import read_identity

_Bytes = bytes  # `DayZip.bytes` hides the type
_WRITE_BYTES: Final = 1 << 20
_SUMMARY_BASE: Final = 64 << 20
_SUMMARY_BYTES_PER_MEMBER: Final = 2_048


@dataclass(frozen=True)
class DayZip:
    """One day zip on disk and the summary inside it."""

    path: Path
    summary: Summary

    @property
    def project(self) -> str:
        """The project's true name."""
        return self.summary.project

    @property
    def date(self) -> date:
        """The UTC date."""
        return date.fromisoformat(self.summary.date)

    @property
    def bytes(self) -> int:
        """The size of the zip."""
        return self.path.stat().st_size

    def sha256(self) -> str:
        """The hash of the zip file."""
        return file_sha256(self.path)

    def run_ids(self) -> set[str]:
        """The ids of all runs, read from the zip. Raises `BrokenZip`."""
        runs = (raw for trace in self.traces() for raw in trace.runs)
        return {read_identity(raw).id for raw in chain(runs, self.unfiled())}

    def traces(self) -> Iterator[TraceFile]:
        """Every trace, one in memory at a time. Raises `BrokenZip`."""
        return map(itemgetter(1), self.named_traces())

    def named_traces(self) -> Iterator[tuple[str, TraceFile]]:
        """Every trace with the name of its file, as `traces`."""
        with ZipDirectory(self.path) as archive:
            for member in self._members(archive, is_trace_file_name):
                yield member.name, self._read(archive, member)

    def read_trace(self, name: str) -> TraceFile:
        """The trace in one file. Raises `BrokenZip`."""
        with ZipDirectory(self.path) as archive:
            return self._read(archive, archive.member(name))

    def _read(self, archive: ZipDirectory, member: Member) -> TraceFile:
        try:
            return decode_trace(read_whole(archive, member))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self.broken(f"{member.name}: {error}") from error

    def unfiled(self) -> Iterator[_Bytes]:
        """The runs in files of their own. Raises `BrokenZip`."""
        with ZipDirectory(self.path) as archive:
            for member in self._members(archive, is_unfiled_file_name):
                yield _Bytes(read_whole(archive, member))

    def broken(self, why: str) -> BrokenZip:
        """The error for a zip whose traces are none."""
        return broken_zip(self.path, f"a trace in it cannot be read: {why}")

    def _members(self, archive: ZipDirectory, wanted: Callable[[str], bool]) -> Iterator[Member]:
        files = self.summary.files
        met = bytearray(len(files))
        for member in archive.members():
            position = files.position(member.name)
            if position < 0 or met[position] or not wanted(member.name):
                continue
            met[position] = True
            if member.size != files.entry(position).bytes:
                raise archive.broken(f"{member.name!r} has another size than the summary says")
            yield member
        for name, was_met in zip(files, met, strict=True):
            if not was_met and wanted(name):
                raise archive.broken(f"{name!r} is missing")


def write_zip(
    day: DayFolder, to: Path, *, level: int = DEFAULT_LEVEL, on_progress: OnProgress | None = None
) -> DayZip:
    """Zip a day to the file `to`, flushed. The caller moves it to its place.

    Every file is compared with its hash in the summary as it is read. `on_progress` is told the files done
    and the files in all. Raises `BrokenDay` (a file differs, is missing, or nobody vouches for it),
    `DiskError`; nothing is left then.
    """
    day.verify_names()
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("wb", buffering=_WRITE_BYTES) as target:
            total = len(day.summary.files) + 1
            pack_files(
                day.path, _files_to_pack(day), target, total=total, level=level, on_progress=on_progress
            )
        flush_files([to])
    except BaseException as error:
        remove_whatever(to)
        if isinstance(error, ChangedFile):
            raise day.broken(str(error)) from error
        if isinstance(error, OSError):
            raise DiskError(f"Zipping the day {day.date} of {day.project!r}", error) from error
        raise
    return DayZip(to, day.summary)


def publish_zip(written: DayZip, place: Path) -> DayZip:
    """Move a written zip to its place in one step. Raises `DiskError`."""
    try:
        written.path.replace(place)
        flush_folder(place.parent)
    except OSError as error:
        raise DiskError(f"Publishing {place.name}", error) from error
    return DayZip(place, written.summary)


def day_zip_in(archive: ZipDirectory, *, project: str, day: date) -> DayZip:
    """The summary in a zip; members are not verified. Raises `BrokenZip`, `InvalidSummary`."""
    path = archive.path
    return DayZip(path, decode_summary(read_summary(archive), project=project, day=day, origin=str(path)))


def read_zip(path: Path, *, project: str, day: date) -> DayZip:
    """The same of one that is not open. Raises `DiskError`, too."""
    with ZipDirectory(path) as archive:
        return day_zip_in(archive, project=project, day=day)


def read_summary(archive: ZipDirectory) -> Iterator[bytes | bytearray]:
    """The bytes of the summary in a zip, in pieces, its CRC checked at the end. Raises `BrokenZip`."""
    member = archive.member(SUMMARY)
    if member.size > _SUMMARY_BASE + len(archive) * _SUMMARY_BYTES_PER_MEMBER:
        raise archive.broken(f"its summary claims {member.size:,} bytes")
    yield from read_pieces(archive, member)


def _files_to_pack(day: DayFolder) -> Iterator[FileToPack]:
    itself = FileToPack(SUMMARY, day.summary_path.stat().st_size, day.summary_sha256)
    others = (FileToPack(name, entry.bytes, entry.sha256) for name, entry in day.summary.files.items())
    return merge([itself], others)


def summary_in_zip(path: Path, *, project: str, day: date) -> SummaryHead | None:
    """The summary in a day's zip; None when the zip cannot be read. Opens the zip's list of files."""
    try:
        summary = read_zip(path, project=project, day=day).summary
    except (BrokenZip, InvalidSummary, DiskError):
        return None
    return SummaryHead(**{name: getattr(summary, name) for name in SummaryHead.__struct_fields__})
