"""The sensors: one for each project that finds what its days still need, one that tells people of failures.

Thin: what a day needs is decided in `day.reconciliation`, what is told in `alerts`. Both remember nothing but
what Dagster records anyway: runs by their keys, results of checks, and the second one's cursor.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg
import msgspec

from lse_dagster.alerts import Alerts, Position
from lse_dagster.day.reconciliation import Danger, KnownDay, Need, Rule, danger, needs, pause_after
from lse_dagster.ops import DangerConfig
from lse_dagster.project import ArchivedProject
from lse_dagster.records import Records, request_tags
from lse_dagster.webhook import NotDelivered, Webhook

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_SECONDS_BETWEEN_LOOKS: Final = 600
_SECONDS_BETWEEN_MESSAGES: Final = 60
_MESSAGES_AT_ONCE: Final = 5
"""A tick must end within a minute, and each message may take ten seconds."""
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
        description="Counts days again before LangSmith forgets them; archives what is missing, late or not "
        "on Drive; fails the check of a day that is about to be lost.",
    )
    def reconcile_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if project.name is None:
            return dg.SkipReason("LSE_PROJECTS is not set.")
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
        step = f"{project.name}/{day}/{need.value}"
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
        project, step = self._project, f"{self._project.name}/{day}/{found}"
        if self._records.requests(step):
            return None
        told = DangerConfig(
            why=_why(found, self._rule.expires(day)),
            next_step="Read why the last runs of this day failed, then: "
            f"lse archive --project {project.name!r} --date {day}",
        )
        return dg.RunRequest(
            run_key=step,
            job_name=project.job_name("expiry"),
            partition_key=day.isoformat(),
            run_config=dg.RunConfig(ops={project.job_name("report_danger"): told}),
            tags=request_tags(step, self._now),
        )


def _why(found: Danger, expires: datetime) -> str:
    when = f"from {expires:%Y-%m-%d %H:%M} UTC on"
    if found == "expired":
        return f"The day is not safe on Drive, and LangSmith deleted it {when}."
    return f"The day is not safe on Drive, and LangSmith deletes it {when}. Attempts go on."


def alerts_sensor(
    webhook: Webhook,
    projects: Sequence[ArchivedProject],
    checks: Iterable[dg.AssetCheckKey],
    *,
    ui: str | None,
) -> dg.SensorDefinition:
    """Send a message about each failed run and check. On as soon as there is an address to send to.

    Not Dagster's run-failure sensor: that goes on to the next run when a message could not be sent. Here the
    cursor stays until it was, so a message may come twice but is not lost.
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
        if context.cursor is None:
            context.update_cursor(msgspec.json.encode(found.now()).decode())
            return dg.SkipReason("Begins here: what failed before is not told.")
        sent = 0
        try:
            for alert in found.since(msgspec.json.decode(context.cursor, type=Position)):
                if alert.text is not None:
                    webhook.send(alert.text)
                    sent += 1
                context.update_cursor(msgspec.json.encode(alert.position).decode())
                if sent == _MESSAGES_AT_ONCE:
                    break
        except NotDelivered as error:
            context.log.warning(str(error))
        return dg.SkipReason(f"{sent} messages sent.")

    return alerts
