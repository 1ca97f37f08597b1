"""What a display is, and which one a command gets: bars, plain lines, JSON, or none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import product
from typing import Literal

import msgspec

from lse_dagster.cli.archive.plan import LeftDay
from lse_dagster.cli.running.display import Display
from lse_dagster.cli.running.outcome import DayOutcome, DayPlan
from lse_dagster.cli.terminal.console import say
from lse_dagster.cli.terminal.errors import Declined, error_document
from lse_dagster.errors import ArchiveError

OutputForm = Literal["human", "json", "quiet"]


class JsonLines(Display):
    """Writes what `--help` of the commands documents."""

    def end_day(self, outcome: DayOutcome) -> None:
        """One line."""
        say(day_document(outcome).decode())


def left_document(project: str, left: LeftDay) -> bytes:
    """The same of a day that nothing is done to."""
    status = "whole" if left.reason == "whole" else "left"
    reason = {} if left.reason == "whole" else {"reason": left.reason, "why": left.why}
    error = left.error and error_document(left.error)
    return _document(project, left.day, status, error=error, **reason)


def planned_document(project: str, plan: DayPlan) -> bytes:
    """The same of what a dry run would do."""
    return _document(
        project,
        plan.day,
        "planned",
        steps=[{"step": step, "metadata": dict[str, object]()} for step in plan.steps],
    )


def _document(project: str | None, day: date, status: str, **more: object) -> bytes:
    nothing: dict[str, object] = {"run_id": None, "steps": [], "checks": [], "error": None}
    return msgspec.json.encode({"project": project, "date": day, "status": status, **nothing, **more})


@contextmanager
def tells_each_day(form: OutputForm, projects: Sequence[str | None], days: Sequence[date]) -> Iterator[None]:
    """With --json an error that comes before the days have begun is told of each of them."""
    try:
        yield
    except (ArchiveError, Declined) as error:
        if form == "json":
            told = error_document(error) if isinstance(error, ArchiveError) else None
            for project, day in product(projects, days):
                say(_document(project, day, "failed" if told else "left", error=told).decode())
        raise


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


def choose_display(form: OutputForm, project: str, days: Sequence[date]) -> Display:
    """The display for this process's stdout."""
    from lse_dagster.cli.archive.bars import Bars
    from lse_dagster.cli.archive.log_lines import LogLines
    from lse_dagster.cli.terminal.console import can_draw
    from lse_dagster.cli.terminal.group import verbose_wanted

    if form == "json":
        return JsonLines()
    if form == "quiet":
        return Display()
    # Bars and the lines of others would be drawn over each other.
    return Bars(project, days) if can_draw() and not verbose_wanted() else LogLines(project)
