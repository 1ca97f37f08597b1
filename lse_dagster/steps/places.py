"""The places where a day may lie: as a folder, as a zip, as a copy on Drive."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date

from lse_dagster.day.disk import remove_abandoned, scratch_folder
from lse_dagster.day.errors import BrokenZip, DiskError
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.identity import is_other
from lse_dagster.day.overwrite.old_day import OldDay, OldFolder
from lse_dagster.day.space import FreeBytes, expect_room, free_bytes
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.file import summary_in_zip
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.errors import ArchiveError
from lse_dagster.steps.drive_copy import find_copy
from lse_dagster.steps.open_zip import SCRATCH, open_old_zip
from lse_dagster.steps.zip_proof import is_copy_of


@dataclass(frozen=True)
class Places:
    """Where the days of one installation lie."""

    days: DayStore
    zips: ZipStore
    drive: Callable[[], DriveArchive] | None
    """Opens a connection to be used as a context manager; None where Drive is not set up, or not wanted."""
    tell: Callable[[str], object]
    """Hears what could not be looked at."""
    free: FreeBytes = free_bytes

    @contextmanager
    def old_days(self, project: str, day: date, project_id: str) -> Iterator["OldDays"]:
        """What can be read of the day, wherever it lies. Raises `DiskError`.

        Only of the project with this id: another one of the same name is nothing to compare with.
        """
        with ExitStack() as stack:
            found: list[OldDay] = []
            folder, unreadable = self._folder(project, day, project_id)
            found += [folder] if folder is not None else []
            for opened in (self._zip, self._copy):
                old = opened(stack, project, day, project_id)
                found += [old] if old is not None else []
            found = [old for old in found if not is_other(old.summary.project_id, project_id)]
            yield OldDays(folder, unreadable, found)

    def project_id(self, project: str, day: date, wanted: str = "") -> str:
        """LangSmith's id of the project that the day here is of; empty where nothing here says it."""
        try:
            folder = self.days.find(project, day, wanted)
        except InvalidSummary:
            folder = None
        if folder is not None:
            return folder.summary.project_id
        head = summary_in_zip(self.zips.zip_path(project, day, wanted), project=project, day=day)
        return head.project_id if head is not None else wanted

    def others(self, project: str, day: date) -> Iterator[DayFolder]:
        """The days of other projects of the name that lie beside the day here."""
        with suppress(InvalidSummary):
            folder = self.days.find(project, day)
            if folder is not None:
                yield from self.days.others(folder)

    def _folder(self, project: str, day: date, project_id: str) -> tuple[OldFolder | None, bool]:
        """The day folder, and whether one is there that cannot be read."""
        try:
            folder = self.days.find(project, day, project_id)
        except (InvalidSummary, DiskError) as error:
            self.tell(f"The day folder that is there cannot be read: {error.why}")
            return None, True
        return (OldFolder(folder) if folder is not None else None), False

    def _zip(self, stack: ExitStack, project: str, day: date, project_id: str) -> OldDay | None:
        path = self.zips.zip_path(project, day, project_id)
        if not os.path.lexists(path):
            return None
        try:
            return stack.enter_context(open_old_zip(path, project=project, day=day))
        except (BrokenZip, InvalidSummary, DiskError) as error:
            self.tell(f"The zip that is there cannot be read: {error.why}")
            return None

    def _copy(self, stack: ExitStack, project: str, day: date, project_id: str) -> OldDay | None:
        """The copy on Drive, unless it is the zip that is here."""
        if self.drive is None:
            return None
        try:
            with self.drive() as drive:
                file = find_copy(drive, project, day, project_id)
                path = self.zips.zip_path(project, day, project_id)
                if file is None or (path.is_file() and is_copy_of(file, path)):
                    return None
                self.zips.root.mkdir(parents=True, exist_ok=True)
                remove_abandoned(self.zips.root, SCRATCH)
                expect_room(self.zips.root, file.size, "Comparing with the copy on Drive", self.free)
                folder = stack.enter_context(scratch_folder(self.zips.root, SCRATCH))
                drive.download(file, folder / "drive.zip")
            where = file.web_view_link
            return stack.enter_context(
                open_old_zip(folder / "drive.zip", project=project, day=day, where=where)
            )
        except (ArchiveError, OSError) as error:
            self.tell(f"What Drive has of the day could not be read, and is not looked at: {_why(error)}")
            return None


@dataclass(frozen=True)
class OldDays:
    """A day in all the places where it lies and can be read."""

    folder: OldFolder | None
    folder_is_unreadable: bool
    """Whether something lies in the folder's place that is no day."""
    all: list[OldDay]
    present: str | None = None
    """The latest date that is believed, where somebody knows what time it is."""

    def is_misdated(self, old: OldDay) -> bool:
        """Whether it cannot have been fetched when it says so."""
        return self.present is not None and old.summary.fetched_at > self.present

    @property
    def forced_at(self) -> str | None:
        """When one of them was forced into place last."""
        times = (old.summary.forced_at for old in self.all)
        return max((at for at in times if at and (self.present is None or at <= self.present)), default=None)

    @property
    def misdated(self) -> str | None:
        """The latest date of those that are dated by a wrong clock."""
        return max((old.summary.fetched_at for old in self.all if self.is_misdated(old)), default=None)

    @property
    def folder_is_damaged(self) -> bool:
        """Whether the folder's place holds what cannot be read whole, as far as it was read."""
        return self.folder_is_unreadable or (self.folder is not None and bool(self.folder.damaged))


def _why(error: Exception) -> str:
    return error.why if isinstance(error, ArchiveError) else str(error)
