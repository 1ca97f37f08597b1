"""Each thing of Dagster's that is no promise to us, by its name: a version without one fails here.

What is imported is named by `defs/dagster_internals.py` and `defs/running/code_server.py`.
"""

import inspect

import dagster as dg
import pytest
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from lse_dagster.defs.dagster_internals import (
    AssetCheckPartitionInfo,
    InstanceRef,
    InstigatorState,
    InstigatorTick,
    ScheduleInstigatorData,
    SensorInstigatorData,
)


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (SensorInstigatorData, "last_tick_timestamp last_tick_start_timestamp min_interval _replace"),
        (ScheduleInstigatorData, "last_iteration_timestamp _replace"),
        (
            InstigatorState,
            "instigator_name instigator_origin_id selector_id instigator_data with_data is_running",
        ),
        (InstigatorTick, "tick_data timestamp error is_failure _replace"),
        (dg.DefaultRunLauncher, "_get_grpc_client_for_termination supports_check_run_worker_health"),
        (
            dg.DagsterInstance,
            "all_instigator_state get_ticks get_batch_ticks update_tick update_instigator_state",
        ),
        (dg.DagsterInstance, "get_daemon_heartbeats get_required_daemon_types daemon_cursor_storage"),
        (dg.DagsterInstance, "report_dagster_event report_run_canceling report_run_canceled all_logs"),
        (EventLogStorage, "get_asset_check_partition_info get_asset_check_execution_history"),
        (EventLogStorage, "get_pool_limits set_concurrency_slots free_concurrency_slots_for_run"),
        (EventLogStorage, "get_latest_storage_id_by_partition"),
        (EventLogStorage, "get_concurrency_info get_maximum_record_id get_latest_materialization_events"),
    ],
)
def test_dagster_has_what_we_rest_on(owner: type, names: str) -> None:
    assert [name for name in names.split() if not hasattr(owner, name)] == []


def test_a_check_tells_of_each_partition_when_it_and_the_data_were_written() -> None:
    assert {
        "check_key",
        "partition_key",
        "latest_execution_status",
        "latest_planned_run_id",
        "latest_check_event_storage_id",
        "latest_materialization_storage_id",
    } <= set(inspect.get_annotations(AssetCheckPartitionInfo))


def test_a_part_of_an_instances_settings_can_be_overridden() -> None:
    assert "overrides" in inspect.signature(InstanceRef.from_dir).parameters


def test_planned_checks_lie_where_they_are_taken_back_from() -> None:
    columns = {column.name for column in AssetCheckExecutionsTable.columns}

    assert {"run_id", "asset_key", "execution_status"} <= columns
    assert hasattr(SqlEventLogStorage, "index_connection")
