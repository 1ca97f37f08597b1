"""The display for a terminal: what is done as lines that stay, what is under way as bars that move.

One day: a line per step. A range: a line per day, and a bar for all of them.
"""

import time
from collections.abc import Sequence
from datetime import date

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from lse_dagster.cli.archive.wording import (
    STYLES,
    describe_checks,
    describe_day,
    describe_step,
    is_worth_a_line,
    mark,
    megabytes,
    place_of,
    sign_of,
)
from lse_dagster.cli.running.display import Display
from lse_dagster.cli.running.outcome import CheckOutcome, DayOutcome, DayPlan, Step, StepOutcome
from lse_dagster.cli.terminal.console import stdout
from lse_dagster.defs.progress import Amount, ProgressEvent
from lse_dagster.steps.fetch.progress import FetchProgress

_UNKNOWN_TOTAL = None


class Bars(Display):
    """Draws with Rich. Rich's own lock makes `progress` safe from any thread."""

    def __init__(self, project: str, days: Sequence[date]) -> None:
        self._project = project
        self._days = len(days)
        self._done = 0
        self._console = stdout()
        self._live: Progress | None = None
        self._all_days: TaskID | None = None
        self._task: TaskID | None = None
        self._started = time.monotonic()
        self._day = ""

    @property
    def _several(self) -> bool:
        return self._days > 1

    def begin_day(self, plan: DayPlan) -> None:
        """Draw the bars of a day."""
        self._day = plan.day.isoformat()
        if not self._several:
            self._say((self._project, "bold"), f" {self._day}")
        elif not self._done:
            self._say((self._project, "bold"), f" {self._days} days")
        self._live = Progress(
            SpinnerColumn(finished_text="⠿"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            _Detail(),
            console=self._console,
            transient=True,
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        if self._several:
            self._all_days = self._live.add_task("all days", total=self._days, completed=self._done)

    def wait_for_others(self, step: Step) -> None:
        """A bar that pulses."""
        self._draw(f"{self._day} " * self._several + f"{step} waits for another run")

    def begin_step(self, step: Step) -> None:
        """A bar for the step; it pulses until something is known."""
        self._started = time.monotonic()
        self._draw(f"{self._day} {step}" if self._several else step)

    def begin_checks(self, step: Step) -> None:
        """A bar that pulses: nobody knows how long LangSmith lets wait."""
        self._draw(f"{self._day} checks" if self._several else f"checking {step}")

    def progress(self, event: ProgressEvent) -> None:
        """Move the bar."""
        live, task = self._live, self._task
        if live is None or task is None:
            return
        if isinstance(event, FetchProgress):
            live.update(task, total=1.0, completed=event.share, event=event)
        else:
            live.update(task, total=event.in_all, completed=event.done, event=event)

    def warning(self, text: str) -> None:
        """A line that stays."""
        self._say(("!", "yellow"), f" {text}")

    def end_step(self, outcome: StepOutcome) -> None:
        """A line that stays, for a single day."""
        self._clear()
        if not self._several:
            done = f" {describe_step(outcome)}, "
            self._say(("✓ ", "green"), (f"{outcome.step:<8}", "bold"), done, (place_of(outcome), "dim"))

    def fail_step(self, step: Step) -> None:
        """A line that stays, for a single day; the reason follows on stderr."""
        self._clear()
        if not self._several:
            self._say(("✗ ", "red"), (f"{step:<8}", "bold"), " failed")

    def check(self, outcome: CheckOutcome) -> None:
        """A line that stays, unless all is well: then it is counted at the end."""
        if is_worth_a_line(outcome):
            sign = mark(outcome)
            day = f"{self._day} " if self._several else ""
            self._say("  ", (sign, STYLES[sign]), f" {day}{outcome.name}: ", (outcome.description, "dim"))

    def end_day(self, outcome: DayOutcome) -> None:
        """Take the bars away, and say what became of the day."""
        self._done += 1
        self.close()
        sign = sign_of(outcome)
        if not self._several and outcome.checks:
            self._say((f"{sign} ", STYLES[sign]), (f"{'checks':<8}", "bold"), f" {describe_checks(outcome)}")
        if self._several and not outcome.is_forgotten:  # all of those are told in one line
            self._say((f"{sign} ", STYLES[sign]), (f"{outcome.day}", "bold"), f" {describe_day(outcome)}")

    def close(self) -> None:
        """Take the bars away; the lines stay."""
        if self._live is not None:
            self._live.stop()
            self._live = self._task = None

    def _draw(self, description: str) -> None:
        self._clear()
        if self._live is not None:
            self._task = self._live.add_task(description, total=_UNKNOWN_TOTAL, event=None)

    def _clear(self) -> None:
        if self._live is not None and self._task is not None:
            task, self._task = self._task, None
            self._live.remove_task(task)

    def _say(self, *parts: str | tuple[str, str]) -> None:
        """A line of texts, each plain or with its style."""
        self._console.print(Text.assemble(*parts), soft_wrap=True)


class _Detail(ProgressColumn):
    """What stands behind the bar: numbers in the unit of what is under way."""

    def render(self, task: Task) -> RenderableType:
        """One line, never wrapped."""
        return Text(self._words(task), no_wrap=True)

    def _words(self, task: Task) -> str:
        event: ProgressEvent | None = task.fields.get("event")
        elapsed = f"{task.elapsed or 0.0:,.0f} s"
        if isinstance(event, FetchProgress):
            return _fetch_words(event, task.elapsed or 0.0)
        if isinstance(event, Amount):
            return _amount_words(event, task)
        if task.total is None:
            return elapsed
        return f"{task.completed:,.0f}/{task.total:,.0f}"


def _fetch_words(event: FetchProgress, elapsed: float) -> str:
    words = [f"{event.runs:,} runs", f"{event.share:.0%} of the day"]
    if elapsed > 0:
        words.append(f"{event.runs / elapsed:,.0f}/s")
    if event.seconds_waited >= 1:
        words.append(f"{event.seconds_waited:,.0f} s waited for LangSmith")
    return ", ".join(words)


def _amount_words(event: Amount, task: Task) -> str:
    if not event.is_bytes:
        return f"{event.activity} {event.done:,}/{event.in_all:,} files"
    words = [f"{event.activity} {megabytes(event.done)} of {megabytes(event.in_all)}"]
    if task.speed:
        words.append(f"{megabytes(task.speed)}/s")
    if task.time_remaining is not None:
        words.append(f"{task.time_remaining:,.0f} s left")
    return ", ".join(words)
