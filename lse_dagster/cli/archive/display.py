"""What a display is, and which one a command gets: bars, plain lines, JSON, or none."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import msgspec

from lse_dagster.cli.running.display import Display
from lse_dagster.cli.running.outcome import DayOutcome
from lse_dagster.cli.terminal.console import stdout
from lse_dagster.cli.terminal.errors import error_document


class JsonLines(Display):
    """Writes what `--help` of the commands documents."""

    def __init__(self) -> None:
        self._console = stdout()

    def end_day(self, outcome: DayOutcome) -> None:
        """One line."""
        self._console.out(day_document(outcome).decode())


def day_document(outcome: DayOutcome) -> bytes:
    """The JSON of one day: project, date, status, run_id, steps, checks, error."""
    error = outcome.error
    return msgspec.json.encode(
        {
            "project": outcome.project,
            "date": outcome.day,
            "status": _status(outcome),
            "run_id": outcome.run_id,
            "steps": [{"step": done.step, "metadata": done.metadata} for done in outcome.steps],
            "checks": [
                {"step": outcome.plan.step_of(check.asset), **check.document} for check in outcome.checks
            ],
            "error": error and error_document(error),
        }
    )


def _status(outcome: DayOutcome) -> str:
    if outcome.error is not None:
        return "failed"
    if outcome.is_forgotten:
        return "forgotten"
    return "done" if outcome.run_id else "absent"  # what is not on Drive gets no run


OutputForm = Literal["human", "json", "quiet"]


def choose_display(form: OutputForm, project: str, days: Sequence[date]) -> Display:
    """The display for this process's stdout."""
    from lse_dagster.cli.archive.bars import Bars
    from lse_dagster.cli.archive.log_lines import LogLines
    from lse_dagster.cli.terminal.console import can_draw

    if form == "json":
        return JsonLines()
    if form == "quiet":
        return Display()
    return Bars(project, days) if can_draw() else LogLines(project)
