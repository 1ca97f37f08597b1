"""The schedules of one project: archive yesterday each night, and free the disk if that was asked for.

Dagster catches up five missed ticks of a partitioned schedule and drops the others (1.13); what it drops, the
reconciliation sensor finds missing.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg

from lse_dagster.project import ArchivedProject

if TYPE_CHECKING:
    from dagster._core.definitions.partitions.partitioned_schedule import (
        UnresolvedPartitionedAssetScheduleDefinition,
    )
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_MINUTE: Final = 30


def nightly_schedule(
    job: "UnresolvedAssetJobDefinition", *, hour_utc: int, on: bool
) -> "dg.ScheduleDefinition | UnresolvedPartitionedAssetScheduleDefinition":
    """Run a job for the day that has just ended, some hours after midnight UTC."""
    status = dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED
    return dg.build_schedule_from_partitioned_job(
        job, hour_of_day=hour_utc, minute_of_hour=_MINUTE, default_status=status
    )


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
