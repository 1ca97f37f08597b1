"""`lse verify`: day folder, zip, Drive copy and LangSmith compared again; nothing is changed."""

import json
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import click
from rich.text import Text

from lse_dagster.advice import lse_command
from lse_dagster.cli.archive.wording import STYLES, describe_checks, is_worth_a_line, mark
from lse_dagster.cli.running.display import Display
from lse_dagster.cli.running.outcome import CheckOutcome, DayOutcome, DayPlan
from lse_dagster.cli.terminal.console import say, stdout
from lse_dagster.cli.terminal.dates import DateRange
from lse_dagster.cli.terminal.errors import StepsFailed, error_document, print_error
from lse_dagster.cli.terminal.options import date_option, projects_option, quiet_option
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from lse_dagster.calendar.days import CalendarDay


@click.command()
@date_option
@projects_option
@click.option("--local-only", is_flag=True, help="Only what lies on this disk: neither Drive nor LangSmith.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per day, as described above.")
@quiet_option
def verify(
    dates: DateRange,
    projects: Sequence[str],
    all_projects: bool,
    local_only: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare day folder, zip, Drive copy and LangSmith again, and change nothing.

    The checks are those of Dagster's `verify` job; its UI shows the results. LangSmith's totals cost one
    request in ten seconds for each day in the US. Where several projects of one name have a day of one date,
    each is compared, that of now last. A day whose folder was freed is compared by its zip, if that is here,
    and its copy on Drive.

    \b
    Examples:
      lse verify --date 2025-08-29
      lse verify --date 2025-08-01..2025-08-29 --local-only

    \b
    With --json, each day in a line:
      {"project", "date", "project_id", "passed", "freed", "run_id",
       "checks": [{"asset", "check", "passed", "warning", "description", "metadata"}],
       "errors": [{"what", "why", "next"}]}

    Exit codes: 0 all is well, 1 something is wrong or could not be checked, 130 interrupted.
    """
    if as_json and quiet:
        raise click.UsageError("Give --json or --quiet, not both.")
    from lse_dagster.cli.environment import load_settings
    from lse_dagster.cli.running.instance import open_instance
    from lse_dagster.cli.running.runner import DayRunner
    from lse_dagster.cli.status.survey import look_at_days
    from lse_dagster.cli.terminal.projects import choose_projects, on_each
    from lse_dagster.defs.running.living_runs import end_killed_runs

    configured = load_settings()
    names, settings = choose_projects(configured, projects, every=all_projects, local_only=local_only)
    report = _Report(next(iter(configured.projects), None), as_json=as_json, quiet=quiet)
    with open_instance() as instance:
        end_killed_runs(instance)

        def look(name: str) -> Callable[[], None]:
            days = look_at_days(settings, name, list(dates), local_only=local_only)
            return partial(verify_days, name, days)

        def verify_days(name: str, days: Sequence["CalendarDay"]) -> None:
            runner = DayRunner(settings, name, instance, report)
            for day in days:
                report.begin(name, day)
                beside = day.project_id if day.is_beside else ""
                plan = DayPlan(day.day, {}, beside, local_only, is_freed=day.is_freed)
                report.end(runner.run(plan) if day.is_anywhere else report.nowhere(name, day, plan), day)

        on_each([partial(look, name) for name in names])
    if report.failed:
        raise StepsFailed


class _Report(Display):
    """Prints what is found, as it is found."""

    def __init__(self, default_project: str | None, *, as_json: bool, quiet: bool) -> None:
        self._default = default_project
        self.failed: list[date] = []
        self._json = as_json
        self._silent = as_json or quiet
        self._console = stdout()
        self._told: set[str] = set()
        """What checks of this day have said: one damaged file fails most of them alike."""

    def begin(self, project: str, day: "CalendarDay") -> None:
        """A day comes next; with LangSmith's id where several projects of the name have it."""
        self._told.clear()
        several = day.is_beside or day.local.others
        named = f" {project} (the project with the id {day.project_id})" if several else f" {project}"
        if not self._silent:
            self._console.print(Text.assemble((f"{day.day}", "bold"), named), soft_wrap=True)
            if day.is_freed:
                self._console.print(Text.assemble(("  - ", "dim"), f"{'folder freed':<30} {_where(day)}"))

    def check(self, outcome: CheckOutcome) -> None:
        """One check has its result; those that passed are counted at the end."""
        if not self._silent and is_worth_a_line(outcome):
            sign = mark(outcome)
            said = "the same" if outcome.description in self._told else outcome.description
            self._told |= set() if outcome.passed else {outcome.description}
            line = Text.assemble((f"  {sign} ", STYLES[sign]), f"{outcome.name:<30} ", said)
            self._console.print(line, soft_wrap=True)

    def warning(self, text: str) -> None:
        """Something that is no result: why it takes so long."""
        if not self._silent:
            self._console.print(Text.assemble(("  ! ", "yellow"), text), soft_wrap=True)

    def end(self, found: DayOutcome, day: "CalendarDay") -> None:
        """The day is done."""
        passed = not found.errors and all(check.holds for check in found.checks)
        if not passed:
            self.failed.append(found.day)
        if self._json:
            say(_document(found, day, passed=passed))
            return
        if found.checks and not self._silent:
            sign = "✓" if passed else "✗"
            self._console.print(Text.assemble((f"  {sign} ", STYLES[sign]), describe_checks(found)))
        wrong = self._what_is_wrong(found, day)
        for error in (*found.errors, *([wrong] if wrong is not None else [])):
            print_error(error)

    def nowhere(self, project: str, day: "CalendarDay", plan: DayPlan) -> DayOutcome:
        """There is nothing to be compared."""
        if day.drive_known:
            why = "It is neither on this disk nor on Drive."
            next_step = self._command("archive", project, day.day)
            if not day.may_be_fetched:
                why = "It was never archived, and LangSmith keeps it no longer."
                next_step = "There is nothing to be done, unless it lies in another archive."
        else:
            why = "It is not on this disk, and Drive was not looked at."
            next_step = self._command("verify", project, day.day)
        error = ArchiveError(f"Verifying the day {day.day} of {project!r}", why, next_step)
        return DayOutcome(project, plan, None, errors=(error,))

    def _what_is_wrong(self, found: DayOutcome, day: "CalendarDay") -> ArchiveError | None:
        """All failed checks as one error; the next step mends the first of them."""
        from lse_dagster.defs.check_table import CHECKS

        failed = {check.name: check for check in found.checks if not (check.holds or check.error is not None)}
        if not failed:
            return None
        command = next(check.repair for check in CHECKS if check.repair and check.name in failed)
        if day.is_freed and not (command == "archive upload" and day.local.zip is not None):
            command = "archive restore"  # which compares every byte with what was archived
        whys: dict[str, list[str]] = {}
        for name, check in failed.items():
            whys.setdefault(check.description.rstrip("."), []).append(name)
        beside = found.plan.project_id if command == "archive restore" else ""
        repair = self._command(command, found.project, found.day, beside)
        again = self._command("verify", found.project, found.day)
        return ArchiveError(
            f"Verifying the day {found.day} of {found.project!r}",
            "; ".join(f"{', '.join(names)}: {why}" for why, names in whys.items()) + ".",
            f"{repair}, then {again}",
        )

    def _command(self, command: str, project: str, day: date, project_id: str = "") -> str:
        return lse_command(command, project, day, default=self._default, project_id=project_id)


def _where(day: "CalendarDay") -> str:
    places = ["its zip"] if day.local.zip is not None else []
    places += ["its copy on Drive"] if day.on_drive is not None else []
    return f"The day is in {' and '.join(places)}."


def _document(found: DayOutcome, day: "CalendarDay", *, passed: bool) -> str:
    return json.dumps(
        {
            "project": found.project,
            "date": found.day.isoformat(),
            "project_id": day.project_id or None,
            "passed": passed,
            "freed": day.is_freed,
            "run_id": found.run_id,
            "checks": [{"asset": check.asset, **check.document} for check in found.checks],
            "errors": [error_document(error) for error in found.errors],
        },
        ensure_ascii=False,
    )
