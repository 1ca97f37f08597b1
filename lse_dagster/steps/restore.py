"""Bringing a day back from its copy on Drive, every hash verified."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from lse_dagster.advice import lse_command
from lse_dagster.day.disk import flush_folder
from lse_dagster.day.errors import BrokenDay, BrokenZip
from lse_dagster.day.names import day_zip_name, parse_day_zip_name, project_path_part
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.space import FreeBytes, expect_room, free_bytes
from lse_dagster.day.staging import StagedDay, Staging
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.directory import ZipDirectory, broken_zip
from lse_dagster.day.zip.verify import extract_zip
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.file import DriveFile
from lse_dagster.drive.transfer.upload_session import OnProgress
from lse_dagster.errors import ArchiveError
from lse_dagster.run.tally import Tally
from lse_dagster.steps.drive_copy import find_copy, hash_of
from lse_dagster.steps.examination.reading import examine_day
from lse_dagster.steps.first_system.zips import is_first_system_zip, stage_first_system_zip


class NotOnDrive(ArchiveError):
    """The day has no copy on Drive."""

    def __init__(self, project: str, day: date, project_id: str = "") -> None:
        which = f"one of the project with the id {project_id}" if project_id else day_zip_name(project, day)
        super().__init__(
            f"Restoring the day {day} of {project!r}",
            f"{which} is not in the Drive folder.",
            "Check GOOGLE_DRIVE_FOLDER_URL, and Drive's trash, which keeps a file for 30 days. A day that "
            "was never archived is only on LangSmith.",
        )


class NothingOnDrive(ArchiveError):
    """No day of the project has a copy there: it may be the wrong folder, or the wrong name.

    `where`: which days were looked for, if not all.
    """

    def __init__(self, project: str, where: str = "") -> None:
        super().__init__(
            f"Restoring the days of {project!r}",
            f"The Drive folder holds no day zip of this project{where}.",
            "Check the project's spelling (capitals count), the dates, and GOOGLE_DRIVE_FOLDER_URL.",
        )


@dataclass(frozen=True)
class RestoredDay:
    """A day from Drive in its staging folder, and the runs that its files hold."""

    staged: StagedDay
    tally: Tally
    foreign: list[str]
    """What a file manager had put into the zip, which is left out."""
    bytes_received: int
    """From Drive; 0 where the zip here was the copy's own content."""


def copy_to_restore(
    drive: DriveArchive, project: str, day: date, wanted: str | Callable[[], str]
) -> tuple[DriveFile, list[str]]:
    """The day's zip of the project with this id, and the names of those of others.

    A callable is asked for the id only where there are several; if it knows none the plain name is meant.
    Raises `NotOnDrive`, `NothingOnDrive` where no other day is there either.
    """
    listed = {file.name for file in drive.list(project_path_part(project))}
    zips = {name: known for name in listed if (known := parse_day_zip_name(project, name)) is not None}
    names = {name for name, (at, _) in zips.items() if at == day}
    project_id = wanted if isinstance(wanted, str) else wanted() if len(names) > 1 else ""
    found = find_copy(drive, project, day, project_id)
    if found is None and names and not isinstance(wanted, str):
        found = drive.find(project_path_part(project), min(names))  # the plain one comes first
    if found is None:
        raise NotOnDrive(project, day, project_id) if zips else NothingOnDrive(project)
    return found, sorted(names - {found.name})


def stage_from_drive(
    drive: DriveArchive,
    store: DayStore,
    project: str,
    day: date,
    *,
    copy: DriveFile | None = None,
    here: Iterable[Path] = (),
    overwrite: Overwrite = "superset",
    free: FreeBytes = free_bytes,
    on_download: OnProgress | None = None,
    on_extract: OnProgress | None = None,
) -> RestoredDay:
    """Bring a day back into a staging folder, every hash verified; `store.publish` puts it in its place.

    What its summary says of it is counted again. `copy` is the one to take, else that at the plain name.
    `here`: zips of this machine. One that is the copy's content, by size and checksum, saves the download.

    A zip of the first system has no hashes: its day is marked as unverified.

    `on_download(bytes_done, bytes_in_all)`, then `on_extract(files_done, files_in_all)`.

    Raises `NotOnDrive`, `BrokenZip`, `RunsOfOtherDays` (a zip of the first system),
    `OverwriteRefused`, `DayIsBusy`, `NoRoom`, `DiskError`, and Drive's errors; the staging is gone then and
    the old day untouched.
    """
    found = copy or find_copy(drive, project, day)
    if found is None:
        raise NotOnDrive(project, day)
    store.refuse_if_exists(project, day, overwrite, hash_of(found, project))
    what = f"Restoring the day {day} of {project!r}"
    expect_room(store.root, 2 * found.size, what, free)  # the zip and what is in it, which is no less
    with store.stage(project, day) as staging:
        came = drive.download(found, staging.download_path, here=here, on_progress=on_download)
        expect = partial(expect_room, store.root, what=what, free=free)
        staged, tally, foreign = _stage_zip(staging, expect, on_extract)
        staging.download_path.unlink()
        flush_folder(staging.folder)
        return RestoredDay(staged, tally, foreign, came.bytes_received)


def _stage_zip(
    staging: Staging, expect: Callable[[int], None], on_extract: OnProgress | None
) -> tuple[StagedDay, Tally, list[str]]:
    path, project, day = staging.download_path, staging.project, staging.date
    try:
        with ZipDirectory(path) as archive:
            expect(sum(member.size for member in archive.members()))
            if is_first_system_zip(archive):
                staged = stage_first_system_zip(archive, staging, on_progress=on_extract)
            else:
                extracted = extract_zip(
                    archive, staging.content, project=project, day=day, on_progress=on_extract
                )
                staged = StagedDay(staging, extracted)
            foreign = archive.foreign_names()
        found = examine_day(staged.day)
        for difference in found.differences:
            raise broken_zip(path, difference)
    except (BrokenZip, BrokenDay, InvalidSummary) as error:  # the latter two advise to restore
        raise BrokenZip(
            f"Restoring the day {day} of {project!r}",
            f"The copy on Drive cannot be used: {error.why}",
            "Bring back an older version of the file in Drive (*Manage versions*), then restore again. Or, "
            f"where the day is still on this disk and `{lse_command('verify', project, day)}` finds it "
            f"right: give that file another name on Drive, then "
            f"{lse_command('archive upload', project, day)}.",
        ) from error
    return staged, found.tally, foreign
