"""What the last checks said of each day, as Dagster recorded it: a completed result stands until a later one.

For who shows days (`lse status`); what the reconciliation rests on is in `records`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import dagster as dg

from lse_dagster.calendar.days import CheckResults
from lse_dagster.calendar.inventory import LocalDay
from lse_dagster.defs.check_table import CHECKS, RETENTION
from lse_dagster.defs.dagster_internals import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as COMPLETED,
)
from lse_dagster.defs.dagster_internals import AssetCheckPartitionInfo
from lse_dagster.defs.own_records import Owner, latest_materializations, recorded_owner
from lse_dagster.defs.project import archived_projects
from lse_dagster.defs.upkeep.records import evaluation_of
from lse_dagster.run.times import date_of_key
from lse_dagster.settings import Settings

_PER_QUERY: Final = 500
_COUNTS: Final = {check.name for check in CHECKS if check.asks == "LangSmith"}


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
        dg.AssetCheckKey(dg.AssetKey([*prefix, check.asset]), check.name)
        for check in CHECKS
        if not check.warns or check is RETENTION
    }
    infos = instance.event_log_storage.get_asset_check_partition_info(sorted(keys, key=str))
    by_day: dict[date, list[_Result]] = {}
    for key in keys:
        of_key = {
            day: info
            for info in infos
            if info.check_key == key and (day := date_of_key(info.partition_key)) is not None
        }
        found = dict(_owned(instance, owner, key, set(of_key)))
        # Planned by a run that never came to it: that says nothing of the day, the result before it does.
        planned = [day for day in found if of_key[day].latest_execution_status not in COMPLETED]
        written = latest_materializations(instance, key.asset_key.path[-1], planned, owner)
        for day, event in found.items():
            current = _is_later_than_the_data(of_key[day])
            if day in planned:
                current = day not in written or event.timestamp > written[day].timestamp
            by_day.setdefault(day, []).append(_Result(key, evaluation_of(event).passed, current))
    return {day: _results(of_day, keys) for day, of_day in by_day.items()}


@dataclass(frozen=True)
class _Result:
    """The last completed one of a check for a day. `current`: whether it came after the day was written."""

    key: dg.AssetCheckKey
    passed: bool
    current: bool


def _owned(
    instance: dg.DagsterInstance, owner: Owner, key: dg.AssetCheckKey, days: set[date]
) -> Iterator[tuple[date, dg.EventLogEntry]]:
    """The last completed result of a check for each of the days, where it is the owner's."""
    wanted, unnamed = set(days), dict[date, dg.EventLogEntry]()
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
            metadata = evaluation_of(record.event).metadata
            if recorded_owner(metadata) is None:
                unnamed[day] = record.event
            elif owner.owns(metadata, day):
                yield day, record.event
        if len(page) < _PER_QUERY:
            break
        cursor = page[-1].id
    written = latest_materializations(instance, "raw_runs", unnamed, owner)
    for day, event in unnamed.items():
        if day in written and written[day].run_id == event.run_id:
            yield day, event


def _results(found: list[_Result], keys: set[dg.AssetCheckKey]) -> CheckResults:
    failed = [one.key.name for one in found if not one.passed]
    counts = [name for name in failed if name in _COUNTS]
    return CheckResults(
        complete={one.key for one in found} == keys,
        current=all(one.current for one in found),
        counts_failed=bool(counts),
        others_failed=bool({*failed} - {*counts, RETENTION.name}),
        in_time=RETENTION.name not in failed,
    )


def _is_later_than_the_data(info: AssetCheckPartitionInfo) -> bool:
    # Not `is_current`: a check that was run without a partition, for every day, targets no materialization.
    return info.latest_check_event_storage_id > (info.latest_materialization_storage_id or 0)
