"""Removing what is on this disk of a day that is safe on Drive, verified again right before.

A day without a local zip is kept: nothing here could be compared with Drive. So is one with a symbolic link
in it: to remove the link would free nothing. Removed folders are first renamed to a hidden name, so that a
crash leaves a whole day or none.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from lse_dagster.calendar.inventory import local_days
from lse_dagster.day.disk import flush_folder
from lse_dagster.day.errors import BrokenDay, BrokenZip, DayIsBusy, DiskError, NoSuchZip
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.foreign import move_foreign
from lse_dagster.day.names import project_path_part
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.directory import ZipDirectory
from lse_dagster.day.zip.file import day_zip_in
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.day.zip.verify import compare_with_day
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import TwinFiles
from lse_dagster.errors import ArchiveError
from lse_dagster.steps.drive_copy import find_copy, session_path
from lse_dagster.steps.zip_proof import prove_copy

_DOOMED = ".doomed"


class RemovalCutShort(ArchiveError):
    """A day's folder has left its place, and could not be removed whole."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"Removing {folder}",
            f"{error.strerror or error} ({error.filename or folder}). Its day was verified on Drive before.",
            f"Mend that; the next run of `free_disk` removes {folder}, and restores it if it is a link.",
        )


@dataclass(frozen=True)
class LocalCopy:
    """What of one day is on this disk: in the folder, the zip, or both. `bytes` counts both."""

    day: date
    bytes: int


@dataclass(frozen=True)
class KeptCopy:
    """A day that stays on this disk, and why."""

    day: date
    why: str


def local_days_before(store: DayStore, zips: ZipStore, project: str, *, today: date, keep: int) -> list[date]:
    """The days on this disk that began more than `keep` days before `today`, the oldest first."""
    youngest = today - timedelta(days=keep)
    return [day for day in local_days(store.root, zips.root, project) if day < youngest]


def remove_local_copy(
    store: DayStore, zips: ZipStore, drive: DriveArchive, project: str, day: date, *, dry_run: bool
) -> LocalCopy | KeptCopy:
    """Remove the day from this disk if its copy on Drive is verified to be the same; or only say so.

    Verified are Drive's size and checksum against the local zip, and every member of that zip against the
    day folder's summary. A day that is busy, damaged, a link, unlike its copy or twice on Drive is kept.
    Raises Drive's other errors, `DiskError` (nothing was changed), and `RemovalCutShort`.
    """
    try:
        with store.locked(project, day):
            folder = store.find(project, day)
            project_id = folder.summary.project_id if folder is not None else ""
            path = zips.existing_path(project, day, project_id)
            if (link := next(_links(store.day_path(project, day), path), None)) is not None:
                return KeptCopy(day, f"{link} is a symbolic link: to remove it would free nothing here.")
            with ZipDirectory(path) as archive:
                if folder is None:
                    project_id = day_zip_in(archive, project=project, day=day).summary.project_id
                difference = next(compare_with_day(archive, folder), None) if folder is not None else None
            if difference is None:
                copy = find_copy(drive, project, day, project_id)
                proof = prove_copy(copy, path, project=project, day=day)
                difference = next(iter(proof.differences), None)
            if difference is not None:
                return KeptCopy(day, difference)
            size = path.stat().st_size + (_bytes_of(folder) if folder is not None else 0)
            if not dry_run:
                _remove(store.day_path(project, day, project_id), path)
            return LocalCopy(day, size)
    except NoSuchZip as error:  # as after a restore: a zip made anew is the one on Drive, byte for byte
        return KeptCopy(day, f"{error.why} {error.next_step}")
    except (DayIsBusy, BrokenZip, BrokenDay, InvalidSummary, TwinFiles) as error:
        return KeptCopy(day, error.why)
    except OSError as error:
        raise DiskError(f"Removing the day {day} of {project!r} from this disk", error) from error


def sweep(store: DayStore, project: str) -> list[RemovalCutShort]:
    """Remove what interrupted removals left, and put links back that are days; what could not be done."""
    failed = []
    for leftover in (store.root / project_path_part(project)).glob(f".*{_DOOMED}"):
        try:
            place = leftover.with_name(leftover.name.removeprefix(".").removesuffix(_DOOMED))
            if leftover.is_symlink():
                if not os.path.lexists(place):
                    leftover.rename(place)
            else:
                _remove_folder(leftover, place)
        except OSError as error:
            failed.append(RemovalCutShort(leftover, error))
    return failed


def _links(place: Path, zip_path: Path) -> Iterator[Path]:
    inside = place.iterdir() if place.is_dir() and not place.is_symlink() else ()
    return (path for path in (place, zip_path, *inside) if path.is_symlink())


def _bytes_of(folder: DayFolder) -> int:
    return folder.summary.bytes + folder.summary_path.stat().st_size


def _remove(place: Path, zip_path: Path) -> None:
    doomed = place.with_name(f".{place.name}{_DOOMED}")
    if place.exists():
        place.rename(doomed)
        flush_folder(place.parent)
        try:
            _remove_folder(doomed, place)
        except OSError as error:
            raise RemovalCutShort(doomed, error) from error
    try:
        zip_path.unlink()
        session_path(zip_path).unlink(missing_ok=True)
        flush_folder(zip_path.parent)
    except OSError as error:
        raise RemovalCutShort(zip_path, error) from error


def _remove_folder(doomed: Path, place: Path) -> None:
    """What is not ours stays in its place. Raises `OSError`."""
    move_foreign(doomed, place)
    shutil.rmtree(doomed)
