"""The look at this installation as a whole: what keeps days from being archived, or is about to.

It is made inside the code location, because only that sees the disk and knows the keys, and ends as a tick of
a sensor, which all who watch can see: the UI, the messages, and `lse health` from any machine. What may pass
by itself (a server that does not answer) is no finding: if it stays, the days are late, and that is one.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import dagster as dg

from lse_dagster.calendar.evidence import Evidence
from lse_dagster.day.interval import DayInterval
from lse_dagster.day.inventory import local_days
from lse_dagster.day.reconciliation import KnownDay
from lse_dagster.day.space import KEPT_FREE, FreeBytes, days_left
from lse_dagster.day.store import DayStore
from lse_dagster.drive import Backoff
from lse_dagster.drive.about import sign_in_status
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.clock import LangSmithClock
from lse_dagster.langsmith.server import look_at_workspace
from lse_dagster.langsmith.transport import Transport
from lse_dagster.project import ArchivedProject
from lse_dagster.records import Records
from lse_dagster.settings import Settings

_PATIENCE: Final = 0.5
"""Seconds between tries, in all: the next look comes soon."""
_TIMEOUT: Final = 8.0
"""A tick must end within a minute."""
_LATE: Final = timedelta(hours=6)
"""How long after the schedule a day is on Drive at the latest; after that somebody should know."""
_DAYS_LEFT: Final = 7
_DAYS_LEFT_WHERE_FREED: Final = 2
"""Where `free_disk` is set up the disk may be nearly full all the time."""
_SHOWN: Final = 10


class Unhealthy(ArchiveError):
    """Something of the whole installation is wrong. It has several parts if several things are."""

    @classmethod
    def of(cls, found: Sequence[ArchiveError]) -> "Unhealthy":
        """One error of one or more."""
        what = "Looking at this installation" if len(found) > 1 else found[0].what
        whys = found[0].why if len(found) == 1 else " ".join(f"{one.what}: {one.why}" for one in found)
        return cls(what, whys, " ".join(dict.fromkeys(one.next_step for one in found)))


@dataclass(frozen=True)
class Installation:
    """What is looked at. `schedule`: how long after a day's end it is archived."""

    settings: Settings
    projects: Sequence[ArchivedProject]
    schedule: timedelta
    clock: LangSmithClock
    free: FreeBytes

    @property
    def last_night(self) -> date:
        """The last day that the schedule has archived by now, if all is well."""
        return (self.clock.now() - self.schedule).date() - timedelta(days=1)

    def problems(self, instance: dg.DagsterInstance, *, ask: bool) -> list[ArchiveError]:
        """What is wrong. With `ask` the servers are asked whether they take the keys."""
        if self.settings.invalid:
            return list(self.settings.invalid)  # the others would be looked at with the wrong ones
        found = [*self.settings.impossible_projects(), *self._disk(), *self._late_days(instance)]
        if (wrong_clock := self.clock.problem()) is not None:
            found.append(wrong_clock)
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
        days = (self._known(instance, project, [day]).get(day) for project in self.projects)
        return all(known is not None and known.on_drive for known in days)

    def _known(
        self, instance: dg.DagsterInstance, project: ArchivedProject, days: Sequence[date]
    ) -> dict[date, KnownDay]:
        """What is known of the days by this disk and the records; the reconciliation asks Drive."""
        local = local_days(self.settings.data_dir, self.settings.archives_dir, project.name or "")
        evidence = Evidence(local, None, Records(instance, project).recorded_days(days, local))
        return {day: known for day in days if (known := evidence.known(day)) is not None}

    def _disk(self) -> Iterator[ArchiveError]:
        settings, names = self.settings, [project.name for project in self.projects if project.name]
        freeing = "Free some space: the job free_disk removes days that Drive holds verified."
        for variable, path in (
            ("LSE_DATA_DIR", settings.data_dir),
            ("LSE_ARCHIVES_DIR", settings.archives_dir),
        ):
            try:
                left = self.free(path)
            except OSError as error:
                next_step = f"Look at the disk, or set {variable} to another place."
                yield ArchiveError(f"Looking at the disk of {variable}", f"{error.strerror}.", next_step)
                continue
            if left < KEPT_FREE:
                why = f"{path.absolute()} has {left / 1e9:,.1f} GB free: nothing is fetched any more."
                yield ArchiveError(f"Looking at the disk of {variable}", why, freeing)
                return
        lasts = days_left(DayStore(settings.data_dir), names, self.free)
        enough = _DAYS_LEFT if settings.keep_local_days is None else _DAYS_LEFT_WHERE_FREED
        if lasts is not None and lasts < enough:
            why = f"{settings.data_dir.absolute()} is full in {lasts:,.0f} days at the present rate."
            yield ArchiveError("Looking at the disk of LSE_DATA_DIR", why, freeing)

    def _late_days(self, instance: dg.DagsterInstance) -> Iterator[ArchiveError]:
        now, rule = self.clock.now(), self.settings.reconciliation
        watched = rule.watched_days(now, first=self.settings.start_date)
        due = [day for day in watched if now >= DayInterval.of(day).end + self.schedule + _LATE]
        for project in self.projects:
            if project.name is None:
                continue
            known = self._known(instance, project, due)
            held = {day for day, one in known.items() if one.is_sound}
            on_drive = {day for day, one in known.items() if one.on_drive}
            late = [day for day in due if day not in on_drive and (now < rule.expires(day) or day in held)]
            if late:
                days = ", ".join(map(str, late[:_SHOWN])) + (", ..." if len(late) > _SHOWN else "")
                yield ArchiveError(
                    f"Looking for the days of {project.name!r} on Drive",
                    f"{len(late):,} are not there: {days}.",
                    "Read why their last runs failed; `lse status` has the command for each.",
                )

    def _langsmith_key(self) -> list[ArchiveError]:
        try:
            reach = self.settings.langsmith(patience=_PATIENCE, read_timeout=_TIMEOUT)
            with Transport(reach) as transport:
                look_at_workspace(transport, most=1)
        except ArchiveError as error:
            return _lasting(error)
        return []

    def _drive(self) -> list[ArchiveError]:
        if not self.settings.drive_folder_url:
            return []  # told by the step that needs it
        quickly = Backoff(tries=1, patience=_PATIENCE)
        status = sign_in_status(self.settings.drive(), backoff=quickly, timeout=_TIMEOUT)
        return _lasting(status.problem) if status.problem is not None else []


def health_sensor(
    installation: Installation, ping: Callable[[], object] | None, *, on: bool
) -> dg.SensorDefinition:
    """Look at the whole every ten minutes; a tick fails by what is wrong. `ping` after a good night."""

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
        if found := installation.problems(context.instance, ask=ask):
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
    """When the servers were asked last, and after which day's night the switch was pinged."""
    asked, _, pinged = (cursor or " ").partition(" ")
    return (
        datetime.fromisoformat(asked) if asked else None,
        date.fromisoformat(pinged) if pinged else None,
    )


def _lasting(error: ArchiveError) -> list[ArchiveError]:
    return [] if error.transient else [error]
