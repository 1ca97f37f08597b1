"""`lse status`: the days of a month, where each of them lies, and what is to be done about gaps."""

import dataclasses
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from lse_dagster.cli.terminal.console import say
from lse_dagster.cli.terminal.options import projects_option

if TYPE_CHECKING:
    from lse_dagster.cli.status.survey import Survey
    from lse_dagster.settings import Settings

_SECONDS_PER_TOTAL = 10.5


@click.command()
@projects_option
@click.option(
    "--month",
    type=click.DateTime(["%Y-%m"]),
    metavar="YYYY-MM",
    help="The month to show. Default: the latest that has a day.",
)
@click.option("--local-only", is_flag=True, help="This disk only, not Drive and Dagster's results.")
@click.option(
    "--langsmith",
    "ask_langsmith",
    is_flag=True,
    help="Ask LangSmith for its totals now: one request in ten seconds in the US, so minutes for a month.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document; its fields are named above.")
def status(
    projects: Sequence[str],
    all_projects: bool,
    month: datetime | None,
    local_only: bool,
    ask_langsmith: bool,
    as_json: bool,
) -> None:
    """Show where the days of a month lie, and what is to be done about gaps.

    Every project of LSE_PROJECTS has a line, and the commands for its gaps; the month is that of the first,
    or of those that are named.

    A day's LangSmith total is the one of when it was fetched, unless --langsmith asks again. `verified` is
    what the latest checks said, in the terminal or in Dagster's UI: a tick, if they passed and the day was
    fetched before LangSmith began to forget it; nothing else proves a day whole. No content is read: `lse
    verify` does.

    A day that was never archived before LangSmith forgot it (LSE_RETENTION_DAYS) is grey and nothing to look
    after; with --langsmith it is, if LangSmith still counts runs of it: some traces outlive their day.

    A project that was deleted and made again under its name is another one. Where both have a day of one
    date, each has a row, named by LangSmith's id; the later one comes first.

    \b
    Examples:
      lse status
      lse status --month 2025-08 --project my-project

    \b
    With --json:
      {"project", "month",
       "days": [{"date", "project_id", "langsmith_total", "runs", "traces", "pending_runs", "folder",
                 "zip_bytes", "drive_bytes", "drive_link", "verified", "proved_whole_by",
                 "forgotten", "need", "why"}],
       "gaps": [{"need", "why", "first", "last", "project_id", "command"}],
       "projects": [{"project", "first", "last", "days", "local", "zipped", "on_drive", "gap_days",
                     "forgotten_days", "gaps", "month", "calendar"}],
       "problems": [{"what", "why", "next"}]}

    `projects` are all of them; "gaps" and "calendar" (the days of "month") of each as above, where they are
    those of the first one.

    Exit codes, with and without --json: 0 all is well, 1 something could not be looked at, or this machine's
    clock is wrong, 4 a day of any project is to be looked after.
    """
    from lse_dagster.cli.environment import load_settings
    from lse_dagster.cli.status.overview import month_of, overview_of
    from lse_dagster.cli.status.report import ProjectStatus, StatusReport, print_status, status_document
    from lse_dagster.cli.status.survey import look_everywhere, look_here
    from lse_dagster.cli.terminal.errors import EndsWith
    from lse_dagster.cli.terminal.projects import choose_projects
    from lse_dagster.run.times import InvalidDate, parse_date

    try:
        wanted = None if month is None else parse_date(month.date().isoformat())
    except InvalidDate as error:
        raise click.BadParameter(error.why, param_hint="'--month'") from None
    configured = load_settings()
    names, settings = choose_projects(configured, projects, every=all_projects, local_only=local_only)
    look = look_here if local_only else look_everywhere
    impossible = settings.impossible_projects()
    others = [one for one in settings.projects if one not in {*names, *(each.name for each in impossible)}]
    survey = look(settings, [*names, *others])
    survey = dataclasses.replace(survey, problems=(*impossible, *survey.problems))
    if ask_langsmith:
        for name in names:
            days = [day.day for day in month_of(name, survey.projects[name], wanted).days]
            survey = _with_totals(survey, settings, name, days)
    default = next(iter(configured.projects), None)
    shown = [
        ProjectStatus(month_of(name, found, wanted), overview_of(name, found), default)
        for name, found in survey.projects.items()
    ]
    report = StatusReport(shown, len(names), survey.problems, survey.early_start(settings.start_date))
    if as_json:
        say(status_document(report))
    else:
        print_status(report)
    if report.exit_code:
        raise EndsWith(report.exit_code)


def _with_totals(survey: "Survey", settings: "Settings", project: str, days: Sequence[date]) -> "Survey":
    """What was seen, with LangSmith's totals of these days; or with the reason why not."""
    from rich.progress import Progress

    from lse_dagster.cli.status.survey import langsmith_totals
    from lse_dagster.cli.terminal.console import stderr
    from lse_dagster.errors import ArchiveError

    if settings.langsmith.rates == "us" and len(days) > 1:
        minutes = len(days) * _SECONDS_PER_TOTAL / 60
        stderr().print(f"One total in ten seconds: about {minutes:,.0f} min for {len(days)} days.")
    with Progress(console=stderr(), transient=True, disable=not stderr().is_terminal) as progress:
        task = progress.add_task("Asking LangSmith", total=len(days))
        try:
            totals = langsmith_totals(settings, project, days, lambda: progress.advance(task))
        except ArchiveError as error:
            return dataclasses.replace(survey, problems=(*survey.problems, error))
    counted = dataclasses.replace(survey.projects[project], totals=totals)
    return dataclasses.replace(survey, projects={**survey.projects, project: counted})
