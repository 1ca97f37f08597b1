"""Verifying a day zip against its summary, and extracting it only when every byte is as promised.

A zip that comes back from Drive is foreign input: a name, a size or a hash that the summary does not promise
is refused before or while it is written, and the staging it was written to is thrown away.
"""

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from lse_dagster.day.durable import flush_files, flush_folder
from lse_dagster.day.errors import DiskError
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.summary import Summary
from lse_dagster.day.zip_file import DAMAGE, broken_zip, open_zip, read_member, read_zip

_ENCRYPTED = 0x1


def compare_with_day(path: Path, day: DayFolder) -> Iterator[str]:
    """Every difference between a zip and the day it was made of: names, sizes, CRCs, hashes, the summary.

    Raises `BrokenZip` for a file that is no zip at all.
    """
    hashes = {name: entry.sha256 for name, entry in day.summary.files.items()}
    hashes[SUMMARY] = hashlib.sha256(day.summary_path.read_bytes()).hexdigest()
    with open_zip(path) as archive:
        yield from _compare_members(archive, day.summary)
        for info in archive.infolist():
            if info.filename in hashes:
                yield from _compare_content(archive, info, hashes[info.filename])


def extract_zip(path: Path, folder: Path, *, project: str, day: date) -> DayFolder:
    """Extract a day zip into an empty folder, every hash verified, and flush it.

    Nothing is written for a zip whose list of members differs from its summary. Raises `BrokenZip` (a
    hostile or damaged zip), `InvalidSummary`, `BrokenDay`, `DiskError`; the folder is then the caller's to
    discard.
    """
    summary = read_zip(path, project=project, day=day).summary
    with open_zip(path) as archive:
        for difference in _compare_members(archive, summary):
            raise broken_zip(path, difference)
        try:
            for name in (*summary.files, SUMMARY):
                with (folder / name).open("xb") as target:
                    target.writelines(_undamaged(archive, name, path))
            flush_files(folder / name for name in (*summary.files, SUMMARY))
            flush_folder(folder)
        except OSError as error:
            raise DiskError(f"Extracting {path.name}", error) from error
    extracted = DayFolder(folder, summary)
    extracted.verify_files()
    return extracted


def _compare_members(archive: zipfile.ZipFile, summary: Summary) -> Iterator[str]:
    """Differences that the zip's directory shows, before a byte is decompressed."""
    members = archive.infolist()
    names = Counter(info.filename for info in members)
    expected = {SUMMARY, *summary.files}
    yield from (f"{name!r} is there {count} times" for name, count in sorted(names.items()) if count > 1)
    yield from (f"{name!r} is missing" for name in sorted(expected - set(names)))
    yield from (f"{name!r} is not in the summary" for name in sorted(set(names) - expected))
    for info in members:
        if info.flag_bits & _ENCRYPTED:
            yield f"{info.filename!r} is encrypted"
        entry = summary.files.get(info.filename)
        if entry is not None and info.file_size != entry.bytes:
            yield f"{info.filename!r} has {info.file_size:,} bytes, the summary says {entry.bytes:,}"


def _compare_content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, sha256: str) -> Iterator[str]:
    digest = hashlib.sha256()
    try:
        for chunk in read_member(archive, info):
            digest.update(chunk)
    except DAMAGE as error:
        yield f"{info.filename!r}: {error}"
        return
    if digest.hexdigest() != sha256:
        yield f"{info.filename!r} differs from the day's"


def _undamaged(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[bytes]:
    """A member's content; damage is told apart from a failing disk on the writing side."""
    try:
        yield from read_member(archive, name)
    except DAMAGE as error:
        raise broken_zip(path, f"{name!r}: {error}") from error
