"""What Dagster's checks said last about each day, whoever started them: the terminal, the UI or the schedule.

Importing this imports Dagster.
"""

from collections.abc import Iterable, Mapping
from datetime import date

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
    AssetCheckPartitionInfo,
)

from lse_dagster.checks import RETENTION_CHECK, WARNINGS
from lse_dagster.day.calendar import CheckResults
from lse_dagster.definitions import build_definitions
from lse_dagster.project import ArchivedProject, archived_projects
from lse_dagster.settings import Settings

_FAILED = AssetCheckExecutionRecordStatus.FAILED
_ENDED = {_FAILED, AssetCheckExecutionRecordStatus.SUCCEEDED}
_COUNTS = "_count_matches_langsmith"


def latest_checks(
    instance: dg.DagsterInstance, settings: Settings, projects: Iterable[str]
) -> dict[str, Mapping[date, CheckResults]]:
    """Each project's days that were checked at least once. `settings` names all the projects."""
    checks = build_definitions(settings).resolve_asset_graph().asset_check_keys
    return {
        project.configured_name: _of_project(instance, _checks_of(project, checks))
        for project in archived_projects(settings.projects)
        if project.name in set(projects)
    }


def _checks_of(project: ArchivedProject, checks: Iterable[dg.AssetCheckKey]) -> set[dg.AssetCheckKey]:
    """The checks that say whether a day is right, and was whole; the other warnings are of its content."""
    assets = {project.key(name) for name in ("raw_runs", "day_zip", "drive_archive")}
    left_out = WARNINGS - {RETENTION_CHECK}
    return {key for key in checks if key.asset_key in assets and key.name not in left_out}


def _of_project(instance: dg.DagsterInstance, keys: set[dg.AssetCheckKey]) -> dict[date, CheckResults]:
    infos = instance.event_log_storage.get_asset_check_partition_info(sorted(keys, key=str))
    by_day: dict[str, list[AssetCheckPartitionInfo]] = {}
    for info in infos:
        if info.partition_key is not None:
            by_day.setdefault(info.partition_key, []).append(info)
    return {date.fromisoformat(day): _results(of_day, keys) for day, of_day in by_day.items()}


def _results(infos: list[AssetCheckPartitionInfo], keys: set[dg.AssetCheckKey]) -> CheckResults:
    ended = [info for info in infos if info.latest_execution_status in _ENDED]
    failed = [info.check_key.name for info in ended if info.latest_execution_status is _FAILED]
    counts = [name for name in failed if name.endswith(_COUNTS)]
    return CheckResults(
        complete={info.check_key for info in ended} == keys,
        current=all(map(_is_later_than_the_data, ended)),
        counts_failed=bool(counts),
        others_failed=bool({*failed} - {*counts, RETENTION_CHECK}),
        in_time=RETENTION_CHECK not in failed,
    )


def _is_later_than_the_data(info: AssetCheckPartitionInfo) -> bool:
    # Not `is_current`: a check that was run without a partition, for every day, targets no materialization.
    return info.latest_check_event_storage_id > (info.latest_materialization_storage_id or 0)
