"""Dagster's events of one run, as they are written for the UI, turned into what a terminal shows."""

import logging
from collections.abc import Callable

import dagster as dg

from lse_dagster.cli.running.display import Display
from lse_dagster.cli.running.outcome import CheckOutcome, DayOutcome, DayPlan, Step, StepOutcome, plain
from lse_dagster.cli.terminal.errors import REPORT_IT
from lse_dagster.cli.terminal.interrupts import raise_at_once
from lse_dagster.day.errors import BrokenDay, BrokenZip, DayIsBusy, NoSuchDay, NoSuchZip, OverwriteRefused
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.defs.failure import error_of_result, parts_of_failure
from lse_dagster.defs.running.pool_waiting import PoolWait, is_wait_for_a_pool
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.errors import DayForgotten, IncompleteDay
from lse_dagster.steps.restore import NotOnDrive

_INTERRUPTS = frozenset({"DagsterExecutionInterruptedError", "KeyboardInterrupt"})
_CHECKS_SUFFIX = "_checks"


_OF_ONE_DAY = frozenset(
    error.__name__
    for error in (
        BrokenDay,
        BrokenZip,
        DayForgotten,
        DayIsBusy,
        IncompleteDay,
        InvalidSummary,
        NoSuchDay,
        NoSuchZip,
        NotOnDrive,
        OverwriteRefused,
    )
)
"""Errors that say nothing about the next day; a wrong key or a full disk does."""


class StepFailed(ArchiveError):
    """A step failed, or a check could not be made: the three parts of the error that it raised."""


class ChecksFailed(ArchiveError):
    """A step was done, and its checks say that the day is not right."""

    def __init__(self, project: str, plan: DayPlan, failed: tuple[CheckOutcome, ...]) -> None:
        super().__init__(
            f"Checking the day {plan.day} of {project!r}",
            "; ".join(f"{check.name} failed: {check.description}" for check in failed),
            "The day did not travel on. Look at the checks above, then run the same command again.",
        )


def check_outcome(evaluation: dg.AssetCheckEvaluation) -> CheckOutcome:
    """A check as Dagster has recorded it."""
    parts = error_of_result(evaluation.metadata)
    return CheckOutcome(
        asset=evaluation.asset_key.path[-1],
        name=evaluation.check_name,
        passed=evaluation.passed,
        warning=evaluation.severity is dg.AssetCheckSeverity.WARN,
        description=evaluation.description or "",
        metadata=plain(evaluation.metadata),
        error=StepFailed(*parts) if parts is not None else None,
    )


class RunEvents:
    """What one run's events said so far."""

    def __init__(
        self,
        project: str,
        plan: DayPlan,
        run_id: str,
        display: Display,
        wait: PoolWait,
        *,
        on_interrupt: Callable[[str], None],
    ) -> None:
        self._project = project
        self._plan = plan
        self._run_id = run_id
        self._display = display
        self._wait = wait
        self._on_interrupt = on_interrupt
        self._steps: list[StepOutcome] = []
        self._checks: list[CheckOutcome] = []
        self._errors: list[ArchiveError] = []
        self._trace = ""
        self._concerns_one_day = True
        self._interrupted = False
        self._end_waiting: Callable[[], None] = lambda: None

    def listen(self, entry: dg.EventLogEntry) -> None:
        """Take one event; called by the instance in the thread that runs the steps."""
        event = entry.dagster_event
        if event is None:
            if entry.step_key is not None and int(entry.level) >= logging.WARNING:
                self._display.warning(entry.user_message)
            return
        match event.event_type:
            case dg.DagsterEventType.ENGINE_EVENT if is_wait_for_a_pool(event):
                self._end_waiting()
                self._end_waiting = raise_at_once()
                self._wait.begin()
                self._display.wait_for_others(self._step_of(event))
            case dg.DagsterEventType.STEP_START:
                self._end_waiting()
                self._wait.end()
                self._started(event)
            case dg.DagsterEventType.ASSET_MATERIALIZATION:
                self._materialized(event.step_materialization_data.materialization)
            case dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                self._checked(event.asset_check_evaluation_data)
            case dg.DagsterEventType.STEP_FAILURE:
                self._failed(event)
            case _:
                pass

    def outcome(self, *, succeeded: bool) -> DayOutcome:
        """What became of the day. Raises `KeyboardInterrupt` for a run that was interrupted."""
        if self._interrupted:
            raise KeyboardInterrupt
        failed = tuple(check for check in self._checks if not check.holds)
        # One cause, such as a broken summary, keeps several checks from being made.
        errors = list({error.why: error for error in self._errors}.values())
        if not errors and failed and self._plan.steps:
            errors.append(ChecksFailed(self._project, self._plan, failed))
        if succeeded and "restore" in self._plan.steps and not self._steps:  # it was, when the plan was made
            errors.append(NotOnDrive(self._project, self._plan.day, self._plan.project_id))
        if not errors and not failed and not succeeded:
            errors.append(
                StepFailed(
                    f"Working on the day {self._plan.day} of {self._project!r}",
                    "Dagster says that the run failed, and no step says why.",
                    f"Look at the run {self._run_id} in the Dagster UI.",
                )
            )
        return DayOutcome(
            project=self._project,
            plan=self._plan,
            run_id=self._run_id,
            steps=tuple(self._steps),
            checks=tuple(self._checks),
            errors=tuple(errors),
            trace=self._trace,
            concerns_one_day=self._concerns_one_day,
            # A fetch that succeeds publishes the day, unless there is none any more.
            is_forgotten=succeeded and "fetch" in self._plan.steps and not self._steps,
        )

    def _started(self, event: dg.DagsterEvent) -> None:
        if (event.step_key or "").endswith(_CHECKS_SUFFIX):
            self._display.begin_checks(self._step_of(event))
        else:
            self._display.begin_step(self._step_of(event))

    def _step_of(self, event: dg.DagsterEvent) -> Step:
        op = (event.step_key or "").rpartition("__")[2]
        return self._plan.step_of(op.removesuffix(_CHECKS_SUFFIX))

    def _materialized(self, materialization: dg.AssetMaterialization) -> None:
        step = self._plan.step_of(materialization.asset_key.path[-1])
        outcome = StepOutcome(step, plain(materialization.metadata))
        self._steps.append(outcome)
        self._display.end_step(outcome)
        if step == "restore":  # whose checks are no step of their own
            self._display.begin_checks(step)

    def _checked(self, evaluation: dg.AssetCheckEvaluation) -> None:
        check = check_outcome(evaluation)
        self._checks.append(check)
        self._display.check(check)
        if check.error is not None:
            self._errors.append(check.error)

    def _failed(self, event: dg.DagsterEvent) -> None:
        error = event.step_failure_data.error
        if error is not None and error.cls_name in _INTERRUPTS:
            self._interrupted = True
            self._on_interrupt(self._run_id)
            return
        if error is not None and error.cls_name == "DagsterAssetCheckFailedError":
            return  # the evaluations said it already
        self._display.fail_step(self._step_of(event))
        self._errors.insert(0, StepFailed(*parts_of_failure(event, otherwise_next=REPORT_IT)))
        self._trace = error.to_string() if error is not None else ""
        cause = error.cause if error is not None else None
        self._concerns_one_day = cause is not None and cause.cls_name in _OF_ONE_DAY
