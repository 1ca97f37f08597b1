"""Verifying a day zip against its summary, and extracting it only when every byte is as promised.

A zip that comes back from Drive is foreign input. A name, a kind or a size that the summary does not promise
is refused before a file is written; a member is inflated to no more than its promised size, and compared with
its CRC and its hash before, or for a large one while, it is written to the staging.
"""

import hashlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from lse_dagster.day.disk import flush_files, flush_folder, write_new_file
from lse_dagster.day.errors import BrokenZip, DiskError
from lse_dagster.day.file_table import FileTable
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.foreign import is_foreign_file
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.summary import Summary
from lse_dagster.day.zip.directory import Member, ZipDirectory
from lse_dagster.day.zip.file import day_zip_in
from lse_dagster.day.zip.member import WHOLE, read_pieces, read_whole
from lse_dagster.day.zip.threads import batches, in_order, worker_threads
from lse_dagster.day.zip.writer import OnProgress


def compare_with_day(archive: ZipDirectory, day: DayFolder) -> Iterator[str]:
    """Every difference between a zip and the day it was made of: names, sizes, CRCs, hashes, the summary.

    The day's files are not read: their hashes stand in its summary. Contents are only looked at when the
    directory shows no difference. Raises `BrokenZip` for a file whose directory cannot be read, `DiskError`.
    """
    differences = list(_compare_directory(archive, day.summary))
    yield from differences
    if differences:
        return
    yield from _compare_summary(archive, day)
    for found in _examine(archive, day.summary, None):
        yield from found.differences


def refuse_damage(archive: ZipDirectory, *, project: str, day: date) -> None:
    """Inflate every member and compare it with the summary inside; nothing is written.

    Raises `BrokenZip` for the first difference, `InvalidSummary`, `DiskError`.
    """
    summary = day_zip_in(archive, project=project, day=day).summary
    differences = chain(
        _compare_directory(archive, summary),
        (why for found in _examine(archive, summary, None) for why in found.differences),
    )
    for difference in differences:
        raise archive.broken(difference)


def extract_zip(
    archive: ZipDirectory, folder: Path, *, project: str, day: date, on_progress: OnProgress | None = None
) -> DayFolder:
    """Extract a day zip into an empty folder, every CRC and every hash verified, and flush it.

    Nothing is written for a zip whose directory differs from its summary. `on_progress` is told the files
    done and the files in all. Raises `BrokenZip` (a hostile or damaged zip), `InvalidSummary`, `DiskError`;
    the folder is then the caller's to discard.
    """
    summary = day_zip_in(archive, project=project, day=day).summary
    for difference in _compare_directory(archive, summary):
        raise archive.broken(difference)
    try:
        _extract_members(archive, summary, folder, on_progress)
        # Inflated again: kept until now, its text would take 0.2 KB of memory for each member.
        sha256 = _inflate(archive, archive.member(SUMMARY), folder / SUMMARY)
        flush_files(folder / name for name in chain(summary.files, [SUMMARY]))
        flush_folder(folder)
    except OSError as error:
        raise DiskError(f"Extracting {archive.path.name}", error) from error
    if on_progress is not None:
        on_progress(len(archive), len(archive))
    return DayFolder(folder, summary, sha256)


def _extract_members(
    archive: ZipDirectory, summary: Summary, folder: Path, on_progress: OnProgress | None
) -> None:
    done = 0
    for found in _examine(archive, summary, folder):
        for difference in found.differences:
            raise archive.broken(difference)
        done += found.members
        if on_progress is not None:
            on_progress(done, len(archive))


def _compare_directory(archive: ZipDirectory, summary: Summary) -> Iterator[str]:
    """Differences that the zip's directory shows, before a byte is inflated."""
    files = summary.files
    met = bytearray(len(files) + 1)
    for member, position in _members(archive, files):
        if position < 0:
            yield f"{member.name!r} is not in the summary"
            continue
        if met[position]:
            yield f"{member.name!r} is there more than once"
        met[position] = True
        if position < len(files) and member.size != (promised := files.entry(position).bytes):
            yield f"{member.name!r} has {member.size:,} bytes, the summary says {promised:,}"
    names = chain(files, [SUMMARY])
    yield from (f"{name!r} is missing" for name, was_met in zip(names, met, strict=True) if not was_met)
    try:
        yield from archive.check()
    except BrokenZip as error:
        yield error.why.rstrip(".")


def _members(archive: ZipDirectory, files: FileTable) -> Iterator[tuple[Member, int]]:
    """Every member and its position among the files: behind the last for the summary, -1 for a stranger.

    What a file manager puts into the zips that it makes (`__MACOSX`) is left out.
    """
    position = -1
    for member in archive.members():
        if is_foreign_file(member.name):
            continue
        if member.name == SUMMARY:
            yield member, len(files)
        else:
            position = files.position(member.name, guess=position + 1)
            yield member, position


def _compare_summary(archive: ZipDirectory, day: DayFolder) -> Iterator[str]:
    try:
        if _inflate(archive, archive.member(SUMMARY), None) != day.summary_sha256:
            yield f"{SUMMARY!r} differs from the day's"
    except BrokenZip as error:
        yield error.why.rstrip(".")
    day.expect_summary()


class _Expected(NamedTuple):
    member: Member
    sha256: str


@dataclass(frozen=True)
class _Found:
    members: int
    differences: list[str]


@dataclass(frozen=True)
class _Examination:
    """Where members are read from, and which folder they are written to, if any."""

    archive: ZipDirectory
    folder: Path | None

    def examine(self, members: list[_Expected]) -> _Found:
        """Runs in any thread. Raises `OSError` when a file cannot be written."""
        return _Found(len(members), [why for expected in members for why in self._differences(*expected)])

    def _differences(self, member: Member, sha256: str) -> Iterator[str]:
        examine = self._examine_whole if member.size <= WHOLE else self._examine_pieces
        try:
            examine(member, sha256)
        except BrokenZip as error:
            yield error.why.rstrip(".")

    def _examine_whole(self, member: Member, sha256: str) -> None:
        content = read_whole(self.archive, member)
        self._compare_hash(member, hashlib.sha256(content).hexdigest(), sha256)
        if self.folder is not None:
            write_new_file(self.folder / member.name, content)

    def _examine_pieces(self, member: Member, sha256: str) -> None:
        target = self.folder / member.name if self.folder is not None else None
        self._compare_hash(member, _inflate(self.archive, member, target), sha256)

    def _compare_hash(self, member: Member, found: str, promised: str) -> None:
        if found != promised:
            raise self.archive.broken(f"{member.name!r} differs from its hash in the summary")


def _inflate(archive: ZipDirectory, member: Member, target: Path | None) -> str:
    """The sha256 of a member, written to a new file if one is named. Raises `BrokenZip`, `OSError`."""
    digest = hashlib.sha256()
    with target.open("xb") if target is not None else nullcontext() as file:
        for piece in read_pieces(archive, member):
            digest.update(piece)
            if file is not None:
                file.write(piece)
    return digest.hexdigest()


def _examine(archive: ZipDirectory, summary: Summary, folder: Path | None) -> Iterator[_Found]:
    """What is found about all members but the summary, in order, while threads work ahead."""
    files = summary.files
    members = (
        _Expected(member, files.entry(position).sha256)
        for member, position in _members(archive, files)
        if member.name != SUMMARY
    )
    examination = _Examination(archive, folder)
    with worker_threads() as threads:
        yield from in_order(
            threads, examination.examine, batches(members, lambda expected: expected.member.size)
        )
