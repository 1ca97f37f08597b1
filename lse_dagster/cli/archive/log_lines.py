"""The display without a terminal: one plain line per event."""

import time

from lse_dagster.cli.archive.wording import describe_checks, describe_step, is_worth_a_line, mark, place_of
from lse_dagster.cli.running.display import Display
from lse_dagster.cli.running.outcome import CheckOutcome, DayOutcome, DayPlan, Step, StepOutcome
from lse_dagster.cli.terminal.console import stdout
from lse_dagster.cli.terminal.group import verbose_wanted
from lse_dagster.defs.progress import ProgressEvent, describe

_SECONDS_BETWEEN_LINES = 5.0


class LogLines(Display):
    """Lines that a log keeps: each names the project and the day."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._console = stdout()
        self._prefix = ""
        self._last = time.monotonic()

    def begin_day(self, plan: DayPlan) -> None:
        """Remember the day."""
        self._prefix = f"{self._project} {plan.day}"

    def wait_for_others(self, step: Step) -> None:
        """Say so."""
        self._say(f"{step} waits for its turn in a pool")

    def begin_step(self, step: Step) -> None:
        """Say so, where everything was asked for."""
        if verbose_wanted():
            self._say(f"{step} ...")

    def progress(self, event: ProgressEvent) -> None:
        """Say so now and then."""
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self._say(describe(event))

    def warning(self, text: str) -> None:
        """Say so."""
        self._say(f"warning: {text}")

    def end_step(self, outcome: StepOutcome) -> None:
        """Say what was done and where it lies."""
        self._say(f"✓ {outcome.step}: {describe_step(outcome)}, {place_of(outcome)}")

    def fail_step(self, step: Step) -> None:
        """Say so."""
        self._say(f"✗ {step}: failed")

    def check(self, outcome: CheckOutcome) -> None:
        """Say the verdict and why, unless all is well."""
        if is_worth_a_line(outcome):
            self._say(f"{mark(outcome)} {outcome.name}: {outcome.description}")

    def end_day(self, outcome: DayOutcome) -> None:
        """Say whether it is done; the error itself goes to stderr."""
        said = "failed" if outcome.error is not None else "done"
        said += f", {describe_checks(outcome)}" if outcome.checks else ""
        self._say("LangSmith has forgotten it, nothing was fetched" if outcome.is_forgotten else said)

    def _say(self, text: str) -> None:
        self._last = time.monotonic()
        self._console.print(f"{self._prefix}: {text}", markup=False, soft_wrap=True)
