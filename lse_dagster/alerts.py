"""What is worth telling, found in Dagster's records, and the message about it.

A message says the project, the day, what failed, why, the next step, and where to look. A failed run is told
once, with the check that failed it; a check is told by itself when no run failed because of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from lse_dagster.failure import NEXT_STEP_METADATA, parts_of_failure
from lse_dagster.project import ASSETS, ArchivedProject

_PARTITION = "dagster/partition"
_WILL_RETRY = "dagster/will_retry"
_FAILED = frozenset({AssetCheckExecutionRecordStatus.FAILED})
_RUNS_AT_ONCE: Final = 100


@dataclass(frozen=True)
class Position:
    """How far the records were read: the ids of the last failed run's, check's and ended run's event."""

    run_event: int
    check_event: int
    danger_event: int = -1
    """-1: a cursor of before dangers were read by themselves. What was found until then was told."""


@dataclass(frozen=True)
class Message:
    """What people are sent. `day` is None of what is about no single one; `link` leads to Dagster's UI."""

    project: ArchivedProject
    day: str | None
    what: str
    why: str
    next_step: str
    link: str | None

    @property
    def text(self) -> str:
        """The whole message."""
        lines = (self._head, self.what, f"Why: {self.why}", f"Next: {self.next_step}", self.link)
        return "\n".join(filter(None, lines))

    @property
    def short(self) -> str:
        """Where to look, for a server that refuses the whole message."""
        said = "Something failed; the whole message about it was refused. Look in Dagster."
        return "\n".join(filter(None, (self._head, said, self.link)))

    @property
    def _head(self) -> str:
        return f"LangSmith archive: {self.project.name}" + (f", {self.day}" if self.day else "")


@dataclass(frozen=True)
class Alert:
    """What was found, and the position once it has been told. Without a message there is nothing to tell."""

    event: int
    message: Message | None
    position: Position


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
        runs = self._instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
        infos = self._instance.event_log_storage.get_asset_check_partition_info(self._checks)
        return Position(
            runs[0].storage_id if runs else 0,
            max((info.latest_check_event_storage_id for info in infos), default=0),
            self.last_ended_run(),
        )

    def last_ended_run(self) -> int:
        """The id of the last event of a run that ended well."""
        ended = self._instance.fetch_run_status_changes(dg.DagsterEventType.RUN_SUCCESS, limit=1).records
        return ended[0].storage_id if ended else 0

    def since(self, position: Position) -> Iterator[Alert]:
        """What happened after a position: dangers first, then failed checks, then runs, each in its order."""
        for kind in (self._dangers, self._failed_checks, self._failed_runs):
            for alert in kind(position):
                yield alert
                position = alert.position

    def _dangers(self, position: Position) -> Iterator[Alert]:
        """What `expiry` runs reported, from their logs: a check's state may be the next attempt's by now."""
        ended = self._instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(
                event_type=dg.DagsterEventType.RUN_SUCCESS, after_storage_id=position.danger_event
            ),
            limit=_RUNS_AT_ONCE,
            ascending=True,
        )
        jobs = {project.job_name("expiry") for project in self._projects}
        for record in ended.records:
            reported = record.event_log_entry.job_name in jobs
            yield Alert(
                record.storage_id,
                self._reported(record.run_id) if reported else None,
                replace(position, danger_event=record.storage_id),
            )

    def _reported(self, run_id: str) -> Message | None:
        events = self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        for event in events:
            if event.dagster_event is not None:
                return self._message_of_check(event.dagster_event.asset_check_evaluation_data)
        return None

    def _failed_runs(self, position: Position) -> Iterator[Alert]:
        failures = self._instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(
                event_type=dg.DagsterEventType.RUN_FAILURE, after_storage_id=position.run_event
            ),
            limit=_RUNS_AT_ONCE,
            ascending=True,
        )
        for record in failures.records:
            run = self._instance.get_run_by_id(record.run_id)
            ended = record.event_log_entry.user_message
            message = self._message_of_run(run, ended) if run is not None else None
            yield Alert(record.storage_id, message, replace(position, run_event=record.storage_id))

    def _failed_checks(self, position: Position) -> Iterator[Alert]:
        infos = self._instance.event_log_storage.get_asset_check_partition_info(
            self._checks, after_storage_id=position.check_event
        )
        for info in sorted(infos, key=lambda info: info.latest_check_event_storage_id):
            failed = info.latest_execution_status is AssetCheckExecutionRecordStatus.FAILED
            evaluation = self._evaluation(info.check_key, info.partition_key) if failed else None
            event = info.latest_check_event_storage_id
            message = self._message_of_check(evaluation) if evaluation is not None else None
            yield Alert(event, message, replace(position, check_event=event))

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

    def _message_of_run(self, run: dg.DagsterRun, ended: str) -> Message | None:
        """Nothing for runs that are not of these projects, and for those that Dagster tries again."""
        project = next((one for one in self._projects if one.owns(run)), None)
        if project is None or run.tags.get(_WILL_RETRY) == "true":
            return None
        failures = [
            event.dagster_event
            for event in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
            if event.dagster_event is not None
        ]
        what, why, next_step = f"The job `{run.job_name}` failed", ended, "Look at the run."
        if failures:
            what, why, next_step = parts_of_failure(
                failures[0], otherwise_next="Look at the run; archive the day again."
            )
        link = f"{self._ui}/runs/{run.run_id}" if self._ui else f"run {run.run_id}"
        return Message(project, run.tags.get(_PARTITION), what, why, next_step, link)

    def _message_of_check(self, evaluation: dg.AssetCheckEvaluation) -> Message:
        project = next(
            one for one in self._projects if evaluation.asset_key in {one.key(asset) for asset in ASSETS}
        )
        path = "/".join(evaluation.asset_key.path)
        step = evaluation.metadata.get(NEXT_STEP_METADATA)
        next_step = str(step.value) if step is not None else "Look at the check, then archive the day again."
        return Message(
            project,
            evaluation.partition,
            f"The check `{evaluation.check_name}` of `{path}` failed",
            evaluation.description or "It gave no reason.",
            next_step,
            f"{self._ui}/assets/{path}?view=checks" if self._ui else None,
        )
