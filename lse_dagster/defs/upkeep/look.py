"""One look of the reconciliation at all days of a project: which runs it asks for.

What a day needs is decided in `calendar.rules`, by what `calendar.evidence` knows of it; the words are in
`dangers`. A danger that many days share is told once, with the whole list.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from logging import Logger
from typing import Annotated, Final

import dagster as dg
import msgspec

from lse_dagster.calendar.attempts import Step, steps_to_try
from lse_dagster.calendar.days import DriveCopy
from lse_dagster.calendar.evidence import Evidence, in_turn, unsafe_days
from lse_dagster.calendar.inventory import local_days
from lse_dagster.calendar.overview import Overview, overview_of
from lse_dagster.calendar.rules import Danger, KnownDay, Need, Rule, dangers, needs
from lse_dagster.calendar.scope import Scope
from lse_dagster.defs.check_table import ATTACHMENTS
from lse_dagster.defs.project import ArchivedProject
from lse_dagster.defs.resources import DriveResource, LocalStorage
from lse_dagster.defs.upkeep.dangers import told_of_attachments, told_of_days, told_of_scope
from lse_dagster.defs.upkeep.ops import DangerConfig
from lse_dagster.defs.upkeep.records import LEFT_OUT, Records, request_tags, step_name, step_name_of_many
from lse_dagster.drive.errors import HeldByAnother, TakenOver
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.clock import LangSmithClock
from lse_dagster.net.backoff import Backoff
from lse_dagster.run.times import iso_z
from lse_dagster.steps.drive_copy import hold_copies

_AFTER_THE_SCHEDULE: Final = timedelta(hours=1)
_FAILS_STILL: Final = timedelta(days=2)
"""Since it was tried last."""
QUICKLY: Final = Backoff(tries=2, patience=5)
DRIVE_TIMEOUT: Final = 15.0
"""Seconds. A tick that takes a minute is given up by Dagster."""
_AT_WORK: Final = timedelta(hours=1)
"""A run that began so lately may be all that is needed; an alarm waits for no other."""
_CLAIMS: Final = frozenset({"expired", "never compared"})
"""What is told only after Drive was asked: that a part of the archive is lost."""


class Looked(msgspec.Struct, frozen=True):
    """The sensor's cursor: the last look at which Drive was asked, and the settings of then."""

    project: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    scope: Scope


def last_look(cursor: str | None, project: str) -> Looked | None:
    """What a cursor says; None of none, and of one that cannot be read or is of another project."""
    try:
        found = msgspec.json.decode(cursor or "", type=Looked)
    except msgspec.MsgspecError:
        return None
    return found if found.project == project else None


@dataclass(frozen=True)
class Reconciliation:
    """What the reconciliation of one project works by.

    `first`: where the archive begins; `oldest`: the first day of which Dagster has a partition; `schedule`:
    how long after a day's end the schedule archives it.
    """

    project: ArchivedProject
    rule: Rule
    first: date
    oldest: date
    schedule: timedelta
    clock: LangSmithClock
    storage: LocalStorage
    drive: DriveResource
    left_out: Sequence[ArchiveError] = ()
    """Projects that have no sensor to say so themselves."""


def copies_on_drive(
    drive: DriveResource, project: str, log: Logger, tell: Callable[[TakenOver], object]
) -> dict[date, DriveCopy] | None:
    """The day zips of a project on Drive; None while Drive cannot be asked: an upload says why.

    `tell` hears when this machine goes on where another one archived.

    Raises `HeldByAnother` while another machine archives the project there: two would never agree.
    """
    try:
        with drive.connect(log, backoff=QUICKLY, timeout=DRIVE_TIMEOUT) as archive:
            return hold_copies(archive, project, lambda gone: tell(TakenOver(project, gone.host, gone.seen)))
    except HeldByAnother:
        raise
    except ArchiveError as error:
        log.warning(f"What Drive has is taken from the records. {error}")
        return None


class Look:
    """One look at all days of a project. `on_drive` is None if Drive could not be asked.

    Looked at are the days that LangSmith may still have, or had when somebody looked last, and whatever else
    is here and not on Drive: the settings may have been others.
    """

    def __init__(
        self,
        reconciliation: Reconciliation,
        records: Records,
        on_drive: Mapping[date, DriveCopy] | None,
        last: Looked | None,
    ) -> None:
        self._reconciliation = reconciliation
        self._project = reconciliation.project
        self._rule = reconciliation.rule
        self._missing_after = reconciliation.schedule + _AFTER_THE_SCHEDULE
        self._now = reconciliation.clock.now()
        self._last_event = records.last_event()
        self._records = records
        storage, name = reconciliation.storage, reconciliation.project.configured_name
        local = local_days(storage.days.root, storage.zips.root, name)
        scope = Scope(reconciliation.first, self._rule.retention_days)
        self._this = Looked(name, self._now, scope)
        self._last = last
        before = last or self._this
        watched = self._rule.watched_days(self._now, first=reconciliation.first, since=before.at)
        today = (self._now - self._missing_after).date()  # the schedule had its turn with those before
        unsafe = in_turn([day for day in unsafe_days(local, on_drive) if day < today], self._now)
        self._days = [day for day in sorted({*watched, *unsafe}) if self._has_partition(day)]
        self._scope_before = before.scope
        left_out = sorted({*before.scope.days(self._now)} - {*scope.days(self._now)})
        recorded = records.recorded_days(sorted({*self._days, *left_out}), local)
        self._evidence = Evidence(local, on_drive, recorded)
        self._left_out = [day for day in left_out if self._evidence.known(day) is None]
        self._busy = records.busy_days(self._now)
        self._waiting = {day for day, since in self._busy.items() if abs(self._now - since) < _AT_WORK}

    def _has_partition(self, day: date) -> bool:
        """Dagster has none for a day that goes on by this machine's clock, whatever LangSmith's says."""
        return self._reconciliation.oldest <= day < self._reconciliation.clock.machine().date()

    def result(self) -> dg.SensorResult:
        """The runs to start: the next step of each day, or the news that it is about to be lost."""
        known = {day: self._evidence.known(day) for day in self._days}
        seen = (one.as_of(self._now).seen_at for one in known.values() if one is not None)
        going = steps_to_try(
            self._steps(known, self._busy),
            self._rule,
            now=self._now,
            worked_at=max(filter(None, seen), default=None),
        )
        anew = {day for day, step in going.items() if step.tried_at <= self._now - _FAILS_STILL}
        self._waiting |= anew  # that may be all that is needed
        quiet = {*self._waiting, *self._left_out}
        in_danger = {day: one for day, one in known.items() if day not in quiet}
        requests = [self._request(step) for _, step in sorted(going.items())]
        requests += [*self._alarms(in_danger), *self._changes_of_settings()]
        return dg.SensorResult(run_requests=requests, cursor=self._cursor())

    def overview(self) -> Overview:
        """The project at a glance; after `result` with what that asks for, too."""
        reconciliation = self._reconciliation
        return overview_of(
            reconciliation.project.configured_name,
            self._evidence,
            self._rule,
            first=reconciliation.first,
            now=self._now,
            schedule=reconciliation.schedule,
            looked_at=self._days,
            at_work=self._waiting,
        )

    def _cursor(self) -> str | None:
        """While Drive cannot be asked it stays: what was lost since then is yet to be told."""
        looked = self._this if self._evidence.on_drive is not None else self._last
        return msgspec.json.encode(looked).decode() if looked is not None else None

    def _steps(self, known: Mapping[date, KnownDay | None], busy: Container[date]) -> list[Step]:
        """What the days need, in the order in which to try it: what fails does not hold up the rest."""
        wanted = [(day, need) for day, one in known.items() for need in self._needs(day, one)]
        names = {(day, need): step_name(self._project, day, need.value) for day, need in wanted}
        tried = self._records.requests(names.values(), now=self._now)
        return [Step(*step, tried[name], step[0] in busy) for step, name in names.items()]

    def _needs(self, day: date, known: KnownDay | None) -> Sequence[Need]:
        wanted = needs(day, known, self._rule, now=self._now, missing_after=self._missing_after)
        if day < self._reconciliation.first:  # what is here is not lost, and LangSmith is asked no more
            return [need for need in wanted if need is Need.UPLOAD]
        return wanted

    def _request(self, step: Step) -> dg.RunRequest:
        project, name = self._project, step_name(self._project, step.day, step.need.value)
        return dg.RunRequest(
            # Not numbered: how many there were is forgotten when somebody deletes runs.
            run_key=f"{name}/{iso_z(self._now)}",
            job_name=project.job_name("reconcile" if step.need is Need.COUNT else "archive"),
            partition_key=step.day.isoformat(),
            asset_selection=self._assets_to_upload(step.day) if step.need is Need.UPLOAD else None,
            tags=request_tags(name, self._now),
        )

    def _assets_to_upload(self, day: date) -> list[dg.AssetKey]:
        assets = ("day_zip", "drive_archive") if self._evidence.can_zip(day) else ("drive_archive",)
        return [self._project.key(asset) for asset in assets]

    def _alarms(self, known: Mapping[date, KnownDay | None]) -> Iterator[dg.RunRequest]:
        """Tell how near days are to being lost, once each; those in the same danger together."""
        found: dict[Danger, list[date]] = {}
        for day, one in known.items():
            for danger in dangers(day, one, self._rule, now=self._now):
                if not self._is_no_claim_of_ours(day, one, danger):
                    found.setdefault(danger, []).append(day)
        for danger, days in found.items():
            told = {*self._records.told(days, danger, now=self._now)}
            if danger == "expired":
                told |= self._told_as_left_out(days)
            untold = [day for day in days if day not in told]
            if danger == "lacks attachments":  # which ones is each day's own matter
                yield from (self._tell([day], danger, self._words([day], danger)) for day in untold)
            elif untold:
                yield self._tell(untold, danger, self._words(untold, danger))

    def _told_as_left_out(self, days: Sequence[date]) -> set[date]:
        """Those that LangSmith had forgotten by the settings alone: by others it may have them yet."""
        told = self._records.told(days, LEFT_OUT, now=self._now)
        return {day for day, at in told.items() if at >= self._rule.expires(day)}

    def _is_no_claim_of_ours(self, day: date, known: KnownDay | None, danger: Danger) -> bool:
        """Nothing is lost as long as Drive may have it, and the archive did not begin with a loss."""
        if danger in _CLAIMS and self._evidence.on_drive is None:
            return True
        return danger == "expired" and known is None and day < self._evidence.began

    def _changes_of_settings(self) -> Iterator[dg.RunRequest]:
        """What the settings of now leave out, once."""
        if self._evidence.on_drive is None or self._project.is_former:
            return
        scope, today = self._this.scope, self._now.date()
        changed = told_of_scope(self._scope_before, scope, self._left_out, today=today)
        if changed is not None:
            yield self._tell(self._left_out, LEFT_OUT, changed)

    def _tell(self, days: Sequence[date], what: str, words: DangerConfig) -> dg.RunRequest:
        project = self._project
        if what != "never compared":  # a check that passes later does not mend that
            words = words.model_copy(update={"unless_passed_after": self._last_event})
        day = days[0] if len(days) == 1 and self._has_partition(days[0]) else None
        step = step_name(project, day, what) if day is not None else step_name_of_many(project, what)
        return dg.RunRequest(
            run_key=f"{step}/{iso_z(self._now)}",
            job_name=project.job_name("expiry"),
            partition_key=day.isoformat() if day is not None else None,
            run_config=dg.RunConfig(ops={project.job_name("report_danger"): words}),
            tags=request_tags(step, self._now),
        )

    def _words(self, days: Sequence[date], danger: Danger) -> DangerConfig:
        if danger != "lacks attachments":
            asked = self._evidence.on_drive is not None
            return told_of_days(
                self._project,
                days,
                danger,
                self._rule,
                self._now,
                drive_was_asked=asked,
                was_tried=bool(self._records.tried_days(days)),
            )
        check = self._records.latest_result("raw_runs", ATTACHMENTS.name, days[0])
        which = check.description if check is not None else None
        return told_of_attachments(self._project, days[0], which, self._rule, self._now)
