"""What Dagster's own records say about the days of one project: materializations, check results, runs.

The reconciliation remembers nothing itself; what was done, and when, is read here. Nothing is judged here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as _COMPLETED,
)
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from lse_dagster.assets import RUN_COUNT_CHECK
from lse_dagster.calendar.evidence import Recorded
from lse_dagster.checks import BLOCKING_CHECKS
from lse_dagster.day.interval import InvalidDate, iso_z, parse_date, parse_time
from lse_dagster.day.whole import latest_date
from lse_dagster.day_metadata import FETCHED_AT_METADATA, PENDING_RUNS_METADATA, SOURCE_METADATA
from lse_dagster.day_results import error_of_result
from lse_dagster.project import ArchivedProject

COUNTED_AT_METADATA = "counted_at"
"""On a result of the count check: when the reconciliation asked LangSmith."""
MISSING_METADATA = "missing"
CHANGED_METADATA = "changed"
"""On the same: how many runs the archive lacks, and how many it has otherwise."""

_PARTITION = "dagster/partition"
_MISSING_ATTACHMENTS = "missing_attachments"
_STEP = "lse/step"
_BUSY_FOR = timedelta(hours=12)
_REQUESTED_AT = "lse/requested_at"
_DATA_VERSION = "dagster/data_version"
_PER_QUERY = 500


@dataclass(frozen=True)
class CheckRecord:
    """One completed result of a check. `at`: when it was recorded, in seconds since 1970."""

    passed: bool
    at: float
    metadata: Mapping[str, dg.MetadataValue]
    description: str | None


def step_name(project: ArchivedProject, day: date, step: str) -> str:
    """By what the runs are found again that were requested for a step of a day."""
    return f"{project.name}/{day}/{step}"


def step_name_of_many(project: ArchivedProject, step: str) -> str:
    """The same for a step of several days at once."""
    return f"{project.name}/{step}"


def request_tags(step: str, now: datetime) -> dict[str, str]:
    """The tags of a run that is requested for a step of a day."""
    return {_STEP: step, _REQUESTED_AT: iso_z(now)}


class Records:
    """The records of one project on one instance."""

    def __init__(self, instance: dg.DagsterInstance, project: ArchivedProject) -> None:
        self._instance = instance
        self._project = project

    def recorded_days(self, days: Sequence[date]) -> dict[date, Recorded]:
        """What is recorded of those among these days that were ever fetched, restored or copied."""
        published = self._latest_materializations("raw_runs", days)
        copied = self._latest_materializations("drive_archive", days)
        return {
            day: self._recorded(day, published.get(day), copied.get(day))
            for day in sorted({*published, *copied})
        }

    def busy_days(self, now: datetime) -> dict[date, datetime]:
        """The days on which a run of the project works, or waits for its turn, and since when.

        For half a day at most: a run whose end nobody recorded would hold its day up for ever. Two that work
        on one day take turns.
        """
        found: dict[date, datetime] = {}
        for record in self._instance.get_run_records(dg.RunsFilter(statuses=list(NOT_FINISHED_STATUSES))):
            run = record.dagster_run
            since = _requested_at(run) or record.create_timestamp
            # One that began in the future did so by a wrong clock.
            if self._project.owns(run) and abs(now - since) < _BUSY_FOR:
                for day in _dates([run.tags.get(_PARTITION, "")]):
                    found[day] = max(since, found.get(day, since))
        return found

    def told(self, days: Iterable[date], danger: str, *, now: datetime) -> set[date]:
        """Those among these days of which a danger was told, or is about to be: alone, or with others."""
        steps = {step_name(self._project, day, danger): day for day in days}
        names = [*steps, step_name_of_many(self._project, danger)]
        told: set[date] = set()
        for run in self._instance.get_runs(dg.RunsFilter(tags={_STEP: names})):
            if not _was_asked_for_by(run, now):
                continue
            day = steps.get(run.tags[_STEP])
            told |= {day} if day is not None else set(_dates(_days_told(run)))
        return told

    def requests(self, step: str, *, now: datetime) -> list[datetime]:
        """When runs were requested for a step of a day, by what `request_tags` wrote down.

        One that is dated later than now was asked for by a wrong clock, and may have been for nothing.
        """
        runs = self._instance.get_runs(dg.RunsFilter(tags={_STEP: step}))
        times = (_requested_at(run) for run in runs if _was_asked_for_by(run, now))
        return sorted(filter(None, times))

    def latest_result(self, asset: str, check: str, day: date) -> CheckRecord | None:
        """The last completed result of a check for one day."""
        found = self._instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(self._project.key(asset), check),
            limit=1,
            status=_COMPLETED,
            partition_filter=PartitionKeyFilter(key=day.isoformat()),
        )
        event = found[0].event if found else None
        if event is None or event.dagster_event is None:
            return None
        evaluation = event.dagster_event.asset_check_evaluation_data
        return CheckRecord(evaluation.passed, event.timestamp, evaluation.metadata, evaluation.description)

    def latest_metadata(self, day: date) -> Mapping[str, dg.MetadataValue]:
        """The metadata of the day's latest `raw_runs`; empty if there was none."""
        record = self._latest_materializations("raw_runs", [day]).get(day)
        return _metadata(record) if record is not None else {}

    def _recorded(self, day: date, raw: dg.EventLogRecord | None, copy: dg.EventLogRecord | None) -> Recorded:
        copied = _data_version(copy) if copy is not None else None
        if raw is None:
            return Recorded(content=None, copied=copied, copied_since=True)
        metadata, content = _metadata(raw), _data_version(raw)
        source = metadata.get(SOURCE_METADATA)
        was_restored = source is not None and source.value == "drive"
        count = self.latest_result("raw_runs", RUN_COUNT_CHECK, day)
        made = count is not None and error_of_result(count.metadata) is None
        differs = made and count is not None and not count.passed and _is_of(count, raw, metadata)
        changed = count is not None and _found_only_changes(count)
        return Recorded(
            content=content,
            copied=content if was_restored else copied,
            copied_since=was_restored or (copy is not None and copy.storage_id > raw.storage_id),
            fetched_at=_time(metadata.get(FETCHED_AT_METADATA)),
            pending_runs=_number(metadata.get(PENDING_RUNS_METADATA)),
            missing_attachments=_number(metadata.get(_MISSING_ATTACHMENTS)),
            passed_checks=self._passed_all_since(day, raw.timestamp),
            compared_at=_time(count.metadata.get(COUNTED_AT_METADATA)) if count is not None else None,
            lacks_runs=differs and not changed,
            has_changed=differs and changed,
        )

    def _passed_all_since(self, day: date, moment: float) -> bool:
        results = [self.latest_result("raw_runs", check, day) for check in BLOCKING_CHECKS]
        return all(result is not None and result.passed and result.at > moment for result in results)

    def _latest_materializations(self, asset: str, days: Iterable[date]) -> dict[date, dg.EventLogRecord]:
        wanted = {day.isoformat() for day in days}
        found: dict[date, dg.EventLogRecord] = {}
        cursor: str | None = None
        while wanted:
            answer = self._instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=self._project.key(asset), asset_partitions=sorted(wanted)),
                limit=_PER_QUERY,
                cursor=cursor,
            )
            for record in answer.records:  # the newest first
                if record.partition_key in wanted:
                    wanted.discard(record.partition_key)
                    found[date.fromisoformat(record.partition_key)] = record
            cursor = answer.cursor
            if not answer.has_more:
                break
        return found


def _dates(keys: Iterable[str]) -> Iterator[date]:
    """Those that are dates: anybody can report another key by hand, and it stays for ever."""
    for key in keys:
        with suppress(InvalidDate):
            yield parse_date(key)


def _days_told(run: dg.DagsterRun) -> Iterator[str]:
    """The days of a run that tells a danger of several. A tag may not be long enough for them (Postgres)."""
    ops: Mapping[str, Any] = run.run_config.get("ops", {})  # type: ignore[assignment] # typed `object`
    for op in ops.values():
        yield from op["config"].get("days", ())


def _requested_at(run: dg.DagsterRun) -> datetime | None:
    return parse_time(run.tags.get(_REQUESTED_AT, ""))


def _was_asked_for_by(run: dg.DagsterRun, now: datetime) -> bool:
    """Not if that was later than now: by a wrong clock, and maybe for nothing."""
    at = _requested_at(run)
    return at is None or at <= latest_date(now)


def _metadata(record: dg.EventLogRecord) -> Mapping[str, dg.MetadataValue]:
    materialization = record.asset_materialization
    return materialization.metadata if materialization is not None else {}


def _is_of(count: CheckRecord, raw: dg.EventLogRecord, metadata: Mapping[str, dg.MetadataValue]) -> bool:
    """Whether a day was counted after it was published, by LangSmith's time: the machine's may be wrong."""
    counted, fetched = (
        _time(count.metadata.get(COUNTED_AT_METADATA)),
        _time(metadata.get(FETCHED_AT_METADATA)),
    )
    return count.at > raw.timestamp if counted is None or fetched is None else counted > fetched


def _found_only_changes(count: CheckRecord) -> bool:
    missing, changed = (_number(count.metadata.get(name)) for name in (MISSING_METADATA, CHANGED_METADATA))
    return changed > 0 and missing == 0


def _data_version(record: dg.EventLogRecord) -> str | None:
    materialization = record.asset_materialization
    return (materialization.tags or {}).get(_DATA_VERSION) if materialization is not None else None


def _number(value: dg.MetadataValue | None) -> int:
    return value.value if value is not None and isinstance(value.value, int) else 0


def _time(value: dg.MetadataValue | None) -> datetime | None:
    return parse_time(value.value) if value is not None and isinstance(value.value, str) else None
