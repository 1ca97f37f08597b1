"""The data directory: where each day lies, who may write it, and how a new one takes its place.

A day is written in a hidden staging folder beside its place and moved there in one step, so a crash at any
moment leaves the old day or the new one. One writer per day at a time: the lock is held from `stage` until
the staging is published or discarded, and ends with the process that holds it.
"""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import msgspec
from filelock import FileLock, Timeout

from lse_dagster.day.disk import exchange, flush_folder, path_aside, remove_whatever
from lse_dagster.day.errors import BrokenDay, DayIsBusy, DiskError, NoSuchDay
from lse_dagster.day.folder import DayFolder, read_day_folder
from lse_dagster.day.foreign import holds_day_files, move_foreign
from lse_dagster.day.identity import id_hash, place_of, scan
from lse_dagster.day.names import SUMMARY, day_name, parse_day_name, project_path_part
from lse_dagster.day.overwrite.difference import NOTHING_REPLACED, Replacement
from lse_dagster.day.overwrite.old_day import OldFolder
from lse_dagster.day.overwrite.policy import Overwrite, UnreadableDay, decide, difference_of, refuse_existing
from lse_dagster.day.overwrite.same_day import says_the_same
from lse_dagster.day.staging import DecidedDay, NewDay, SameDay, StagedDay, Staging
from lse_dagster.day.summary import InvalidSummary, read_head
from lse_dagster.run.identity import InvalidRun


@dataclass(frozen=True)
class Published:
    """A day in its place, and what it replaced."""

    day: DayFolder
    replaced: Replacement | None
    action: Literal["written", "kept"] = "written"
    """`kept`: the same day was there, every file compared with its hash. It, its zip and its copy stay."""
    set_aside: Path | None = None
    """Where that lies now which lay in its place and could not be read whole."""


class DayStore:
    """All days below one data directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def day_path(self, project: str, day: date, project_id: str = "") -> Path:
        """`<root>/<project>/<YYYY-MM-DD>`, or beside it where a day of another id lies there.

        Without an id the latest of what lies there is meant.
        """
        folder, hashed = self.root / project_path_part(project), id_hash(project_id)
        return place_of(
            lambda beside: folder / day_name(day, beside),
            [hashed] if hashed else self._besides(project, day),
            lambda path: read_head(path / SUMMARY, project, day),
            hashed,
        )

    def _besides(self, project: str, day: date) -> list[str]:
        found = scan(self.root / project_path_part(project), parse_day_name)
        return sorted(beside for (at, beside), _ in found if at == day and beside)

    def others(self, day: DayFolder) -> Iterator[DayFolder]:
        """The days of other projects of the same name that lie beside this one, and can be read."""
        for beside in ("", *self._besides(day.project, day.date)):
            path = self.root / project_path_part(day.project) / day_name(day.date, beside)
            if path != day.path:
                with suppress(InvalidSummary):
                    found = read_day_folder(path, project=day.project, day=day.date)
                    if found is not None:
                        yield found

    def staging_path(self, project: str, day: date) -> Path:
        """`<root>/<project>/.<YYYY-MM-DD>.staging`."""
        return self.root / project_path_part(project) / f".{day.isoformat()}.staging"

    def find(self, project: str, day: date, project_id: str = "") -> DayFolder | None:
        """The day, or None. Raises `InvalidSummary` for a folder without a valid summary.

        `project_id` as for `day_path`.
        """
        path = self.day_path(project, day, project_id)
        found = read_day_folder(path, project=project, day=day)
        if found is not None:
            return found
        # Where two folders cannot be exchanged in one step, a crash between the two renames leaves the old
        # day under its retired name only. It is still the day.
        if _retired_path(path).is_dir():
            with self.locked(project, day):
                self._settle_retired(path, project, day)
            return read_day_folder(path, project=project, day=day)
        return None

    def load(self, project: str, day: date, project_id: str = "") -> DayFolder:
        """The day. Raises `NoSuchDay`, or `InvalidSummary` as `find` does."""
        found = self.find(project, day, project_id)
        if found is None:
            raise NoSuchDay(project, day, self.day_path(project, day, project_id))
        return found

    def dates(self, project: str) -> list[date]:
        """The dates that have a folder with anything of a day in it, or something in its place, in order."""
        found = scan(self.root / project_path_part(project), parse_day_name)
        return sorted({day for (day, _), path in found if holds_day_files(path)})

    def days(self, project: str) -> Iterator[DayFolder]:
        """Every day of a project, in order. Raises `InvalidSummary` as `find` does."""
        for day in self.dates(project):
            found = self.find(project, day)
            if found is not None:
                yield found

    def stage(self, project: str, day: date, *, keeps: Callable[[Staging], bool] | None = None) -> Staging:
        """Begin a new day. Raises `DayIsBusy` when another process writes it, `DiskError`.

        What an interrupted run left behind is removed first, unless `keeps` says that it is of use.
        """
        lock = self._acquire(project, day)
        staging = Staging(project, day, self.staging_path(project, day), lock)
        try:
            for retired in staging.folder.parent.glob(f".{day.isoformat()}*.old"):
                place = retired.with_name(retired.name.removeprefix(".").removesuffix(".old"))
                self._settle_retired(place, project, day)
            if keeps is None or not keeps(staging):
                remove_whatever(staging.folder)
            staging.empty_content()
        except OSError as error:
            lock.release()
            raise DiskError(f"Staging the day {day} of {project!r}", error) from error
        return staging

    @contextmanager
    def locked(self, project: str, day: date) -> Iterator[None]:
        """Keep others from writing the day while it is read as a whole. Raises `DayIsBusy`, `DiskError`."""
        lock = self._acquire(project, day)
        try:
            yield
        finally:
            lock.release()

    def refuse_if_exists(self, project: str, day: date, overwrite: Overwrite, project_id: str = "") -> None:
        """Refuse early, before anything is fetched. Raises `OverwriteRefused` under `never`."""
        path = self.day_path(project, day, project_id)
        if overwrite == "never" and _is_taken(path):
            raise refuse_existing(_writing(project, day), str(path))

    def publish(self, staged: StagedDay | DecidedDay, overwrite: Overwrite) -> Published:
        """Move a staged day to its place in one step, if the policy allows it.

        Under `superset` a day that is there already, as `says_the_same` tells, is verified and kept.
        Raises `OverwriteRefused`, and `DiskError`; then the old day is as it was and the staging is gone.
        """
        staging = staged.staging
        with staging:
            decided = self.decided(staged, overwrite) if isinstance(staged, StagedDay) else staged
            if isinstance(decided, SameDay):
                staging.discard()
                return Published(decided.day, NOTHING_REPLACED, "kept")
            path = self.day_path(staging.project, staging.date, decided.day.summary.project_id)
            aside = path_aside(path) if decided.sets_aside else None
            try:
                self._move_into_place(staging, path, aside)
            except OSError as error:
                raise DiskError(f"Publishing the day {staging.date} of {staging.project!r}", error) from error
        staging.discard()
        return Published(dataclasses.replace(decided.day, path=path), decided.replaces, set_aside=aside)

    def decided(
        self,
        staged: StagedDay,
        overwrite: Overwrite,
        replaces: Replacement | None = None,
        *,
        sets_aside: bool = False,
    ) -> DecidedDay:
        """What becomes of a staged day; `replaces` and `sets_aside` where who staged it has compared it.

        Under `superset` the day in its place stays if it says the same and every file is right. Raises
        `OverwriteRefused`, `DiskError`.
        """
        day = staged.day
        if overwrite == "superset" and (same := self._same_day(day)) is not None:
            return SameDay(staged.staging, same, day.summary.fetched_at)
        path = self.day_path(day.project, day.date, day.summary.project_id)
        if (replaces is None or overwrite == "never") and _is_taken(path):
            try:
                replaces = decide(
                    day,
                    self._folder(day),
                    overwrite,
                    what=_writing(day.project, day.date),
                    where=str(path),
                    id_there=id_hash(day.summary.project_id),
                )
            except UnreadableDay:
                replaces, sets_aside = NOTHING_REPLACED, True
            if replaces.given_up:
                with suppress(InvalidSummary), self._folder(day) as old:
                    replaces = Replacement(difference_of(day, [old]), given_up=True)
        return NewDay(staged.staging, day, replaces, sets_aside)

    @contextmanager
    def _folder(self, new: DayFolder) -> Iterator[OldFolder]:
        """The folder in the place of a new day. Raises `InvalidSummary`."""
        yield OldFolder(self.load(new.project, new.date, new.summary.project_id))

    def _same_day(self, new: DayFolder) -> DayFolder | None:
        """The day that is there, if it says the same and every file is right."""
        if new.summary.counts.pending_runs:
            return None  # that they were unfinished then, too, tells whether they ever will be
        try:
            old = self.find(new.project, new.date, new.summary.project_id)
            if old is None or not says_the_same(old, new):
                return None
            old.verify_files()
        except (
            InvalidSummary,
            BrokenDay,
            DiskError,
            InvalidRun,
            OSError,
            msgspec.MsgspecError,
            UnicodeDecodeError,
        ):
            return None
        return old

    def _move_into_place(self, staging: Staging, path: Path, aside: Path | None) -> None:
        if not os.path.lexists(path):
            staging.content.rename(path)
        elif aside is not None:
            self._exchange_aside(staging.content, path, aside)
        elif exchange(staging.content, path):
            move_foreign(staging.content, path)
        else:
            retired = _retired_path(path)
            path.rename(retired)
            staging.content.rename(path)
            flush_folder(path.parent)
            move_foreign(retired, path)
            remove_whatever(retired)
        flush_folder(path.parent)

    def _exchange_aside(self, new: Path, place: Path, aside: Path) -> None:
        """Put the new day in its place and what lay there aside; at no moment it lies where it is removed."""
        new.rename(aside)
        if not exchange(aside, place):
            aside.rename(new)
            place.rename(aside)
            new.rename(place)

    def _settle_retired(self, path: Path, project: str, day: date) -> None:
        """End a replacement that a crash interrupted: the retired day goes away if another one is in its
        place, else it goes back, whatever somebody has put there since."""
        retired = _retired_path(path)
        if not retired.is_dir():
            return
        try:
            new = read_day_folder(path, project=project, day=day)
        except InvalidSummary:
            path.rename(path_aside(path))
            new = None
        if new is not None:
            move_foreign(retired, path)
            shutil.rmtree(retired)
        else:
            move_foreign(path, retired)
            retired.rename(path)

    def _acquire(self, project: str, day: date) -> FileLock:
        folder = self.root / project_path_part(project)
        lock = FileLock(folder / f".{day.isoformat()}.lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise DayIsBusy(project, day, Path(lock.lock_file)) from None
        except OSError as error:
            raise DiskError(f"Locking the day {day} of {project!r}", error) from error
        return lock


def _writing(project: str, day: date) -> str:
    return f"Writing the day {day} of {project!r}"


def _is_taken(place: Path) -> bool:
    """Whether anything of a day lies there, or something that is no folder."""
    return os.path.lexists(place) and (not place.is_dir() or holds_day_files(place))


def _retired_path(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")
