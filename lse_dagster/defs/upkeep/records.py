"""What Dagster's own records say about the days of one project: materializations, check results, runs.

The reconciliation remembers nothing itself; what was done, and when, is read here. Nothing is judged here.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

import dagster as dg

from lse_dagster.calendar.evidence import Recorded
from lse_dagster.calendar.inventory import LocalDay
from lse_dagster.day.whole import latest_date
from lse_dagster.defs.check_table import DAY_CHECKS, RUN_COUNT
from lse_dagster.defs.dagster_internals import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as COMPLETED,
)
from lse_dagster.defs.dagster_internals import (
    NOT_FINISHED_STATUSES,
    AssetCheckExecutionRecordStatus,
    PartitionKeyFilter,
)
from lse_dagster.defs.failure import error_of_result
from lse_dagster.defs.metadata import FETCHED_AT_METADATA, PENDING_RUNS_METADATA, was_restored_from_drive
from lse_dagster.defs.own_records import (
    Owner,
    data_version,
    latest_materializations,
    metadata_of,
    recorded_owner,
)
from lse_dagster.defs.project import PROJECT_TAG, ArchivedProject
from lse_dagster.run.times import date_of_key, iso_z, parse_time

COUNTED_AT_METADATA = "counted_at"
"""On a result of the count check: when the reconciliation asked LangSmith."""
MISSING_METADATA = "missing"
CHANGED_METADATA = "changed"
"""On the same: how many runs the archive lacks, and how many it has otherwise."""

LEFT_OUT = "left out"
"""The step that tells of days which the settings ask for no more."""
_PARTITION = "dagster/partition"
_MISSING_ATTACHMENTS = "missing_attachments"
_RESULTS_AT_MOST = 100
"""Of one check and day."""
_NOTHING: Mapping[date, LocalDay] = MappingProxyType({})
_KIND = "lse/kind"
_STEP = "lse/step"
_BUSY_FOR = timedelta(hours=12)
_TOLD_AGAIN_AFTER = timedelta(hours=6)
_CAME_TO_NOTHING = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_ENDED = (*_CAME_TO_NOTHING, dg.DagsterRunStatus.SUCCESS)
_REQUESTED_AT = "lse/requested_at"


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

    def recorded_days(self, days: Sequence[date], here: Mapping[date, LocalDay]) -> dict[date, Recorded]:
        """What is recorded of those among these days that were ever fetched, restored or copied.

        `here` is what lies here of them: a record of another content is none of them.
        """
        owner = Owner(self._project, here)
        published = latest_materializations(self._instance, "raw_runs", days, owner)
        copied = latest_materializations(self._instance, "drive_archive", days, owner)
        counts = self._latest_results(RUN_COUNT.name, published, here)
        return {
            day: self._recorded(day, published.get(day), copied.get(day), here, counts.get(day))
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
            since = parse_time(run.tags.get(_REQUESTED_AT, "")) or record.create_timestamp
            # One that began in the future did so by a wrong clock.
            if self._project.owns(run) and abs(now - since) < _BUSY_FOR:
                day = date_of_key(run.tags.get(_PARTITION))  # anybody can report another key by hand
                if day is not None:
                    found[day] = max(since, found.get(day, since))
        return found

    def tried_days(self, days: Iterable[date]) -> set[date]:
        """Those of the days for which a run of the project's job `archive` has ended."""
        tags: dict[str, str | list[str]] = {
            _KIND: "archive",
            PROJECT_TAG: self._project.recorded_name or "",
            _PARTITION: [day.isoformat() for day in days],
        }
        found = self._instance.get_runs(dg.RunsFilter(tags=tags, statuses=_ENDED))
        return {day for run in found if (day := date_of_key(run.tags.get(_PARTITION))) is not None}

    def told(self, days: Iterable[date], what: str, *, now: datetime) -> dict[date, datetime]:
        """The days of which this was told, or is about to be, alone or with others; and when."""
        alone = {step_name(self._project, day, what): day for day in days}
        together = step_name_of_many(self._project, what)
        told: dict[date, datetime] = {}
        for run in self._instance.get_runs(dg.RunsFilter(tags={_STEP: [*alone, together]})):
            at = _requested_at(run, now)
            if at is None:
                continue
            if run.status in _CAME_TO_NOTHING and now - at >= _TOLD_AGAIN_AFTER:
                continue
            day = alone.get(run.tags[_STEP])
            of = [day] if day is not None else map(date.fromisoformat, _days_told(run))
            told |= {one: max(at, told.get(one, at)) for one in of}
        return told

    def requests(self, steps: Collection[str], *, now: datetime) -> dict[str, list[datetime]]:
        """When runs were requested for these steps of days, by what `request_tags` wrote down; in order.

        One that is dated later than now was asked for by a wrong clock, and may have been for nothing.
        """
        found: dict[str, list[datetime]] = {step: [] for step in steps}
        for run in self._instance.get_runs(dg.RunsFilter(tags={_STEP: [*steps]})) if steps else ():
            if (at := _requested_at(run, now)) is not None:
                found[run.tags[_STEP]].append(at)
        return {step: sorted(times) for step, times in found.items()}

    def latest_result(
        self, asset: str, check: str, day: date, here: Mapping[date, LocalDay] = _NOTHING, run_id: str = ""
    ) -> CheckRecord | None:
        """The last completed result of a check for one day of the project; `run_id` is that of the day."""
        owner = Owner(self._project, here)
        for key in self._project.all_keys(asset):
            for event in self._results(dg.AssetCheckKey(key, check), day):
                if (found := _owned_result(event, owner, day, run_id)) is not None:
                    return found
        return None

    def _latest_results(
        self, check: str, published: Mapping[date, dg.EventLogRecord], here: Mapping[date, LocalDay]
    ) -> dict[date, CheckRecord | None]:
        """The same of a check of `raw_runs` for many days that were published.

        The last few results of the check hold those of nearly all days: one query instead of one for each.
        """
        owner, found = Owner(self._project, here), dict[date, CheckRecord | None]()
        key = dg.AssetCheckKey(self._project.key("raw_runs"), check)
        last = self._instance.event_log_storage.get_asset_check_execution_history(
            key, limit=min(2 * len(published), _RESULTS_AT_MOST), status=COMPLETED
        )
        for record in last:  # the newest first
            day = date_of_key(record.partition)
            if day is not None and day in published and day not in found and record.event is not None:
                found[day] = _owned_result(record.event, owner, day, published[day].run_id)
        for day, raw in published.items():
            if found.get(day) is None:
                found[day] = self.latest_result("raw_runs", check, day, here, raw.run_id)
        return found

    def _results(self, key: dg.AssetCheckKey, day: date) -> Iterator[dg.EventLogEntry]:
        """The completed results, the newest first. The first is mostly the one that is wanted."""
        cursor, of_day = None, PartitionKeyFilter(key=day.isoformat())
        for limit in (1, _RESULTS_AT_MOST):
            found = self._instance.event_log_storage.get_asset_check_execution_history(
                key, limit=limit, cursor=cursor, status=COMPLETED, partition_filter=of_day
            )
            yield from (record.event for record in found if record.event is not None)
            if len(found) < limit:
                return
            cursor = found[-1].id

    def last_event(self) -> int:
        """The id of the last event of all that is recorded by now."""
        return self._instance.event_log_storage.get_maximum_record_id() or 0

    def passed_since(self, key: dg.AssetCheckKey, days: Iterable[str], event: int) -> set[str]:
        """Those of the days for which a check has passed after an event, by its id."""
        found = self._instance.event_log_storage.get_asset_check_partition_info([key], event, list(days))
        return {
            info.partition_key
            for info in found
            if info.partition_key is not None
            and info.latest_execution_status is AssetCheckExecutionRecordStatus.SUCCEEDED
            and info.latest_check_event_storage_id > event
        }

    def latest_metadata(self, day: date) -> Mapping[str, dg.MetadataValue]:
        """The metadata of the day's latest `raw_runs`; empty if there was none."""
        found = latest_materializations(self._instance, "raw_runs", [day], Owner(self._project, {}))
        return metadata_of(found[day]) if day in found else {}

    def _recorded(
        self,
        day: date,
        raw: dg.EventLogRecord | None,
        copy: dg.EventLogRecord | None,
        here: Mapping[date, LocalDay],
        count: CheckRecord | None,
    ) -> Recorded:
        copied = data_version(copy) if copy is not None else None
        if raw is None:
            return Recorded(content=None, copied=copied, copied_since=True)
        metadata, content = metadata_of(raw), data_version(raw)
        was_restored = was_restored_from_drive(metadata)
        results = partial(self.latest_result, "raw_runs", day=day, here=here, run_id=raw.run_id)
        # Nothing is copied whose blocking checks failed; to look each up takes as long as all the rest.
        was_copied = copy is not None and copy.storage_id > raw.storage_id and copied == content
        checks = [] if was_copied else [results(check.name) for check in DAY_CHECKS if check.blocks]
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
            passed_checks=all(one is not None and one.passed and one.at > raw.timestamp for one in checks),
            compared_at=_time(count.metadata.get(COUNTED_AT_METADATA)) if count is not None else None,
            lacks_runs=differs and not changed,
            has_changed=differs and changed,
        )


def _days_told(run: dg.DagsterRun) -> Iterator[str]:
    """The days of a run that tells a danger of several. A tag may not be long enough for them (Postgres)."""
    ops: Mapping[str, Any] = run.run_config.get("ops", {})  # type: ignore[assignment] # typed `object`
    for op in ops.values():
        yield from op["config"].get("days", ())


def _requested_at(run: dg.DagsterRun, now: datetime) -> datetime | None:
    """When a run was asked for; None of one of later than now: by a wrong clock, and maybe for nothing."""
    at = parse_time(run.tags.get(_REQUESTED_AT, ""))
    return at if at is not None and at <= latest_date(now) else None


def evaluation_of(event: dg.EventLogEntry) -> dg.AssetCheckEvaluation:
    """What a completed result of a check says."""
    return event.get_dagster_event().asset_check_evaluation_data


def _owned_result(event: dg.EventLogEntry, owner: Owner, day: date, run_id: str) -> CheckRecord | None:
    """A result that is the owner's. One that names no project is believed if it is of the run `run_id`."""
    evaluation = evaluation_of(event)
    unnamed = recorded_owner(evaluation.metadata) is None
    if not ((event.run_id == run_id) if unnamed else owner.owns(evaluation.metadata, day)):
        return None
    return CheckRecord(evaluation.passed, event.timestamp, evaluation.metadata, evaluation.description)


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


def _number(value: dg.MetadataValue | None) -> int:
    return value.value if value is not None and isinstance(value.value, int) else 0


def _time(value: dg.MetadataValue | None) -> datetime | None:
    return parse_time(value.value) if value is not None and isinstance(value.value, str) else None
