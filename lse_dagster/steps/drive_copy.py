"""The day's copy on Drive: finding it, and sending a zip there under the overwrite policy."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

from lse_dagster.calendar.days import DriveCopy
from lse_dagster.day.disk import remove_abandoned, scratch_folder
from lse_dagster.day.errors import DiskError
from lse_dagster.day.identity import OtherProject, id_hash, is_other
from lse_dagster.day.names import day_zip_name, parse_day_zip_name, project_path_part
from lse_dagster.day.overwrite.old_day import OldDay
from lse_dagster.day.overwrite.policy import Overwrite, UnreadableDay, decide
from lse_dagster.day.space import FreeBytes, expect_room, free_bytes
from lse_dagster.day.zip.file import DayZip
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.file import DriveFile
from lse_dagster.drive.holder import Holder
from lse_dagster.drive.transfer.upload import Uploaded
from lse_dagster.drive.transfer.upload_session import OnProgress
from lse_dagster.errors import ArchiveError
from lse_dagster.steps.open_zip import SCRATCH, open_old_zip
from lse_dagster.steps.zip_proof import PROVED, prove_zip

PROJECT: Final = "lse_project"
"""The property of a copy on Drive that holds the short hash of its project's id."""


class UnreadableCopy(ArchiveError):
    """The copy on Drive is an `UnreadableDay`."""

    def __init__(self, error: UnreadableDay, file: DriveFile) -> None:
        super().__init__(error.what, error.why, error.next_step)
        self.file = file


def find_copy(drive: DriveArchive, project: str, day: date, project_id: str = "") -> DriveFile | None:
    """The day's zip on Drive, or None. Without an id the one at the plain name."""
    folder, hashed = project_path_part(project), id_hash(project_id)
    plain = drive.find(folder, day_zip_name(project, day))
    if not hashed or (plain is not None and plain.app_properties.get(PROJECT) == hashed):
        return plain
    own = drive.find(folder, day_zip_name(project, day, hashed))
    if own is not None or plain is None:
        return own
    return None if is_other(plain.app_properties.get(PROJECT, ""), hashed) else plain


def list_copies(drive: DriveArchive, project: str, project_id: str = "") -> dict[date, DriveFile]:
    """Every day zip of the project on Drive, by its date, with one listing; one of each pair of twins.

    Of days of several ids under one date it is that of this id, else the latest that came there.
    """
    hashed = id_hash(project_id)
    found = _copies_among(drive.list(project_path_part(project)), project)
    return {
        day: min(own, key=lambda file: bool(hashed) and hash_of(file, project) != hashed)
        for day, files in found.items()
        if (own := [file for file in files if not is_other(hash_of(file, project), hashed)])
    }


def hash_of(file: DriveFile, project: str) -> str:
    """The short hash of the id of the project that a copy is of; empty where only its content says it."""
    name = parse_day_zip_name(project, file.name)
    return file.app_properties.get(PROJECT, "") or (name[1] if name is not None else "")


def described_copies(drive: DriveArchive, project: str) -> dict[date, DriveCopy]:
    """The same, as the calendar shows them."""
    return _described(_copies_among(drive.list(project_path_part(project)), project), project)


def hold_copies(
    drive: DriveArchive, project: str, on_takeover: Callable[[Holder], object]
) -> dict[date, DriveCopy]:
    """The same, for the machine that archives there.

    `on_takeover` hears, once, of the one that did until now and is gone, also where the listing then fails.
    Raises `HeldByAnother` if another machine archives there.
    """
    files, gone = drive.hold(project_path_part(project))
    if gone is not None:
        on_takeover(gone)
    return _described(_copies_among(files, project), project)


def described(copies: Mapping[date, DriveFile], project: str) -> dict[date, DriveCopy]:
    """Copies that are listed already, one of a day, as the calendar shows them."""
    return _described({day: [file] for day, file in copies.items()}, project)


def _described(copies: Mapping[date, Sequence[DriveFile]], project: str) -> dict[date, DriveCopy]:
    described = {
        day: [DriveCopy(file.size, file.web_view_link, hash_of(file, project)) for file in files]
        for day, files in copies.items()
    }
    return {day: replace(latest, others=tuple(others)) for day, (latest, *others) in described.items()}


def _copies_among(files: Iterable[DriveFile], project: str) -> dict[date, list[DriveFile]]:
    """Those of each date, the latest that came there first."""
    found: dict[date, dict[str, DriveFile]] = {}
    for file in files:
        name = parse_day_zip_name(project, file.name)
        if name is not None:
            found.setdefault(name[0], {})[file.name] = file
    return {
        day: sorted(named.values(), key=lambda file: file.created_time, reverse=True)
        for day, named in found.items()
    }


def upload_copy(
    drive: DriveArchive,
    zipped: DayZip,
    overwrite: Overwrite,
    *,
    recorded: str | None = None,
    free: FreeBytes = free_bytes,
    on_progress: OnProgress | None = None,
) -> Uploaded:
    """Put the zip on Drive, verified. The same content is not sent twice.

    Whatever the policy, a zip is proved first, unless its sha256 is `recorded`: then it was before.

    An upload that is stopped leaves `.<zip's name>.upload` beside the zip, a secret; the next one goes on
    from it and removes it. What one that was killed left of a comparison the next one removes.

    Raises `BrokenZip`, `InvalidSummary`, `OverwriteRefused` when other content is there that the policy
    protects, `NoRoom`, `DiskError`, and Drive's errors.
    """
    project, day = zipped.project, zipped.date
    proved = prove_zip(zipped.path, project=project, day=day, recorded=recorded)
    remove_abandoned(zipped.path.parent, SCRATCH)
    folder, hashed = project_path_part(project), id_hash(zipped.summary.project_id)

    def put(name: str) -> Uploaded:
        there = drive.find(folder, name)
        if there is not None and not there.holds(zipped.path, proved):
            drive.expect_ours(folder)
            _expect_replaceable(drive, zipped, there, overwrite, free)
        return drive.upload(
            zipped.path,
            folder=folder,
            name=name,
            replacing=there,
            sha256=proved,
            properties={PROVED: proved, **({PROJECT: hashed} if hashed else {})},
            session_path=session_path(zipped.path),
            on_progress=on_progress,
        )

    try:
        return put(day_zip_name(project, day))
    except OtherProject:
        return put(day_zip_name(project, day, hashed))


def session_path(zip_path: Path) -> Path:
    """Where an upload of this zip that was stopped is kept."""
    return zip_path.with_name(f".{zip_path.name}.upload")


def _expect_replaceable(
    drive: DriveArchive, zipped: DayZip, there: DriveFile, overwrite: Overwrite, free: FreeBytes
) -> None:
    """Raises `OtherProject`, `OverwriteRefused`, `HoldsMore`, `UnreadableCopy`, `NoRoom`, `DiskError`."""
    what = f"Copying the day {zipped.date} of {zipped.project!r} to Drive"
    where = there.web_view_link

    @contextmanager
    def old_day() -> Iterator[OldDay]:
        expect_room(zipped.path.parent, there.size, what, free)
        with scratch_folder(zipped.path.parent, SCRATCH) as folder:
            copy = folder / "drive.zip"
            drive.download(there, copy)
            with open_old_zip(copy, project=zipped.project, day=zipped.date, where=where) as old:
                yield old

    id_there = there.app_properties.get(PROJECT, "")
    try:
        decide(zipped, old_day(), overwrite, what=what, where=where, id_there=id_there)
    except UnreadableDay as error:
        raise UnreadableCopy(error, there) from error
    except OSError as error:
        raise DiskError(what, error) from error
