"""One command of `lse archive` on one project: what it plans, and the days it runs one after the other."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lse_dagster.cli.archive.display import JsonLines, OutputForm, choose_display
from lse_dagster.cli.archive.plan import Copies, Planner
from lse_dagster.cli.environment import load_settings
from lse_dagster.cli.running.outcome import DayOutcome, DayPlan
from lse_dagster.cli.terminal.console import stderr, stdout
from lse_dagster.cli.terminal.dates import DateRange
from lse_dagster.cli.terminal.errors import StepsFailed, print_error
from lse_dagster.cli.terminal.group import debug_wanted
from lse_dagster.cli.terminal.projects import choose_projects
from lse_dagster.cli.terminal.questions import Questioner
from lse_dagster.errors import ArchiveError
from lse_dagster.run.times import in_rows

if TYPE_CHECKING:
    from lse_dagster.settings import Settings


def open_invocations(
    projects: Sequence[str],
    *,
    every: bool,
    force: bool,
    form: OutputForm,
    several: bool,
    archives_dir: Path | None = None,
) -> list["Invocation"]:
    """One for each project that is meant. `several`: whether more than one day may be asked about.

    They share who asks: an `all` is meant for all that follows. Raises `InvalidSetting`, and as
    `choose_projects`.
    """
    settings = load_settings()
    if archives_dir is not None:
        settings = dataclasses.replace(settings, archives_dir=archives_dir)
    names, settings = choose_projects(settings, projects, every=every)
    questioner = Questioner.on_terminal(force=force, silent=form == "json", several=several or len(names) > 1)
    return [
        Invocation(settings, name, form, Planner(settings, name, questioner), f"{name}: " * (len(names) > 1))
        for name in names
    ]


@dataclass(frozen=True)
class Invocation:
    """What one command works with, in one project."""

    settings: "Settings"
    project: str
    form: OutputForm
    planner: Planner
    prefix: str = ""
    """Before what is said of its days at the end: the project, where there are several."""

    def copies(self, project_id: str = "") -> Copies:
        """What of the project is on Drive: one listing, and no long patience as somebody waits.

        Of several projects of the name, that with LangSmith's id `project_id`.

        Raises Drive's errors.
        """
        from lse_dagster.drive.archive import DriveArchive
        from lse_dagster.net.backoff import IN_PASSING
        from lse_dagster.steps.drive_copy import list_copies

        with DriveArchive.connect(self.settings.drive, backoff=IN_PASSING) as drive:
            return list_copies(drive, self.project, project_id)

    def copies_if_reachable(self) -> Copies:
        """The same for a command that begins with other steps: Drive's trouble must not keep it from them.

        LangSmith forgets; a day that is fetched and zipped is safe on this disk. The upload then fails with
        the reason, or replaces nothing that nobody was asked about.
        """
        try:
            return self.copies()
        except ArchiveError as error:
            stderr().print(
                f"Drive cannot be looked at now: {error.why} Fetching and zipping all the same.",
                markup=False,
                soft_wrap=True,
            )
            return {}

    def restore(self, days: Sequence[date], copies: Copies, project_id: str) -> Callable[[], None]:
        """What runs those of the days that have a copy. Of the others Dagster hears nothing, so nothing turns
        red.

        Raises `NothingOnDrive` if none has one, `NotOnDrive` for a single day; else as `run`.
        """
        from lse_dagster.steps.restore import NothingOnDrive, NotOnDrive

        absent = [day for day in days if day not in copies]
        there = [day for day in days if day in copies]
        plans = self.planner.restore(there, copies, project_id) if there else []
        alone = [NotOnDrive(self.project, day, project_id) for day in absent if len(days) == 1]
        if self.form == "json":
            for day in absent:
                JsonLines().end_day(DayOutcome(self.project, DayPlan(day, {}), None, errors=tuple(alone)))
        if not there:
            raise alone[0] if alone else NothingOnDrive(self.project, " in the dates asked for")
        return partial(self.run, plans, absent)

    def run(self, plans: Sequence[DayPlan], absent: Sequence[date] = ()) -> None:
        """Run the days in order, showing each. Raises `StepsFailed` at the end if one failed.

        A day that fails by itself does not keep the others from their turn; what would fail every day ends
        the command at once. `absent`: what was asked for and is not on Drive, told in one line at the end.
        """
        from lse_dagster.cli.running.instance import open_instance
        from lse_dagster.cli.running.runner import DayRunner
        from lse_dagster.defs.running.living_runs import end_killed_runs

        display = choose_display(self.form, self.project, [plan.day for plan in plans])
        done, failed, forgotten = 0, [], []
        with open_instance() as instance:
            end_killed_runs(instance)
            runner = DayRunner(self.settings, self.project, instance, display)
            try:
                for plan in plans:
                    display.begin_day(plan)
                    outcome = runner.run(plan)
                    display.end_day(outcome)
                    if outcome.is_forgotten:
                        forgotten.append(outcome.day)
                    elif outcome.error is not None:
                        _print_failure(outcome.error, outcome.trace)
                        failed.append(outcome)
                        if not outcome.concerns_one_day:
                            break
                    else:
                        done += 1
            finally:
                display.close()
        if absent and self.form == "human":
            self._print_absent(done, absent)
        if failed:
            self._print_what_is_left(plans, failed)
        if forgotten:
            self._tell_forgotten(forgotten, alone=len(forgotten) == len(plans))
        if failed:
            raise StepsFailed

    def _tell_forgotten(self, days: Sequence[date], *, alone: bool) -> None:
        """In one line. Raises `DayForgotten` if nothing else was asked for: that is no success."""
        from lse_dagster.langsmith.errors import DayForgotten

        if alone:
            dates = DateRange(days[0], days[-1])
            raise DayForgotten(self.project, dates, self.settings.reconciliation.retention_days)
        if self.form == "human":
            text = f"{len(days):,} forgotten by LangSmith, nothing to fetch: {', '.join(in_rows(days))}."
            stdout().print(self.prefix + text, style="dim", markup=False, soft_wrap=True)

    def _print_absent(self, restored: int, absent: Sequence[date]) -> None:
        are = "is" if len(absent) == 1 else "are"
        text = f"{restored:,} restored; {len(absent):,} {are} not on Drive: {', '.join(in_rows(absent))}."
        stdout().print(self.prefix + text, markup=False, soft_wrap=True)

    def _print_what_is_left(self, plans: Sequence[DayPlan], failed: Sequence[DayOutcome]) -> None:
        last = failed[-1].day
        unbegun = [plan.day for plan in plans if plan.day > last]
        if len(plans) > 1:
            days = ", ".join(str(outcome.day) for outcome in failed)
            stderr().print(f"{self.prefix}Failed: {days}.", markup=False, soft_wrap=True)
        if unbegun and not failed[-1].concerns_one_day:
            stderr().print(
                f"{self.prefix}Not begun, as they would fail alike: {unbegun[0]}..{unbegun[-1]}.",
                markup=False,
                soft_wrap=True,
            )


def _print_failure(error: ArchiveError, trace: str) -> None:
    if debug_wanted():
        stderr().print(trace, markup=False, soft_wrap=True)
    print_error(error)
