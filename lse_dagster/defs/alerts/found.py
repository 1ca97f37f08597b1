"""What is worth telling, found in Dagster's records: failed runs and checks, dangers, and what works again.

A failed run is told by the steps that failed in it; a check by itself when no run failed because of it. What
is told of it, and when, is decided in `ledger`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

import dagster as dg
import msgspec

from lse_dagster.defs.alerts.causes import is_of_all, over
from lse_dagster.defs.alerts.ledger import Failure, Item, Ledger, Words
from lse_dagster.defs.dagster_internals import AssetCheckExecutionRecordStatus, PartitionKeyFilter
from lse_dagster.defs.failure import CAUSE_METADATA, NEXT_STEP_METADATA, parts_of_failure
from lse_dagster.defs.own_records import recorded_owner
from lse_dagster.defs.project import ArchivedProject

_PARTITION = "dagster/partition"
_WILL_RETRY = "dagster/will_retry"
_FAILED = frozenset({AssetCheckExecutionRecordStatus.FAILED})
_RUNS_AT_ONCE: Final = 100
_TRIED_FOR: Final = timedelta(days=3)
"""Longer than any pause between the attempts of a project."""
_CHECK_KEPT: Final = timedelta(days=30)
"""A check that failed is made again only when somebody does something about its day."""
_OF_A_RUN: Final = {
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
}


def _worked(events: Sequence[dg.DagsterEvent]) -> set[str]:
    """The steps that were done. One that was to make a day, and had none to make, is none of them."""

    def steps(kind: dg.DagsterEventType) -> set[str]:
        return {event.step_key for event in events if event.event_type is kind and event.step_key}

    planned, made = (
        steps(kind)
        for kind in (
            dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
            dg.DagsterEventType.ASSET_MATERIALIZATION,
        )
    )
    return steps(dg.DagsterEventType.STEP_SUCCESS) - (planned - made)


@dataclass(frozen=True)
class Position:
    """How far the records were read: the ids of the last failed run's, check's and ended run's event."""

    run_event: int
    check_event: int
    danger_event: int = -1
    """-1: a cursor of before dangers were read by themselves. What was found until then was told."""
    last_event: int = -1
    """Of any kind, when the checks were read. While it is the last, none of their thousands is asked for."""


_Position = TypeVar("_Position", bound=Position)


class Alerts:
    """Finds what to tell of some projects. `ui` is the UI's address for links."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        projects: Sequence[ArchivedProject],
        checks: Iterable[dg.AssetCheckKey],
        ui: str | None,
    ) -> None:
        self._instance = instance
        self._projects = projects
        self._checks = sorted(checks, key=str)
        self._ui = ui

    def now(self) -> Position:
        """The position after everything that is recorded by now."""
        infos = self._instance.event_log_storage.get_asset_check_partition_info(self._checks)
        return Position(
            self._last(dg.DagsterEventType.RUN_FAILURE),
            max((info.latest_check_event_storage_id for info in infos), default=0),
            self.last_ended_run(),
        )

    def last_ended_run(self) -> int:
        """The id of the last event of a run that ended well."""
        return self._last(dg.DagsterEventType.RUN_SUCCESS)

    def _last(self, kind: "dg.RunStatusChangeEventType") -> int:
        found = self._instance.fetch_run_status_changes(kind, limit=1).records
        return found[0].storage_id if found else 0

    def entered(self, ledger: Ledger, position: _Position, now: datetime) -> tuple[Ledger, _Position]:
        """The ledger with what happened after a position, and the position after that."""
        last = self._instance.event_log_storage.get_maximum_record_id() or 0
        position = _as_far_as_there_is(position, last)
        for record in self._ended_runs(position):
            kind = record.event_log_entry.dagster_event_type
            if kind is dg.DagsterEventType.RUN_FAILURE:
                position = replace(position, run_event=record.storage_id)
            else:
                position = replace(position, danger_event=record.storage_id)
            run = self._instance.get_run_by_id(record.run_id)
            project = next((one for one in self._projects if run is not None and one.owns(run)), None)
            if run is not None and project is not None:
                ledger = self._with_run(ledger, project, run, record.event_log_entry.user_message, now)
        if last == position.last_event:
            return ledger, position
        return self._with_checks(ledger, replace(position, last_event=last), now)

    def _ended_runs(self, position: Position) -> Iterator[dg.EventLogRecord]:
        """In their order, so that what worked after it failed works."""
        failed = self._changes(dg.DagsterEventType.RUN_FAILURE, position.run_event)
        well = self._changes(dg.DagsterEventType.RUN_SUCCESS, position.danger_event)
        cut = [found[-1].storage_id for found in (failed, well) if len(found) == _RUNS_AT_ONCE]
        for record in sorted((*failed, *well), key=lambda record: record.storage_id):
            if not cut or record.storage_id <= min(cut):
                yield record

    def _changes(self, kind: "dg.RunStatusChangeEventType", after: int) -> Sequence[dg.EventLogRecord]:
        wanted = dg.RunStatusChangeRecordsFilter(event_type=kind, after_storage_id=after)
        return self._instance.fetch_run_status_changes(wanted, limit=_RUNS_AT_ONCE, ascending=True).records

    def _with_run(
        self, ledger: Ledger, project: ArchivedProject, run: dg.DagsterRun, ended: str, now: datetime
    ) -> Ledger:
        day, events = run.tags.get(_PARTITION), self._events(run)
        worked = _worked(events)
        if run.job_name == project.job_name("expiry"):
            ledger = ledger.endangered(*self._dangers(events))
        if run.status is not dg.DagsterRunStatus.FAILURE:
            return ledger.worked({*worked, run.job_name} if worked else (), day, now)
        ledger = ledger.worked(worked, day, now)
        if run.tags.get(_WILL_RETRY) == "true":
            return ledger
        for failure in self._failures(project, run, events, ended, now):
            ledger = ledger.failed(failure, now)
        return ledger

    def _dangers(self, events: Sequence[dg.DagsterEvent]) -> list[Words]:
        """What a run reported. What it says of several days is said of all of them at once."""
        evaluated = dg.DagsterEventType.ASSET_CHECK_EVALUATION
        found = [
            self._words_of_check(event.asset_check_evaluation_data)
            for event in events
            if event.event_type is evaluated
        ]
        return found if len(found) < 2 else [msgspec.structs.replace(found[0], day=None)]

    def _events(self, run: dg.DagsterRun) -> list[dg.DagsterEvent]:
        logs = self._instance.all_logs(run.run_id, of_type=_OF_A_RUN)
        return [entry.dagster_event for entry in logs if entry.dagster_event is not None]

    def _failures(
        self,
        project: ArchivedProject,
        run: dg.DagsterRun,
        events: Sequence[dg.DagsterEvent],
        ended: str,
        now: datetime,
    ) -> Iterator[Failure]:
        """The steps that failed in a run; the run itself if none did."""
        day, until = run.tags.get(_PARTITION), now + _TRIED_FOR
        link = f"{self._ui}/runs/{run.run_id}" if self._ui else f"run {run.run_id}"
        failed = [event for event in events if event.is_step_failure]
        if not failed:
            words = Words(
                project.name, day, f"The job `{run.job_name}` failed", ended, "Look at the run.", link
            )
            yield _failure(run.job_name, Item(run.job_name, project.name, day, until), words)
        for event in failed:
            parts = parts_of_failure(event, otherwise_next="Look at the run; archive the day again.")
            subject = event.step_key or run.job_name
            told = event.step_failure_data.user_failure_data
            cause = _recorded_cause(told.metadata if told is not None else {}) or subject
            yield _failure(
                cause, Item(subject, project.name, day, until), Words(project.name, day, *parts, link)
            )

    def _with_checks(self, ledger: Ledger, position: _Position, now: datetime) -> tuple[Ledger, _Position]:
        infos = self._instance.event_log_storage.get_asset_check_partition_info(
            self._checks, after_storage_id=position.check_event
        )
        for info in sorted(infos, key=lambda info: info.latest_check_event_storage_id):
            if info.latest_planned_run_id and not self._instance.has_run(info.latest_planned_run_id):
                continue  # results outlive their runs, and would be told again
            position = replace(position, check_event=info.latest_check_event_storage_id)
            subject = f"{info.check_key.asset_key.to_user_string()}:{info.check_key.name}"
            if info.latest_execution_status is AssetCheckExecutionRecordStatus.SUCCEEDED:
                ledger = ledger.worked([subject], info.partition_key, now)
            if info.latest_execution_status is not AssetCheckExecutionRecordStatus.FAILED:
                continue
            evaluation = self._evaluation(info.check_key, info.partition_key)
            if evaluation is not None:
                words = self._words_of_check(evaluation)
                item = Item(subject, words.project, info.partition_key, now + _CHECK_KEPT)
                cause = _recorded_cause(evaluation.metadata) or subject
                ledger = ledger.failed(_failure(cause, item, words), now)
        return ledger, position

    def _evaluation(self, key: dg.AssetCheckKey, partition: str | None) -> dg.AssetCheckEvaluation | None:
        """The failed result, unless it is a warning, or a run has failed because of it and was told."""
        found = self._instance.event_log_storage.get_asset_check_execution_history(
            key, limit=1, status=_FAILED, partition_filter=PartitionKeyFilter(key=partition)
        )
        event = found[0].event if found else None
        if event is None or event.dagster_event is None:
            return None
        evaluation = event.dagster_event.asset_check_evaluation_data
        run = self._instance.get_run_by_id(event.run_id)
        if run is not None and run.job_name in {project.job_name("expiry") for project in self._projects}:
            return None  # a danger, told as such
        failed_its_run = run is not None and run.status is dg.DagsterRunStatus.FAILURE
        told = failed_its_run or evaluation.blocking
        return None if told or evaluation.severity is dg.AssetCheckSeverity.WARN else evaluation

    def _words_of_check(self, evaluation: dg.AssetCheckEvaluation) -> Words:
        owner = recorded_owner(evaluation.metadata)
        named = [one for one in self._projects if owner is not None and one.recorded_name == owner]
        keyed = (one for one in self._projects if evaluation.asset_key in one.keys)
        project = next(iter((*named, *keyed)))
        path = "/".join(evaluation.asset_key.path)
        step = evaluation.metadata.get(NEXT_STEP_METADATA)
        next_step = str(step.value) if step is not None else "Look at the check, then archive the day again."
        return Words(
            project.name,
            evaluation.partition,
            f"The check `{evaluation.check_name}` of `{path}` failed",
            evaluation.description or "It gave no reason.",
            next_step,
            f"{self._ui}/assets/{path}?view=checks" if self._ui else None,
        )


def _recorded_cause(metadata: Mapping[str, dg.MetadataValue]) -> str | None:
    """The cause that was recorded with a failure; None of errors that nobody foresaw, and of old ones."""
    found = metadata.get(CAUSE_METADATA)
    return str(found.value) if found is not None else None


def _as_far_as_there_is(position: _Position, last: int) -> _Position:
    """SQLite gives the last ids again once somebody has deleted the runs that had them."""
    return replace(
        position,
        run_event=min(position.run_event, last),
        check_event=min(position.check_event, last),
        danger_event=min(position.danger_event, last),
    )


def _failure(cause: str, item: Item, words: Words) -> Failure:
    """A failure under its cause: everybody's, or that of one project."""
    shared = is_of_all(cause) or cause == item.subject  # a step has its project in its name
    return Failure(cause if shared else f"{cause} of {item.project}", item, words, over(cause))
