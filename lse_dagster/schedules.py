"""The schedules of one project: archive yesterday each night, and free the disk if that was asked for.

Dagster catches up five missed ticks of a partitioned schedule and drops the others (1.13); what it drops, the
reconciliation sensor finds missing.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg

from lse_dagster.day.interval import DayInterval
from lse_dagster.project import ArchivedProject

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_MINUTE: Final = 30


def nightly_schedule(
    job: "UnresolvedAssetJobDefinition", *, first: date, hour_utc: int, on: bool, now: Callable[[], datetime]
) -> dg.ScheduleDefinition:
    """Run a job for the day that has just ended, some hours after midnight UTC.

    Dagster ticks by the machine's clock. A day that is not over by `now`, LangSmith's, is left to the
    reconciliation.
    """

    @dg.schedule(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=f"{_MINUTE} {hour_utc} * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = context.scheduled_execution_time.astimezone(UTC).date() - timedelta(days=1)
        if day < first:
            return dg.SkipReason(f"The archive begins with {first}.")
        if (there := now()) < DayInterval.of(day).end:
            return dg.SkipReason(
                f"{day} is not over: LangSmith's clock says {there:%Y-%m-%d %H:%M} UTC. Set this machine's."
            )
        return dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())

    return nightly


def tick_after_midnight(hour_utc: int) -> timedelta:
    """How long after a day's end the nightly schedule archives it."""
    return timedelta(hours=hour_utc, minutes=_MINUTE)


def free_disk_schedule(
    project: ArchivedProject, job: dg.JobDefinition, *, hour_utc: int
) -> dg.ScheduleDefinition:
    """Remove for good what the job would list, every day. Off until somebody has seen a dry run."""
    return dg.ScheduleDefinition(
        name=project.job_name("free_disk") + "_schedule",
        job=job,
        cron_schedule=f"{_MINUTE} {(hour_utc + 6) % 24} * * *",
        execution_timezone="UTC",
        run_config={"ops": {project.job_name("remove_local_copies"): {"config": {"dry_run": False}}}},
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
