"""Running the `verify` job for one day after the other, in this process, on the user's Dagster instance.

The very checks of Dagster's UI, so that the UI shows what was found here. Nothing is printed; importing this
imports Dagster.
"""

import logging
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import dagster as dg

from lse_dagster.calendar.days import CalendarDay
from lse_dagster.cli.running.outcome import Metadata, plain
from lse_dagster.cli.terminal.errors import REPORT_IT
from lse_dagster.cli.terminal.interrupts import remembered_interrupts
from lse_dagster.definitions import build_definitions
from lse_dagster.defs.check_table import CHECKS
from lse_dagster.defs.day_results import error_of_result
from lse_dagster.defs.failure import parts_of_failure
from lse_dagster.defs.own_records import tag_of_id
from lse_dagster.defs.project import archived_projects
from lse_dagster.defs.running.living_runs import living, place_tags
from lse_dagster.defs.running.pool_waiting import PoolWait, is_wait_for_a_pool, told_while_waiting
from lse_dagster.errors import ArchiveError
from lse_dagster.settings import Settings

_SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_INTERRUPTED = "Interrupted in the terminal."
_INTERRUPTS = frozenset({"DagsterExecutionInterruptedError", "KeyboardInterrupt"})


class NotChecked(ArchiveError):
    """A check could not be made: the three parts of the error that kept it from being made."""


@dataclass(frozen=True)
class CheckResult:
    """What one check found out. As a `warning` it may fail without failing the day."""

    asset: str
    name: str
    passed: bool
    warning: bool
    description: str
    metadata: Metadata
    error: ArchiveError | None = None
    """What kept the check from being made."""


@dataclass(frozen=True)
class Verification:
    """All that was found out about one day. `run_id` is the Dagster run's; None if there was none."""

    project: str
    day: date
    run_id: str | None
    project_id: str = ""
    is_beside: bool = False
    """Whether it is of a project that another one of the same name followed."""
    checks: tuple[CheckResult, ...] = ()
    errors: tuple[ArchiveError, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check was made and none failed."""
        return not self.errors and all(check.passed or check.warning for check in self.checks)


class Verifier:
    """Verifies days of one project.

    `on_check` hears each result as soon as it is there, `on_warning` why it takes long.
    """

    def __init__(
        self,
        settings: Settings,
        project: str,
        instance: dg.DagsterInstance,
        *,
        local_only: bool,
        on_check: Callable[[CheckResult], None],
        on_warning: Callable[[str], None],
    ) -> None:
        (found,) = (one for one in archived_projects(settings.projects) if one.name == project)
        job = build_definitions(settings).resolve_job_def(found.job_name("verify"))
        if local_only:
            keys = {check.key(found) for check in CHECKS if check.asks is None}
            job = job.get_subset(asset_selection=set(), asset_check_selection=keys)
        self._job = job
        self._project = project
        self._instance = instance
        self._on_check = on_check
        self._on_warning = on_warning

    def verify(self, found: CalendarDay) -> Verification:
        """Make the checks of one day. Raises `KeyboardInterrupt`; Dagster has the run as canceled then."""
        day, beside = found.day, found.project_id if found.is_beside else ""
        run_id = str(uuid.uuid4())
        with (
            living(self._instance, run_id),
            told_while_waiting(self._instance, run_id, self._on_warning) as wait,
            remembered_interrupts() as interrupted,
        ):
            heard = _Heard(self._instance, run_id, self._on_check, self._on_warning, wait)
            self._instance.add_event_listener(run_id, heard.listen)
            self._job.execute_in_process(
                instance=self._instance,
                run_id=run_id,
                run_config=_SILENT,
                tags={
                    **place_tags(os.getpid()),
                    **tag_of_id(beside),
                    "dagster/partition": day.isoformat(),
                },
                raise_on_error=False,
            )
            if interrupted():
                self._report_canceled(run_id)
                raise KeyboardInterrupt
        # One cause, such as a broken summary, keeps several checks from being made.
        errors = {error.why: error for error in heard.errors}
        checks, errors_once = tuple(heard.checks), tuple(errors.values())
        return Verification(
            self._project, day, run_id, found.project_id, found.is_beside, checks, errors_once
        )

    def _report_canceled(self, run_id: str) -> None:
        """An interrupt between steps Dagster has called a failure by now."""
        run = self._instance.get_run_by_id(run_id)
        if run is not None and run.status is dg.DagsterRunStatus.FAILURE:
            self._instance.report_run_canceled(run, _INTERRUPTED)


@dataclass
class _Heard:
    """What Dagster's events said about one run so far; called in the thread that runs the steps."""

    instance: dg.DagsterInstance
    run_id: str
    on_check: Callable[[CheckResult], None]
    on_warning: Callable[[str], None]
    wait: PoolWait
    checks: list[CheckResult] = field(default_factory=list)
    errors: list[ArchiveError] = field(default_factory=list)

    def listen(self, entry: dg.EventLogEntry) -> None:
        """Take one event."""
        event = entry.dagster_event
        if event is None:
            if entry.step_key is not None and int(entry.level) >= logging.WARNING:
                self.on_warning(entry.user_message)
        elif is_wait_for_a_pool(event):
            self.wait.begin()
        elif event.event_type is dg.DagsterEventType.STEP_START:
            self.wait.end()
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            result = _check_result(event.asset_check_evaluation_data)
            self.checks.append(result)
            self.on_check(result)
            if result.error is not None:
                self.errors.append(result.error)
        elif event.event_type is dg.DagsterEventType.STEP_FAILURE:
            self._failed(event)

    def _failed(self, event: dg.DagsterEvent) -> None:
        error = event.step_failure_data.error
        if error is not None and error.cls_name in _INTERRUPTS:
            run = self.instance.get_run_by_id(self.run_id)
            if run is not None:
                self.instance.report_run_canceling(run, _INTERRUPTED)
        elif error is None or error.cls_name != "DagsterAssetCheckFailedError":
            self.errors.append(NotChecked(*parts_of_failure(event, otherwise_next=REPORT_IT)))


def _check_result(evaluation: dg.AssetCheckEvaluation) -> CheckResult:
    parts = error_of_result(evaluation.metadata)
    return CheckResult(
        asset=evaluation.asset_key.path[-1],
        name=evaluation.check_name,
        passed=evaluation.passed,
        warning=evaluation.severity is dg.AssetCheckSeverity.WARN,
        description=evaluation.description or "",
        metadata=plain(evaluation.metadata),
        error=NotChecked(*parts) if parts is not None else None,
    )
