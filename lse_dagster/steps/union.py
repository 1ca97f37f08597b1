"""One day of all that is there: what LangSmith sends now, or sent last, and all that it sent before.

A fetch ends here, and a zip or an upload that finds more at its place than it brings. Only what somebody
forces into place gives anything up.
"""

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Final

import msgspec

from lse_dagster.advice import lse_command
from lse_dagster.day.disk import flush_files, flush_folder
from lse_dagster.day.errors import BrokenDay, DiskError
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.overwrite.carry_over import carry_over, with_summary
from lse_dagster.day.overwrite.comparison import Comparison
from lse_dagster.day.overwrite.difference import Replacement
from lse_dagster.day.overwrite.old_day import OldDay, OldFolder
from lse_dagster.day.overwrite.policy import (
    HoldsMore,
    Overwrite,
    counts_beside,
    may_replace,
    standing,
)
from lse_dagster.day.space import expect_room
from lse_dagster.day.staging import DecidedDay, StagedDay, Staging
from lse_dagster.day.store import Published
from lse_dagster.day.summary import Look
from lse_dagster.day.whole import latest_date
from lse_dagster.langsmith.errors import DayForgotten
from lse_dagster.run.times import iso_z
from lse_dagster.steps.beside import day_that_stays
from lse_dagster.steps.places import OldDays, Places

_KEEP: Final = (
    "Keep what is here: it is worth more. Bring it to Drive: {upload}; where there is no zip of it yet, "
    "{zip} before."
)


def keep_what_was_there(
    staged: StagedDay, places: Places, overwrite: Overwrite, *, forgotten_from: datetime
) -> DecidedDay:
    """A fetched day, with all that the places hold of it and it lacks; `store.publish` puts it in its place.

    Now is when LangSmith answered last: the date of an old day that is later than that proves nothing. From
    the moment on at which LangSmith may have begun to forget the day, a fetch only adds to the last one.
    Under `always` it stays as it came. Where it has no run, and a day of another project of the name lies at
    its place, that one stays. Raises `DayForgotten` where it would hold nothing because LangSmith may have
    forgotten it, `DiskError`; the staging is gone then.
    """
    if (other := day_that_stays(staged, places.days, places.tell)) is not None:
        return other
    summary = staged.day.summary
    now = datetime.fromisoformat(summary.asked.until if summary.asked is not None else summary.fetched_at)
    with staged.staging as staging, _beside(staged, places) as found:
        olds = dataclasses.replace(found, present=iso_z(latest_date(now)))
        late = now >= forgotten_from
        forced = overwrite == "always"
        base = _newest(staging, olds, look=staged.day) if late and not forced else None
        if base is not None:
            look = Look(summary.fetched_at, summary.langsmith_total, summary.counts.runs_started_in_day)
            fetched = OldFolder(dataclasses.replace(staged.day, path=staging.look), where="LangSmith")
            return _merged(StagedDay(staging, base), places, overwrite, olds, [fetched], look)
        decided = _forced(staged, places, now) if forced else _merged(staged, places, overwrite, olds)
        if late and not decided.day.summary.files:
            raise DayForgotten(staging.project, staging.date, (forgotten_from.date() - staging.date).days)
        return decided


def take_as_it_is(
    staged: StagedDay, places: Places, overwrite: Overwrite, *, now: Callable[[], datetime]
) -> DecidedDay:
    """A day that was restored or brought over, if it may take the place of what is there.

    Not if that holds more, or was fetched later and differs. What cannot be read whole, or is dated later
    than `now`, stands in nobody's way: what its hashes prove is carried over. Under `always` a day that would
    be refused is marked as forced.
    Raises `HoldsMore`, `DiskError`; the staging is gone then.
    """
    with staged.staging, _beside(staged, places) as olds:
        day, beside = staged.day, []
        present: str | None = None
        for old in olds.all:
            try:
                may_replace(day, old, what=f"Writing the day {day.date} of {day.project!r}")
            except HoldsMore as more:
                if overwrite == "always":
                    return _forced(staged, places, now())
                present = present or iso_z(latest_date(now()))
                if not old.damaged and old.summary.fetched_at <= present:
                    steps = {
                        step: lse_command(f"archive {step}", day.project, day.date)
                        for step in ("upload", "zip")
                    }
                    raise HoldsMore(more.what, more.why, _KEEP.format(**steps)) from None
                beside.append(old)
        return _merged(staged, places, overwrite, dataclasses.replace(olds, all=beside, present=present))


def unite(places: Places, project: str, day: date, project_id: str) -> Published:
    """Make the day of all that the places hold of it the day folder. What is the latest is the day.

    Raises `BrokenDay` when it can be read whole nowhere, `DayIsBusy`, `NoRoom`, `DiskError`.
    """
    with places.days.stage(project, day, keeps=lambda _: True) as staging:
        with places.old_days(project, day, project_id) as olds:
            needed = max((old.summary.bytes for old in olds.all), default=0)
            expect_room(places.days.root, needed, f"Bringing together {day} of {project!r}", places.free)
            base = _newest(staging, olds)
            if base is None:
                why = "; ".join(f"{old.where}: {old.damaged[0]}" for old in olds.all if old.damaged)
                raise BrokenDay(
                    f"Bringing together what is there of the day {day} of {project!r}",
                    f"It can be read whole nowhere. {why}",
                    f"Fetch it again while LangSmith has it: {lse_command('archive fetch', project, day)}",
                )
            united = _merged(StagedDay(staging, base), places, "superset", olds)
        return places.days.publish(united, "superset")


def _beside(staged: StagedDay, places: Places) -> AbstractContextManager[OldDays]:
    staging = staged.staging
    return places.old_days(staging.project, staging.date, staged.day.summary.project_id)


def _merged(
    staged: StagedDay,
    places: Places,
    overwrite: Overwrite,
    olds: OldDays,
    more: Sequence[OldDay] = (),
    look: Look | None = None,
) -> DecidedDay:
    forced_at = max(filter(None, (olds.forced_at, staged.day.summary.forced_at)), default=None)
    beside = [old for old in (*olds.all, *more) if counts_beside(old.summary, forced_at)]
    with Comparison(staged.day) as compared:
        compared.take_all(beside)
        difference = compared.difference()
        day = carry_over(compared, forced_at=forced_at, look=look)
    if (misdated := olds.misdated) is not None:
        day = _with_summary(day, outranks=misdated)
    damaged = olds.folder_is_damaged
    replaces = Replacement(difference) if beside or damaged else None
    return places.days.decided(StagedDay(staged.staging, day), overwrite, replaces, sets_aside=damaged)


def _forced(staged: StagedDay, places: Places, now: datetime) -> DecidedDay:
    forced = _with_summary(staged.day, forced_at=iso_z(now))
    return places.days.decided(StagedDay(staged.staging, forced), "always")


def _with_summary(day: DayFolder, **changes: str) -> DayFolder:
    try:
        return with_summary(day, msgspec.structs.replace(day.summary, **changes))
    except OSError as error:
        raise DiskError(f"Writing the day {day.date} of {day.project!r}", error) from error


def _newest(staging: Staging, olds: OldDays, *, look: DayFolder | None = None) -> DayFolder | None:
    """The old day that stands highest and is whole, in the staging; what waits there steps aside for it.

    None, and the staging as it was, where there is none.
    """
    forced_at = olds.forced_at
    candidates = [
        old for old in olds.all if counts_beside(old.summary, forced_at) and not olds.is_misdated(old)
    ]
    if not candidates:
        return None
    try:
        if look is not None:
            shutil.rmtree(staging.look, ignore_errors=True)  # of a process that was killed
            staging.content.rename(staging.look)
        for old in sorted(candidates, key=lambda old: standing(old.summary), reverse=True):
            staging.empty_content()
            base = old.write_into(staging.content)
            if base is not None:
                flush_files(base.path / name for name in (*base.summary.files, SUMMARY))
                flush_folder(base.path)
                return base
        if look is not None:
            shutil.rmtree(staging.content)
            staging.look.rename(staging.content)
    except OSError as error:
        raise DiskError(f"Writing the day {staging.date} of {staging.project!r}", error) from error
    return None
