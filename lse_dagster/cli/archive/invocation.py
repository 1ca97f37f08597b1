"""One command of `lse archive` on one project: what it plans, and the days it runs one after the other."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lse_dagster.cli.archive.display import (
    JsonLines,
    OutputForm,
    choose_display,
    left_document,
    planned_document,
    tells_each_day,
)
from lse_dagster.cli.archive.plan import Copies, LeftDay, Planned, Planner
from lse_dagster.cli.archive.sums import describe_planned, describe_range
from lse_dagster.cli.environment import load_settings
from lse_dagster.cli.running.outcome import DayOutcome, DayPlan
from lse_dagster.cli.terminal.console import say, stderr, stdout
from lse_dagster.cli.terminal.dates import DateRange
from lse_dagster.cli.terminal.errors import StepsFailed, print_error
from lse_dagster.cli.terminal.group import debug_wanted
from lse_dagster.cli.terminal.projects import choose_projects, expect_on_langsmith
from lse_dagster.cli.terminal.questions import Questioner, WouldOverwrite
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.errors import DayForgotten
from lse_dagster.run.times import in_rows, utc_now

if TYPE_CHECKING:
    from lse_dagster.settings import Settings


def open_invocations(
    projects: Sequence[str],
    *,
    every: bool,
    force: bool,
    form: OutputForm,
    several: bool,
    dry_run: bool = False,
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

    def opened(name: str) -> Invocation:
        counts = partial(_counts_now, settings, name, form)
        planner = Planner(settings, name, questioner, counts, several, dry_run)
        return Invocation(settings, name, form, planner, f"{name}: " * (len(names) > 1))

    return [opened(name) for name in names]


@dataclass(frozen=True)
class Invocation:
    """What one command works with, in one project."""

    settings: "Settings"
    project: str
    form: OutputForm
    planner: Planner
    prefix: str = ""
    """Before what is said of its days at the end: the project, where there are several."""

    def planner_of_fetches(self) -> Planner:
        """The planner. Raises `ProjectNotFound` while nothing is launched, of one that has no day here."""
        expect_on_langsmith(self.settings, self.project)
        return self.planner

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

    def copies_if_reachable(self) -> tuple[Copies | None, ArchiveError | None]:
        """The same for a command that begins with other steps: Drive's trouble must not keep it from them.

        LangSmith forgets; a day that is fetched and zipped is safe on this disk. The upload then fails with
        the reason, or replaces nothing that nobody was asked about. So the error is a value here.
        """
        try:
            return self.copies(), None
        except ArchiveError as error:
            stderr().print(
                f"Drive cannot be looked at now: {error.why} Fetching and zipping all the same.",
                markup=False,
                soft_wrap=True,
            )
            return None, error

    def restore(self, days: Sequence[date], copies: Copies, project_id: str) -> Callable[[], None]:
        """What runs those of the days that have a copy. Of the others Dagster hears nothing, so nothing turns
        red.

        Raises `NothingOnDrive` if none has one, `NotOnDrive` for a single day; else as `run`.
        """
        from lse_dagster.steps.restore import NothingOnDrive, NotOnDrive

        absent = [day for day in days if day not in copies]
        there = [day for day in days if day in copies]
        with tells_each_day(self.form, [self.project], days):
            plans = self.planner.restore(there, copies, project_id) if there else []
        alone = [NotOnDrive(self.project, day, project_id) for day in absent if len(days) == 1]
        if self.form == "json":
            for day in absent:
                JsonLines().end_day(DayOutcome(self.project, DayPlan(day, {}), None, errors=tuple(alone)))
        if not there:
            raise alone[0] if alone else NothingOnDrive(self.project, " in the dates asked for")
        return partial(self.run, "restored", plans, absent)

    def run(
        self,
        verb: str,
        planned: Sequence[Planned],
        absent: Sequence[date] = (),
        *,
        not_sent: ArchiveError | None = None,
    ) -> None:
        """Run the days in order, showing each. Raises `StepsFailed` at the end if one failed, or was left
        because nobody could be asked.

        A day that fails by itself does not keep the others from their turn; what would fail every day ends
        the command at once. A range ends with one line: how many were done (`verb`), left, or are `absent`,
        as they are not on Drive. `not_sent`: why nothing of what was done got there.
        """
        plans = [one for one in planned if isinstance(one, DayPlan)]
        left = [one for one in planned if isinstance(one, LeftDay)]
        if self.form == "json":
            for one in left:
                say(left_document(self.project, one).decode())
        if self.planner.dry_run:
            self._tell_plans(verb, planned, absent)
            return
        outcomes = self._run(plans, not_sent) if plans else []
        failed = [one for one in outcomes if one.error not in {None, not_sent}]
        forgotten = [one.day for one in outcomes if one.is_forgotten]
        if self.form == "human" and (left or absent or len(plans) > 1):
            self._say(describe_range(verb, plans, outcomes, left, absent, not_sent=not_sent))
        if failed:
            self._print_what_is_left(plans, failed)
        refused = [one for one in left if one.error is not None]
        if refused:
            self._print_refused(refused)
        if not_sent is not None:
            print_error(not_sent)
        if failed or refused or not_sent:
            raise StepsFailed
        if forgotten and len(forgotten) == len(planned):
            dates = DateRange(forgotten[0], forgotten[-1])
            raise DayForgotten(self.project, dates, self.settings.reconciliation.retention_days)

    def _run(self, plans: Sequence[DayPlan], not_sent: ArchiveError | None) -> list[DayOutcome]:
        """What became of those that were begun."""
        from lse_dagster.cli.running.instance import open_instance
        from lse_dagster.cli.running.runner import DayRunner
        from lse_dagster.defs.running.living_runs import end_killed_runs

        display = choose_display(self.form, self.project, [plan.day for plan in plans])
        outcomes: list[DayOutcome] = []
        with open_instance() as instance:
            end_killed_runs(instance)
            runner = DayRunner(self.settings, self.project, instance, display)
            try:
                for plan in plans:
                    display.begin_day(plan)
                    outcome = runner.run(plan)
                    if not_sent is not None and not (outcome.error or outcome.is_forgotten):
                        outcome = dataclasses.replace(outcome, errors=(not_sent,))
                    outcomes.append(outcome)
                    display.end_day(outcome)
                    if outcome.error not in {None, not_sent}:
                        _print_failure(outcome.error, outcome.trace)
                        if not outcome.concerns_one_day:
                            break
            finally:
                display.close()
        if self.form == "json":
            for unbegun in plans[len(outcomes) :]:
                JsonLines().end_day(DayOutcome(self.project, unbegun, None, errors=outcomes[-1].errors))
        return outcomes

    def _tell_plans(self, verb: str, planned: Sequence[Planned], absent: Sequence[date]) -> None:
        """What a dry run says: a line for each day that something would be done to, or asked about."""
        plans = [one for one in planned if isinstance(one, DayPlan)]
        left = [one for one in planned if isinstance(one, LeftDay)]
        if self.form == "json":
            for plan in plans:
                say(planned_document(self.project, plan).decode())
        if self.form != "human":
            return
        rule, now = self.settings.reconciliation, utc_now()
        old = [plan for plan in plans if "fetch" in plan.steps and rule.expires(plan.day) <= now]
        for one in planned:
            if isinstance(one, DayPlan) or one.reason not in {"whole", "before"}:
                self._say(describe_planned(one, perhaps=one in old))
        self._say(describe_range(verb, plans, None, left, absent, perhaps=[plan.day for plan in old]))

    def _say(self, text: str) -> None:
        stdout().print(f"{self.prefix}{text}", markup=False, soft_wrap=True)

    def _print_refused(self, refused: Sequence[LeftDay]) -> None:
        """What nobody could be asked about, as one error."""
        days = ", ".join(in_rows(one.day for one in refused))
        whys = list(dict.fromkeys(one.why for one in refused))
        more = [f"And {len(whys) - 1:,} more, which --dry-run tells."] if len(whys) > 1 else []
        print_error(WouldOverwrite(f"Replacing {days} of {self.project!r}", " ".join([*whys[:1], *more])))

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


def _counts_now(
    settings: "Settings", project: str, form: OutputForm, days: Sequence[date]
) -> Mapping[date, int]:
    """LangSmith's counts. Without an answer the days are compared with nothing, and that is told."""
    from lse_dagster.cli.status.survey import langsmith_totals

    if len(days) > 1 and form == "human":
        text = f"LangSmith counts {len(days):,} days that may have grown since they were fetched ..."
        stderr().print(text, soft_wrap=True)
    try:
        return langsmith_totals(settings, project, days, lambda: None)
    except ArchiveError as error:
        text = f"LangSmith cannot be asked now whether days have grown: {error.why}"
        stderr().print(text, markup=False, soft_wrap=True)
        return {}


def _print_failure(error: ArchiveError, trace: str) -> None:
    if debug_wanted():
        stderr().print(trace, markup=False, soft_wrap=True)
    print_error(error)
