"""The look at this installation as a whole: what keeps days from being archived, or is about to.

It is made inside the code location, because only that sees the disk and knows the keys, and ends as a tick of
a sensor, which all who watch can see: the UI, the messages, and `lse health` from any machine. What may pass
by itself (a server that does not answer) is no finding: if it stays, the days are late, and that is one.
"""

import logging
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

from lse_dagster.advice import lse_command
from lse_dagster.calendar.evidence import Evidence
from lse_dagster.calendar.inventory import LocalDay, local_days
from lse_dagster.calendar.overview import LATE_AFTER, standing
from lse_dagster.calendar.rules import KnownDay
from lse_dagster.day.space import KEPT_FREE, DiskFillsUp, FreeBytes, NoRoom, days_left
from lse_dagster.day.store import DayStore
from lse_dagster.defs.alerts.observations import keep_health, keep_seen
from lse_dagster.defs.overview.events import FIRST_LOOKS_TAKE
from lse_dagster.defs.overview.kept import kept_overviews
from lse_dagster.defs.overview.words import is_current
from lse_dagster.defs.project import ArchivedProject
from lse_dagster.defs.upkeep.records import Records
from lse_dagster.drive.status import sign_in_status
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.clock import LangSmithClock, WrongClock
from lse_dagster.langsmith.server import look_at_workspace
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.backoff import Backoff
from lse_dagster.run.times import DayInterval, date_of_key, in_rows, parse_time
from lse_dagster.settings import Settings

_PATIENCE: Final = 0.5
"""Seconds between tries, in all: the next look comes soon."""
_TIMEOUT: Final = 8.0
"""A tick must end within a minute."""
_DAYS_LEFT: Final = 7
_DAYS_LEFT_WHERE_FREED: Final = 2
"""Where `free_disk` is set up the disk may be nearly full all the time."""
_FREEING: Final = "Free some space: the job free_disk removes days that Drive holds verified."
_SHOWN: Final = 10
_NEVER_FOUND: Final = object()


class Unhealthy(ArchiveError):
    """Something of the whole installation is wrong. It has several parts if several things are."""

    @classmethod
    def of(cls, found: Sequence[ArchiveError]) -> "Unhealthy":
        """One error of one or more."""
        what = "Looking at this installation" if len(found) > 1 else found[0].what
        whys = found[0].why if len(found) == 1 else " ".join(f"{one.what}: {one.why}" for one in found)
        return cls(what, whys, " ".join(dict.fromkeys(one.next_step for one in found)))


class LateDays(ArchiveError):
    """Days of a project are not on Drive, though they should be by now."""

    def __init__(self, project: str, late: Sequence[date], tried: Container[date] = ()) -> None:
        rows = in_rows(late)
        days = ", ".join(rows[:_SHOWN]) + (", ..." if len(rows) > _SHOWN else "")
        why = f"{len(late):,} of them {'is' if len(late) == 1 else 'are'} late: {days}."
        if any(day in tried for day in late):
            next_step = "Read why their last runs failed; `lse status` has the command for each."
        else:
            why += " No run for them has ended yet."
            next_step = (
                "See whether runs only wait (UI: Runs), and sensors and schedules work (`lse health`). "
                f"By hand: {lse_command('archive', project, in_rows(late)[0])}"
            )
        super().__init__(f"Looking for the days of {project!r} on Drive", why, next_step)
        self.project = project


@dataclass(frozen=True)
class Installation:
    """What is looked at. `schedule`: how long after a day's end it is archived."""

    settings: Settings
    projects: Sequence[ArchivedProject]
    schedule: timedelta
    clock: LangSmithClock
    free: FreeBytes
    _looks_since: list[datetime] = field(default_factory=list, compare=False)
    """When the first look of this process was."""
    _safe: dict[tuple[str, date], LocalDay | None] = field(default_factory=dict, compare=False)
    """The folders of the days that were found on Drive: to ask the records for all days of hundreds of
    projects each time takes longer than a tick may."""

    @property
    def last_night(self) -> date:
        """The last day that the schedule has archived by now, if all is well."""
        return self.last_night_by(self.clock.now())

    def last_night_by(self, now: datetime) -> date:
        """The same at a moment."""
        return (now - self.schedule).date() - timedelta(days=1)

    def problems(self, instance: dg.DagsterInstance, *, ask: bool) -> list[ArchiveError]:
        """What is wrong. With `ask` the servers are asked whether they take the keys."""
        if self.settings.invalid:
            return list(self.settings.invalid)  # the others would be looked at with the wrong ones
        today = self.clock.now().date()
        looked_at = (self.settings.idle(today), self.clock.problem())
        found = [
            *self.settings.impossible_projects(),
            *self._disks(instance.root_directory),
            *self._late_days(instance),
            *(problem for problem in looked_at if problem is not None),
        ]
        if ask:
            with ThreadPoolExecutor(thread_name_prefix="health") as threads:
                asked = [threads.submit(look) for look in (self._langsmith_key, self._drive)]
            found += [one for look in asked for one in look.result()]
        return found

    def was_good_night(self, instance: dg.DagsterInstance) -> bool:
        """Whether each project's last day is on Drive."""
        day = self.last_night
        if day < self.settings.start_date:
            return False
        return not any(self._not_on_drive(instance, project, [day]) for project in self.projects)

    def _not_on_drive(
        self, instance: dg.DagsterInstance, project: ArchivedProject, days: Sequence[date]
    ) -> dict[date, KnownDay | None]:
        """Those that are not on Drive by this disk and the records; the reconciliation asks Drive.

        One that was found there is asked for again only if something else lies in its folder since.
        """
        name, data = project.name or "", self.settings.data_dir
        folders = local_days(data, None, name, days)
        asked = [day for day in days if self._safe.get((name, day), _NEVER_FOUND) != folders.get(day)]
        if not asked:
            return {}
        local = local_days(data, self.settings.archives_dir, name, asked)
        evidence = Evidence(local, None, Records(instance, project).recorded_days(asked, local))
        known = {day: evidence.known(day) for day in asked}
        found = {day for day, one in known.items() if one is not None and one.on_drive}
        self._safe.update({(name, day): folders.get(day) for day in found})
        return {day: one for day, one in known.items() if day not in found}

    def _disks(self, home: str) -> Iterator[ArchiveError]:
        """`home` is Dagster's. All three may lie on one disk, or on one each."""
        settings = self.settings
        places = {
            "LSE_DATA_DIR": settings.data_dir,
            "LSE_ARCHIVES_DIR": settings.archives_dir,
            "DAGSTER_HOME": Path(home),
        }
        left: dict[str, int] = {}
        for variable, path in places.items():
            try:
                left[variable] = self.free(path)
            except OSError as error:
                next_step = f"Look at the disk, or set {variable} to another place."
                yield ArchiveError(f"Looking at the disk of {variable}", f"{error.strerror}.", next_step)
        full = [variable for variable, count in left.items() if count < KEPT_FREE]
        if full:
            found = ", ".join(f"{places[one].absolute()} has {left[one] / 1e9:,.1f} GB free" for one in full)
            why = f"{found}. Below {KEPT_FREE / 1e9:,.0f} GB nothing is fetched, and Dagster stops soon."
            yield NoRoom(f"Looking at the disk of {' and '.join(full)}", why, _FREEING)
        elif len(left) == len(places):
            names = [project.name for project in self.projects if project.name]
            store, enough = DayStore(settings.data_dir), _DAYS_LEFT
            if settings.keep_local_days is not None:
                enough = _DAYS_LEFT_WHERE_FREED
            for path, days in days_left(store, names, settings.archives_dir, self.free):
                if days < enough:
                    why = f"{path.absolute()} is full in {days:,.0f} days at the present rate."
                    yield DiskFillsUp(f"Looking at the room at {path.absolute()}", why, _FREEING)

    def _late_days(self, instance: dg.DagsterInstance) -> Iterator[ArchiveError]:
        now, rule = self.clock.now(), self.settings.reconciliation
        self._looks_since[:] = [min((now, *self._looks_since))]
        is_first = now - self._looks_since[0] < FIRST_LOOKS_TAKE
        looked = kept_overviews(instance, [project.name for project in self.projects if project.name])
        watched = rule.watched_days(now, first=self.settings.start_date)
        due = [day for day in watched if now >= DayInterval.of(day).end + self.schedule + LATE_AFTER]
        for project in self.projects:
            if project.name is None:
                continue
            found = looked[project.name]
            if found is None and is_first:
                continue  # nobody has asked yet for what was never archived
            begun = found.days("in time") if found is not None and is_current(found, now) else []
            missing = self._not_on_drive(instance, project, [day for day in due if day not in begun])
            late = [
                day
                for day, known in missing.items()
                if standing(day, known, rule, now=now, schedule=self.schedule) != "forgotten"
            ]
            if late:
                yield LateDays(project.name, late, Records(instance, project).tried_days(late))
        for gone in [key for key in self._safe if due and key[1] < due[0]]:
            del self._safe[gone]

    def _langsmith_key(self) -> list[ArchiveError]:
        try:
            reach = replace(self.settings.langsmith, patience=_PATIENCE, read_timeout=_TIMEOUT)
            with Transport(reach) as transport:
                look_at_workspace(transport, most=1)
        except ArchiveError as error:
            return _lasting(error)
        return []

    def _drive(self) -> list[ArchiveError]:
        if not self.settings.drive.folder_url:
            return []  # told by the step that needs it
        quickly = Backoff(tries=1, patience=_PATIENCE)
        status = sign_in_status(self.settings.drive, backoff=quickly, timeout=_TIMEOUT)
        return _lasting(status.problem) if status.problem is not None else []


def health_sensor(
    installation: Installation,
    show: Callable[..., object],
    ping: Callable[[], object] | None,
    *,
    on: bool,
) -> dg.SensorDefinition:
    """Look at the whole every ten minutes; a tick fails by what is wrong.

    `show`, given the instance and `now`, shows what the looks at the days found. `ping` after a good night.
    """

    @dg.sensor(
        name="health_sensor",
        minimum_interval_seconds=600,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description="Looks at settings, disk, clock, keys and last night's days; fails by what is wrong. "
        "`lse health` and LSE_PING_URL go by it.",
    )
    def health(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        asked, pinged = _read(context.cursor)
        now = installation.clock.now()
        ask = asked is None or now - asked >= timedelta(hours=20) or now < asked
        found = installation.problems(context.instance, ask=ask)
        keep_health(context.instance, found, now)
        show(context.instance, now=now)
        for wrong_clock in (one for one in found if isinstance(one, WrongClock)):
            keep_seen(context.instance, "health_sensor", wrong_clock, now)
        if found:
            raise Unhealthy.of(found)  # the cursor stays: what was asked is asked again
        asked = now if ask else asked
        night = installation.last_night
        if ping is not None and pinged != night and installation.was_good_night(context.instance):
            try:
                ping()
                pinged = night
            except ArchiveError as error:
                logging.getLogger(__name__).warning(str(error))
        context.update_cursor(f"{asked.isoformat() if asked else ''} {pinged or ''}")
        return dg.SkipReason(f"All is well; {night} was archived last.")

    return health


def _read(cursor: str | None) -> tuple[datetime | None, date | None]:
    """When the servers were asked last, and after which day's night the switch was pinged, if it says so."""
    asked, _, pinged = (cursor or " ").partition(" ")
    return parse_time(asked), date_of_key(pinged)


def _lasting(error: ArchiveError) -> list[ArchiveError]:
    return [] if error.transient else [error]
