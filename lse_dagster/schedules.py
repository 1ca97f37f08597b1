"""The nightly schedule: archive yesterday, some hours after midnight UTC, so that late runs have arrived."""

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.definitions.partitions.partitioned_schedule import (
        UnresolvedPartitionedAssetScheduleDefinition,
    )
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_HOUR_UTC = 3
_MINUTE = 30


def nightly_schedule(
    job: "UnresolvedAssetJobDefinition",
) -> "dg.ScheduleDefinition | UnresolvedPartitionedAssetScheduleDefinition":
    """Run a job for the day that has just ended. Off until someone turns it on."""
    return dg.build_schedule_from_partitioned_job(job, hour_of_day=_HOUR_UTC, minute_of_hour=_MINUTE)
