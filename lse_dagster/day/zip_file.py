"""The day zip: the files of a day folder, flat, in one deterministic zip that any tool opens.

Names are sorted and times fixed, so the same day gives the same bytes with the same zlib. Written to a hidden
file beside its place, flushed, and renamed; never half there.
"""

import hashlib
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from lse_dagster.day.durable import flush_files, flush_folder
from lse_dagster.day.errors import BrokenZip, DiskError
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.overwrite import Holdings
from lse_dagster.day.run import InvalidRun, read_identity
from lse_dagster.day.summary import Summary, decode_summary
from lse_dagster.day.trace_file import decode_trace

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
)
"""What zipfile raises while it reads a zip that is damaged, encrypted, or compressed in a way it cannot."""

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that the format can express
_REGULAR_FILE = 0o100644 << 16
_MEBIBYTE = 1 << 20
_LARGEST_SUMMARY = 512 * _MEBIBYTE


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
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def run_ids(self) -> set[str]:
        """The ids of all runs, read from the zip. Raises `BrokenZip`."""
        with open_zip(self.path) as archive:
            try:
                return {
                    read_identity(raw).id
                    for name in self.summary.trace_names
                    for raw in decode_trace(archive.read(name)).runs
                }
            except (KeyError, msgspec.MsgspecError, InvalidRun, *DAMAGE) as error:
                raise broken_zip(self.path, f"a trace in it cannot be read: {error}") from error

    def holdings(self) -> Holdings:
        """What replacing this zip could lose. Raises `BrokenZip`."""
        return Holdings(frozenset(self.run_ids()), frozenset(self.summary.attachment_names))


def write_zip(day: DayFolder, to: Path) -> DayZip:
    """Zip a day to the file `to`, flushed. The caller moves it to its place. Raises `DiskError`."""
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name in sorted((*day.summary.files, SUMMARY)):
                _write_member(archive, day.path / name)
        flush_files([to])
    except OSError as error:
        to.unlink(missing_ok=True)
        raise DiskError(f"Zipping the day {day.date} of {day.project!r}", error) from error
    return DayZip(to, day.summary)


def publish_zip(written: DayZip, place: Path) -> DayZip:
    """Move a written zip to its place in one step. Raises `DiskError`."""
    try:
        written.path.replace(place)
        flush_folder(place.parent)
    except OSError as error:
        raise DiskError(f"Publishing {place.name}", error) from error
    return DayZip(place, written.summary)


def read_zip(path: Path, *, project: str, day: date) -> DayZip:
    """Open a zip and read its summary; members are not verified. Raises `BrokenZip`, `InvalidSummary`."""
    with open_zip(path) as archive:
        try:
            info = archive.getinfo(SUMMARY)
            if info.file_size > _LARGEST_SUMMARY:
                raise broken_zip(path, f"its summary claims {info.file_size:,} bytes")
            raw = archive.read(info)
        except KeyError:
            raise broken_zip(path, f"it holds no {SUMMARY}") from None
        except DAMAGE as error:
            raise broken_zip(path, f"its summary cannot be read: {error}") from error
    return DayZip(path, decode_summary(raw, project=project, day=day, origin=str(path)))


def _write_member(archive: zipfile.ZipFile, path: Path) -> None:
    info = zipfile.ZipInfo(path.name, _FIXED_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = _REGULAR_FILE
    info.file_size = path.stat().st_size  # tells zipfile whether the member needs Zip64
    info.create_system = 3  # Unix, on every system, so that the bytes do not depend on it
    with path.open("rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target, _MEBIBYTE)


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip for reading. Raises `BrokenZip`."""
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise broken_zip(path, "there is no such file") from None
    except DAMAGE as error:
        raise broken_zip(path, str(error)) from error


def read_member(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of a member in pieces of up to 1 MiB, its CRC checked. Raises one of `DAMAGE`."""
    with archive.open(name) as member:
        while chunk := member.read(_MEBIBYTE):
            yield chunk


def broken_zip(path: Path, why: str) -> BrokenZip:
    """The error for a zip that cannot be used."""
    return BrokenZip(
        f"Reading the day zip {path}",
        f"{why}.",
        "Make it again from the day folder (`day_zip`), or restore the day from Drive.",
    )
