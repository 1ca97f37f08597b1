"""Who is shown what a run does, as it happens."""

from typing import TYPE_CHECKING

from lse_dagster.cli.running.outcome import CheckOutcome, DayOutcome, DayPlan, Step, StepOutcome

if TYPE_CHECKING:  # it imports Dagster, and a question must not wait for that
    from lse_dagster.defs.progress import ProgressEvent


class Display:
    """Told what happens, in order: a day begins, its steps and checks begin and end, the day ends.

    This one shows nothing of it; errors still go to stderr.
    """

    def begin_day(self, plan: DayPlan) -> None:
        """The steps of a day are about to run."""

    def wait_for_others(self, step: Step) -> None:
        """The step, or its checks, waits until another run leaves the pool of LangSmith or Drive."""

    def begin_step(self, step: Step) -> None:
        """A step runs now."""

    def begin_checks(self, step: Step) -> None:
        """The checks of a step run now."""

    def progress(self, event: "ProgressEvent") -> None:
        """The step has come so far. From any thread."""

    def warning(self, text: str) -> None:
        """A step has something to say that is no error."""

    def end_step(self, outcome: StepOutcome) -> None:
        """A step is done."""

    def fail_step(self, step: Step) -> None:
        """A step, or its checks, could not be done; why is in the outcome of the day."""

    def check(self, outcome: CheckOutcome) -> None:
        """A check has its verdict."""

    def end_day(self, outcome: DayOutcome) -> None:
        """Nothing more will happen to the day."""

    def close(self) -> None:
        """Leave the terminal as it was; also after an interrupt."""
