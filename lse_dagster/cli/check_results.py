"""What Dagster's checks said last about each day, whoever started them: the terminal, the UI or the schedule.

Importing this imports Dagster.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as COMPLETED,
)
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
    AssetCheckPartitionInfo,
)

from lse_dagster.checks import RETENTION_CHECK, WARNINGS, check_keys
from lse_dagster.day.calendar import CheckResults
from lse_dagster.day.interval import date_of_key
from lse_dagster.day.inventory import LocalDay
from lse_dagster.own_records import Owner, latest_materializations, recorded_owner
from lse_dagster.project import archived_projects
from lse_dagster.settings import Settings

_FAILED = AssetCheckExecutionRecordStatus.FAILED
_ENDED = {_FAILED, AssetCheckExecutionRecordStatus.SUCCEEDED}
_PER_QUERY: Final = 500
_COUNTS = "_count_matches_langsmith"


def latest_checks(
    instance: dg.DagsterInstance, settings: Settings, here: Mapping[str, Mapping[date, LocalDay]]
) -> dict[str, Mapping[date, CheckResults]]:
    """Each project's days that were checked at least once. `settings` names all the projects.

    `here`: the projects that are wanted, and what lies here of them.
    """
    return {
        name: _of_project(instance, Owner(project, here[name]))
        for project in archived_projects(settings.projects)
        if (name := project.name) is not None and name in here
    }


def _of_project(instance: dg.DagsterInstance, owner: Owner) -> dict[date, CheckResults]:
    """Of other keys than its own, from another order of `LSE_PROJECTS`, what was not written since."""
    own, *others = owner.project.all_keys("raw_runs")
    found = _under(instance, owner, own.path[:-1])
    for key in others:
        elsewhere = _under(instance, owner, key.path[:-1])
        left = elsewhere.keys() - found.keys()
        written = latest_materializations(instance, "raw_runs", left, owner)
        for day in left:
            since = day in written and written[day].asset_key == own
            found[day] = replace(elsewhere[day], current=elsewhere[day].current and not since)
    return found


def _under(instance: dg.DagsterInstance, owner: Owner, prefix: Sequence[str]) -> dict[date, CheckResults]:
    """What the checks said whose keys have the prefix, where it is about the owner's days.

    Only those that say whether a day is right, and was whole; the other warnings are of its content.
    """
    keys = {
        dg.AssetCheckKey(dg.AssetKey([*prefix, key.asset_key.path[-1]]), key.name)
        for key in check_keys(owner.project)
        if key.name not in WARNINGS - {RETENTION_CHECK}
    }
    infos = instance.event_log_storage.get_asset_check_partition_info(sorted(keys, key=str))
    by_day: dict[date, list[AssetCheckPartitionInfo]] = {}
    for key in keys:
        of_key = {
            day: info
            for info in infos
            if info.check_key == key and (day := date_of_key(info.partition_key)) is not None
        }
        for day in _owned(instance, owner, key, set(of_key)):
            by_day.setdefault(day, []).append(of_key[day])
    return {day: _results(of_day, keys) for day, of_day in by_day.items()}


def _owned(
    instance: dg.DagsterInstance, owner: Owner, key: dg.AssetCheckKey, days: set[date]
) -> Iterator[date]:
    """Those of the days of which the last completed result of a check is the owner's."""
    wanted, unnamed = set(days), dict[date, str]()
    cursor: int | None = None
    while wanted:
        page = instance.event_log_storage.get_asset_check_execution_history(
            key, limit=_PER_QUERY, cursor=cursor, status=COMPLETED
        )
        for record in page:  # the newest first
            day = date_of_key(record.partition)
            if day not in wanted or record.event is None:
                continue
            wanted.discard(day)
            metadata = record.event.get_dagster_event().asset_check_evaluation_data.metadata
            if recorded_owner(metadata) is None:
                unnamed[day] = record.run_id
            elif owner.owns(metadata, day):
                yield day
        if len(page) < _PER_QUERY:
            break
        cursor = page[-1].id
    written = latest_materializations(instance, "raw_runs", unnamed, owner)
    yield from (day for day, run in unnamed.items() if day in written and written[day].run_id == run)


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
