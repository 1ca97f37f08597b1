"""One look of the reconciliation at all days of a project: which runs it asks for.

What a day needs is decided in `day.reconciliation`, by what `calendar.evidence` knows of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import dagster as dg

from lse_dagster.calendar.evidence import Evidence
from lse_dagster.checks import ATTACHMENTS_CHECK
from lse_dagster.day.calendar import DriveCopy
from lse_dagster.day.drive_copy import list_copies
from lse_dagster.day.interval import iso_z
from lse_dagster.day.inventory import local_days
from lse_dagster.day.reconciliation import Danger, KnownDay, Need, Rule, danger, needs, pause_after
from lse_dagster.drive.retry import Backoff
from lse_dagster.errors import ArchiveError
from lse_dagster.ops import DangerConfig
from lse_dagster.project import ArchivedProject
from lse_dagster.records import Records, request_tags, step_name
from lse_dagster.resources import DriveResource, LocalStorage
from lse_dagster.waiting import Log

_AFTER_THE_SCHEDULE: Final = timedelta(hours=1)
_FAILS_STILL: Final = timedelta(days=2)
"""Since it was tried last; more than the longest pause."""
_QUICKLY: Final = Backoff(tries=2, patience=5)
_DRIVE_TIMEOUT: Final = 15.0
"""Seconds. A tick that takes a minute is given up by Dagster."""


@dataclass(frozen=True)
class Reconciliation:
    """What the reconciliation of one project works by.

    `first`: where the archive begins; `schedule`: how long after a day's end the schedule archives it.
    """

    project: ArchivedProject
    rule: Rule
    first: date
    schedule: timedelta
    now: Callable[[], datetime]
    storage: LocalStorage
    drive: DriveResource
    left_out: Sequence[ArchiveError] = ()
    """Projects that have no sensor to say so themselves."""


def copies_on_drive(drive: DriveResource, project: str, log: Log) -> dict[date, DriveCopy] | None:
    """The day zips of a project on Drive; None while Drive cannot be asked: an upload says why."""
    try:
        with drive.connect(log, backoff=_QUICKLY, timeout=_DRIVE_TIMEOUT) as archive:
            copies = list_copies(archive, project)
    except ArchiveError as error:
        log.warning(f"What Drive has is taken from the records. {error}")
        return None
    return {day: DriveCopy(file.size, file.web_view_link) for day, file in copies.items()}


class Look:
    """One look at all days of a project. `on_drive` is None if Drive could not be asked."""

    def __init__(
        self, reconciliation: Reconciliation, records: Records, on_drive: Mapping[date, DriveCopy] | None
    ) -> None:
        self._project = reconciliation.project
        self._rule = reconciliation.rule
        self._missing_after = reconciliation.schedule + _AFTER_THE_SCHEDULE
        self._now = reconciliation.now()
        self._days = reconciliation.rule.watched_days(self._now, first=reconciliation.first)
        self._records = records
        storage, name = reconciliation.storage, reconciliation.project.configured_name
        self._evidence = Evidence(
            local_days(storage.days.root, storage.zips.root, name),
            on_drive,
            records.recorded_days(self._days),
        )

    def result(self) -> dg.SensorResult:
        """The runs to start: the next step of each day, or the news that it is about to be lost."""
        busy, began = self._records.busy_days(), self._evidence.began
        free = [(day, self._evidence.known(day)) for day in self._days if day not in busy]
        requests: list[dg.RunRequest | None] = []
        for day, known in free:
            tried, request = self._next_request(day, known)
            requests.append(request)
            if request is None or tried:  # the first attempt may be all that is needed
                requests.append(self._alarm(day, known, began))
        return dg.SensorResult(run_requests=[request for request in requests if request is not None])

    def _next_request(self, day: date, known: KnownDay | None) -> tuple[bool, dg.RunRequest | None]:
        """The first step that was not tried lately: one that keeps failing does not hold up the others.

        And whether it failed lately.
        """
        wanted = needs(day, known, self._rule, now=self._now, missing_after=self._missing_after)
        before = {need: self._records.requests(step_name(self._project, day, need.value)) for need in wanted}
        asked = ((self._is_failing(before[need]), self._request(day, need, before[need])) for need in wanted)
        return next(((tried, request) for tried, request in asked if request is not None), (False, None))

    def _is_failing(self, before: Sequence[datetime]) -> bool:
        """Whether a step that is needed was tried lately, by when it was."""
        return bool(before) and before[-1] > self._now - _FAILS_STILL

    def _request(self, day: date, need: Need, before: Sequence[datetime]) -> dg.RunRequest | None:
        project = self._project
        step = step_name(project, day, need.value)
        if before:
            left = self._rule.expires(day) - before[-1] if need is not Need.UPLOAD else None
            if self._now < before[-1] + pause_after(len(before), left):
                return None
        return dg.RunRequest(
            # Not numbered: how many there were is forgotten when somebody deletes runs.
            run_key=f"{step}/{iso_z(self._now)}",
            job_name=project.job_name("reconcile" if need is Need.COUNT else "archive"),
            partition_key=day.isoformat(),
            asset_selection=self._assets_to_upload(day) if need is Need.UPLOAD else None,
            tags=request_tags(step, self._now),
        )

    def _assets_to_upload(self, day: date) -> list[dg.AssetKey]:
        assets = ("day_zip", "drive_archive") if self._evidence.can_zip(day) else ("drive_archive",)
        return [self._project.key(asset) for asset in assets]

    def _alarm(self, day: date, known: KnownDay | None, began: date) -> dg.RunRequest | None:
        """Tell how near the day is to being lost, once each. The archive did not begin with a loss."""
        found = danger(day, known, self._rule, now=self._now)
        if found is None or (found == "expired" and known is None and day < began):
            return None
        project, step = self._project, step_name(self._project, day, found)
        if self._records.requests(step):
            return None
        return dg.RunRequest(
            run_key=step,
            job_name=project.job_name("expiry"),
            partition_key=day.isoformat(),
            run_config=dg.RunConfig(ops={project.job_name("report_danger"): self._told(day, found)}),
            tags=request_tags(step, self._now),
        )

    def _told(self, day: date, found: Danger) -> DangerConfig:
        """What people are told of a danger."""
        expires = self._rule.expires(day)
        forgotten = self._now >= expires
        deletes = "LangSmith deleted" if forgotten else "LangSmith deletes"
        when = f"from {expires:%Y-%m-%d %H:%M} UTC on."
        again = f"lse archive --project {self._project.name!r} --date {day}"
        if found == "lacks attachments":
            check = self._records.latest_result("raw_runs", ATTACHMENTS_CHECK, day)
            which = check.description if check is not None else None
            why = f"Attachments could not be downloaded, and {deletes} them {when}"
            mend = f"Once the store that holds them answers again: {again}"
            keep = "Keep the day as it is: all else of it is on Drive."
            return DangerConfig(
                check="attachments",
                why=f"{why} {which}" if which else why,
                next_step=keep if forgotten else mend,
            )
        why = f"The day is not safe on Drive, and {deletes} it {when}"
        return DangerConfig(
            check="drive",
            why=why if forgotten else f"{why} Attempts go on.",
            next_step=f"Read why the last runs of this day failed, then: {again}",
        )
