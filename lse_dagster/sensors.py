"""The sensors: one for each project that finds what its days still need, one that tells people of failures.

Thin: what a day needs is decided in `day.reconciliation`, what is told in `alerts`. Both remember nothing but
what Dagster records anyway: runs by their keys, results of checks, and the second one's cursor.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg
import msgspec

from lse_dagster.alerts import Alerts, Position
from lse_dagster.checks import ATTACHMENTS_CHECK
from lse_dagster.day.reconciliation import Danger, KnownDay, Need, Rule, danger, needs, pause_after
from lse_dagster.delivery import Delivery, Told
from lse_dagster.errors import ArchiveError
from lse_dagster.ops import DangerConfig
from lse_dagster.project import ArchivedProject
from lse_dagster.records import Records, request_tags, step_name
from lse_dagster.webhook import Webhook

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_SECONDS_BETWEEN_LOOKS: Final = 600
_SECONDS_BETWEEN_MESSAGES: Final = 60
_CURSOR: Final = "lse/alerts"
_AFTER_THE_SCHEDULE: Final = timedelta(hours=1)


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
    left_out: Sequence[ArchiveError] = ()
    """Projects that have no sensor to say so themselves."""


def reconciliation_sensor(
    reconciliation: Reconciliation,
    jobs: "Sequence[dg.JobDefinition | UnresolvedAssetJobDefinition]",
    *,
    on: bool,
) -> dg.SensorDefinition:
    """Ask for what the days of one project still need; a step that fails is asked for again hours later."""
    project = reconciliation.project

    @dg.sensor(
        name=project.job_name("reconcile") + "_sensor",
        jobs=jobs,
        minimum_interval_seconds=_SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description="Fetches days again when all has arrived, and counts them before LangSmith forgets them; "
        "archives what is missing, late or not on Drive; fails the check of a day that is about to be lost.",
    )
    def reconcile_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if project.wrong is not None:
            raise project.wrong
        if project.name is None:
            return dg.SkipReason("LSE_PROJECTS is not set.")
        for error in reconciliation.left_out:
            context.log.warning(str(error))
        return _Look(reconciliation, Records(context.instance, project)).result()

    return reconcile_sensor


class _Look:
    """One look at all days of a project."""

    def __init__(self, reconciliation: Reconciliation, records: Records) -> None:
        self._project = reconciliation.project
        self._rule = reconciliation.rule
        self._missing_after = reconciliation.schedule + _AFTER_THE_SCHEDULE
        self._now = reconciliation.now()
        self._days = reconciliation.rule.watched_days(self._now, first=reconciliation.first)
        self._records = records

    def result(self) -> dg.SensorResult:
        """The runs to start: the next step of each day, or the news that it is about to be lost."""
        known, busy = self._records.known_days(self._days), self._records.busy_days()
        began = min(self._records.archived_days(), default=date.max)
        free = [(day, known.get(day)) for day in self._days if day not in busy]
        requests = (self._next_request(day, one) or self._alarm(day, one, began) for day, one in free)
        return dg.SensorResult(run_requests=[request for request in requests if request is not None])

    def _next_request(self, day: date, known: KnownDay | None) -> dg.RunRequest | None:
        """The first step that was not tried lately: one that keeps failing does not hold up the others."""
        wanted = needs(day, known, self._rule, now=self._now, missing_after=self._missing_after)
        return next(filter(None, (self._request(day, need) for need in wanted)), None)

    def _request(self, day: date, need: Need) -> dg.RunRequest | None:
        project = self._project
        step = step_name(project, day, need.value)
        before = self._records.requests(step)
        if before and self._now < before[-1] + pause_after(len(before)):
            return None
        assets = {Need.UPLOAD: [project.key("day_zip"), project.key("drive_archive")]}.get(need)
        return dg.RunRequest(
            run_key=f"{step}/{len(before) + 1}",
            job_name=project.job_name("reconcile" if need is Need.COUNT else "archive"),
            partition_key=day.isoformat(),
            asset_selection=assets,
            tags=request_tags(step, self._now),
        )

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


def alerts_sensor(
    webhook: Webhook,
    projects: Sequence[ArchivedProject],
    checks: Iterable[dg.AssetCheckKey],
    *,
    ui: str | None,
) -> dg.SensorDefinition:
    """Send a message about each failed run and check. On as soon as there is an address to send to.

    Not Dagster's run-failure sensor: that goes on to the next run when a message could not be sent. Here the
    cursor stays until it was, or was refused for good, so a message may come twice but is not lost.
    """
    watched = list(checks)

    @dg.sensor(
        name="alerts_sensor",
        minimum_interval_seconds=_SECONDS_BETWEEN_MESSAGES,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells LSE_WEBHOOK_URL of failed runs, failed checks and days about to be lost.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        found = Alerts(context.instance, projects, watched, ui)

        # The daemon keeps a cursor only when a tick ends well; else the same would be told again, for ever.
        storage = context.instance.daemon_cursor_storage

        def remember(position: Position) -> None:
            cursor = msgspec.json.encode(position).decode()
            storage.set_cursor_values({_CURSOR: cursor})
            context.update_cursor(cursor)

        cursor = storage.get_cursor_values({_CURSOR}).get(_CURSOR) or context.cursor
        if cursor is None:
            remember(found.now())
            return dg.SkipReason("Begins here: what failed before is not told.")
        told = msgspec.json.decode(cursor, type=Told)
        if told.danger_event < 0:
            told = replace(told, danger_event=found.last_ended_run())
        sent = Delivery(webhook, context.log, remember).deliver(found.since(told), told)
        return dg.SkipReason(f"{sent} messages sent.")

    return alerts
