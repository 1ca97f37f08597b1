"""All that we rest on of what Dagster (1.13) keeps to itself; nobody else imports it from there.

Its version is capped below the next minor, where any of it may be gone. Its client of the code server, which
is slow to import, is in `running.code_server`.
"""

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.executor_definition import IN_PROC_CONFIG
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickStatus,
)
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    AssetCheckExecutionRecordStatus,
    AssetCheckPartitionInfo,
)
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._utils.concurrency import ConcurrencyKeyInfo
from dagster_shared.error import SerializableErrorInfo

__all__ = [
    "COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES",
    "IN_PROC_CONFIG",
    "NOT_FINISHED_STATUSES",
    "AssetCheckEvaluationTargetMaterializationData",
    "AssetCheckExecutionRecordStatus",
    "AssetCheckPartitionInfo",
    "CheckRunHealthResult",
    "ConcurrencyKeyInfo",
    "ExecutionPlan",
    "InProcessExecutor",
    "InstanceRef",
    "InstigatorState",
    "InstigatorStatus",
    "InstigatorTick",
    "InstigatorType",
    "PartitionKeyFilter",
    "PlanOrchestrationContext",
    "RetryMode",
    "ScheduleInstigatorData",
    "SensorInstigatorData",
    "SerializableErrorInfo",
    "TickStatus",
    "UnresolvedAssetJobDefinition",
    "WorkerStatus",
    "take_back_planned_checks",
]


def take_back_planned_checks(
    instance: dg.DagsterInstance, run_id: str, assets: Iterable[dg.AssetKey]
) -> None:
    """Let a run that has found nothing to check leave its checks as they were before it.

    A check that is planned for a day and not made is "Skipped" on that day, and so it is for the whole asset,
    whatever it says of all others, until that day is checked (the UI of 1.13.27). Only what this run has
    planned and not made goes; Dagster has no other way to say so.
    """
    storage, table = instance.event_log_storage, AssetCheckExecutionsTable.c
    if not isinstance(storage, SqlEventLogStorage):
        return
    planned = AssetCheckExecutionsTable.delete().where(
        table.run_id == run_id,
        table.asset_key.in_([asset.to_string() for asset in assets]),
        table.execution_status == AssetCheckExecutionRecordStatus.PLANNED.value,
    )
    with storage.index_connection() as connection:
        connection.execute(planned)
