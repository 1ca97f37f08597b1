"""Running one day's steps, or its checks again: the very same assets and checks, in this process.

On the user's Dagster instance, so that the UI shows what was done and found here.

A run that is interrupted ends as canceled in Dagster.
"""

import os
import uuid
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Protocol, TypeVar

import dagster as dg

from lse_dagster.cli.running.display import Display
from lse_dagster.cli.running.events import RunEvents
from lse_dagster.cli.running.freeing import FreedDisk, FreeingEvents
from lse_dagster.cli.running.outcome import ASSET_OF_STEP, DayOutcome, DayPlan
from lse_dagster.cli.terminal.group import verbose_wanted
from lse_dagster.cli.terminal.interrupts import remembered_interrupts
from lse_dagster.definitions import build_definitions
from lse_dagster.defs.check_table import CHECKS
from lse_dagster.defs.own_records import tag_of_id
from lse_dagster.defs.progress import heard_by
from lse_dagster.defs.project import archived_projects
from lse_dagster.defs.running.living_runs import living, place_tags
from lse_dagster.defs.running.pool_waiting import PoolWait, told_while_waiting
from lse_dagster.settings import Settings

_INTERRUPTED = "Interrupted in the terminal."
_SILENT = "CRITICAL"


class _Listener(Protocol):
    def listen(self, entry: dg.EventLogEntry) -> None: ...


_Events = TypeVar("_Events", bound=_Listener)


class DayRunner:
    """Runs days of one project, one after the other, and tells the display what happens."""

    def __init__(
        self, settings: Settings, project: str, instance: dg.DagsterInstance, display: Display
    ) -> None:
        self._instance = instance
        self._display = display
        self._definitions = build_definitions(settings, progress=heard_by(display.progress))
        (self._project,) = (one for one in archived_projects(settings.projects) if one.name == project)

    def run(self, plan: DayPlan) -> DayOutcome:
        """Run the steps of one day, or, without any, its checks. What a step raised is in the outcome.

        Raises `KeyboardInterrupt` when the run was interrupted; Dagster has it as canceled then.
        """
        tags = {
            **tag_of_id(plan.project_id),
            # The job of the checks has no partitions, so that it can be run for every day at once.
            "dagster/partition": plan.day.isoformat(),
        }

        def events_of(run_id: str, wait: PoolWait) -> RunEvents:
            project, interrupted = self._project.configured_name, self._report_canceling
            return RunEvents(project, plan, run_id, self._display, wait, on_interrupt=interrupted)

        result, events = self._execute(self._job(plan), self._run_config(plan), tags, events_of)
        return events.outcome(succeeded=result.success)

    def free_disk(self, days: Sequence[date], *, dry_run: bool) -> FreedDisk:
        """Run the job `free_disk` for these days. Raises `KeyboardInterrupt` as `run` does."""
        job = self._definitions.resolve_job_def(self._project.job_name("free_disk"))
        wanted = {"dry_run": dry_run, "days": [day.isoformat() for day in days]}
        ops = {self._project.job_name("remove_local_copies"): {"config": wanted}}
        config = {"ops": ops, "loggers": _loggers()}
        result, events = self._execute(job, config, {}, lambda _, wait: FreeingEvents(wait))
        return events.outcome(result.run_id, succeeded=result.success)

    def _execute(
        self,
        job: dg.JobDefinition,
        run_config: dict[str, Any],
        tags: dict[str, str],
        events_of: Callable[[str, PoolWait], _Events],
    ) -> tuple[dg.ExecuteInProcessResult, _Events]:
        run_id = str(uuid.uuid4())
        with (
            living(self._instance, run_id),
            told_while_waiting(self._instance, run_id, self._display.warning) as wait,
            remembered_interrupts() as interrupted,
        ):
            events = events_of(run_id, wait)
            self._instance.add_event_listener(run_id, events.listen)
            try:
                result = job.execute_in_process(
                    instance=self._instance,
                    run_id=run_id,
                    run_config=run_config,
                    tags={**place_tags(os.getpid()), **tags},
                    raise_on_error=False,
                )
            except BaseException:
                self._report_canceled(run_id)
                raise
            if interrupted():
                self._report_canceled(run_id)
                raise KeyboardInterrupt
        return result, events

    def _job(self, plan: DayPlan) -> dg.JobDefinition:
        name = "restore" if "restore" in plan.steps else "archive" if plan.steps else "verify"
        job = self._definitions.resolve_job_def(self._project.job_name(name))
        if plan.steps:
            keys = {self._project.key(ASSET_OF_STEP[step]) for step in plan.steps}
            return job.get_subset(asset_selection=keys)
        wanted = [check for check in CHECKS if plan.wants(asset=check.asset, asks=check.asks)]
        if len(wanted) == len(CHECKS):
            return job
        keys_of_checks = {check.key(self._project) for check in wanted}
        return job.get_subset(asset_selection=set(), asset_check_selection=keys_of_checks)

    def _run_config(self, plan: DayPlan) -> dict[str, Any]:
        ops: dict[str, Any] = {}
        for step, overwrite in plan.overwrite.items():
            source = {"source": "drive", "project_id": plan.project_id} if step == "restore" else {}
            ops[self._project.op_name(ASSET_OF_STEP[step])] = {"config": {"overwrite": overwrite, **source}}
        return {"ops": ops, "loggers": _loggers()}

    def _report_canceling(self, run_id: str) -> None:
        """Tell Dagster that somebody wanted this end; it would call it a failure otherwise."""
        run = self._instance.get_run_by_id(run_id)
        if run is not None:
            self._instance.report_run_canceling(run, _INTERRUPTED)

    def _report_canceled(self, run_id: str) -> None:
        """The same for an interrupt between steps, which Dagster has called a failure by now; or before the
        first, which Dagster does not hear of: the run would hold up its day for ever.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is not None and (run.status is dg.DagsterRunStatus.FAILURE or not run.is_finished):
            self._instance.report_run_canceled(run, _INTERRUPTED)


def _loggers() -> dict[str, Any]:
    """Dagster's own lines are seen only by who wants them."""
    return {"console": {"config": {"log_level": "DEBUG" if verbose_wanted() else _SILENT}}}
