"""The commands of `lse archive`: options in, an `Invocation` run. What is slow is imported when needed."""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lse_dagster.cli.terminal.dates import DateRange, PastDate, PastDates
from lse_dagster.cli.terminal.group import Commands
from lse_dagster.cli.terminal.options import (
    date_option,
    dry_run_option,
    force_option,
    json_option,
    projects_option,
    quiet_option,
)

if TYPE_CHECKING:
    from lse_dagster.cli.archive.display import OutputForm
    from lse_dagster.cli.archive.invocation import Invocation
    from lse_dagster.cli.archive.plan import Planned

_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group(cls=Commands, invoke_without_command=True)
@click.option(
    "--date",
    "dates",
    type=PastDates(),
    help="A UTC day (YYYY-MM-DD or `yesterday`), a month (2025-08), or a range A..B.",
)
@projects_option
@force_option
@dry_run_option
@json_option
@quiet_option
@click.pass_context
def archive(ctx: click.Context, /, dates: DateRange | None, **shared: Any) -> None:
    """Fetch, zip and upload days: `lse archive --date D` does all three, stopping at the first failure.

    \b
    Examples:
      lse archive --date yesterday
      lse archive --date 2025-08-01..2025-08-29 --project my-project
      lse archive fetch --date 2025-08-29
      lse archive restore --start-date 2025-08-01

    It runs the same assets and checks as Dagster's UI, in the Dagster instance of DAGSTER_HOME (`.env` of
    this folder first, then the environment; else ./.dagster_home), so the UI shows what was done here.

    Before anything is overwritten it asks; a yes never gives up runs or attachments. Without a terminal it
    refuses instead, unless --force is given.

    Of a range or a month only what is missing is done. A day that is whole is left: its files by name and
    size, its zip by its checksum on Drive, and its runs by LangSmith's count where some may have come since
    it was fetched (one count in ten seconds in the US). It asks about days of which LangSmith counts more,
    which had unfinished runs, or whose folder, zip and copy differ; without a terminal these are listed and
    left, and it exits with 1. --force does every day anew. --dry-run says what would become of each day.

    With --json each day is one line on stdout when it has ended, or is left:

    \b
      {"project", "date", "run_id",
       "status": "done" | "failed" | "absent" | "forgotten" | "whole"
                 | "left" ("reason", "why") | "planned" (--dry-run),
       "steps":  [{"step", "metadata": {...}}],
       "checks": [{"step", "check", "passed", "warning", "description",
                   "metadata"}],
       "error":  null | {"what", "why", "next"}}

    Exit codes: 0 done, 1 a step or check failed, 2 wrong usage, 3 declined at a question, 130 interrupted.
    """
    if ctx.invoked_subcommand is not None:
        if dates or any(shared.values()):
            raise click.UsageError(f"Put the options after `{ctx.invoked_subcommand}`.")
        return
    if dates is None:
        raise click.UsageError("Missing option '--date': a day, `yesterday`, or a range A..B.")

    days = list(dates)

    def work(one: "Invocation") -> Callable[[], None]:
        from lse_dagster.cli.archive.display import tells_each_day

        with tells_each_day(one.form, [one.project], days):
            copies, unreachable = one.copies_if_reachable()
            planned = one.planner_of_fetches().archive(days, copies)
        not_sent = unreachable if len(days) > 1 else None  # the upload of a single day says it itself
        return partial(one.run, "archived", planned, not_sent=not_sent)

    _on_each_project(work, dates, **shared)


def _shared_options(command: _Command) -> _Command:
    for option in (quiet_option, json_option, dry_run_option, force_option, projects_option):
        command = option(command)
    return command


@archive.command()
@date_option
@_shared_options
def fetch(dates: DateRange, **shared: Any) -> None:
    """Fetch days from LangSmith into day folders, and check them.

    Asks before it fetches a day that is there already.

    Example: lse archive fetch --date 2025-08-29 --project my-project
    """
    _run("fetched", lambda one: one.planner_of_fetches().fetch(list(dates)), dates, **shared)


@archive.command("zip")
@date_option
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the zips lie. Default: LSE_ARCHIVES_DIR, else ./archives.",
)
@_shared_options
def zip_days(dates: DateRange, output_dir: Path | None, **shared: Any) -> None:
    """Zip day folders, and check the zips against them.

    Example: lse archive zip --date 2025-08-29 --output-dir ./archives
    """
    _run("zipped", lambda one: one.planner.zip(list(dates)), dates, archives_dir=output_dir, **shared)


@archive.command()
@date_option
@_shared_options
def upload(dates: DateRange, **shared: Any) -> None:
    """Copy day zips to Google Drive, and verify the copies.

    Sends nothing that is there already; asks before it replaces other content.

    Example: lse archive upload --date 2025-08-29
    """
    _run("uploaded", lambda one: one.planner.upload(list(dates), one.copies()), dates, **shared)


@archive.command()
@click.option(
    "--date", "dates", type=PastDates(), help="A UTC day, a month or a range A..B. Default: all on Drive."
)
@click.option("--start-date", type=PastDate(), help="The first day of a range. Default: the first on Drive.")
@click.option("--end-date", type=PastDate(), help="The last day of a range. Default: the last on Drive.")
@click.option(
    "--project-id",
    default="",
    metavar="ID",
    help="LangSmith's id of the project, or the hash in a zip's name, where several had one name.",
)
@_shared_options
def restore(
    dates: DateRange | None,
    start_date: date | None,
    end_date: date | None,
    project_id: str,
    **shared: Any,
) -> None:
    """Bring days back from Google Drive, verified before they take their place.

    Without dates: every day that is on Drive. Days of a range that are not there are told (`absent` with
    --json) and left alone; it fails if none is. Asks before it replaces a local day, of a range only one
    that does not look like its copy: by names, sizes, the zip's checksum and times. Where a project was
    deleted and made again under its name, the day of the present one; --project-id names the other.

    \b
    Examples:
      lse archive restore --date 2025-08-29
      lse archive restore --start-date 2025-08-01 --end-date 2025-08-29
    """
    if dates is not None and (start_date or end_date):
        raise click.UsageError("Give --date, or --start-date and --end-date, not both.")
    if start_date and end_date:
        if end_date < start_date:
            raise click.UsageError(f"--end-date {end_date} is before --start-date {start_date}.")
        dates = DateRange(start_date, end_date)

    def work(one: "Invocation") -> Callable[[], None]:
        from lse_dagster.cli.archive.display import tells_each_day

        with tells_each_day(one.form, [one.project], list(dates or ())):
            copies = one.copies(project_id)
        on_drive = [day for day in sorted(copies) if (start_date or day) <= day <= (end_date or day)]
        return one.restore(list(dates or on_drive), copies, project_id)

    _on_each_project(work, dates, **shared)


def _run(
    verb: str, plans: "Callable[[Invocation], Sequence[Planned]]", dates: DateRange, **shared: Any
) -> None:
    """Run the planned days of each project."""

    def work(one: "Invocation") -> Callable[[], None]:
        from lse_dagster.cli.archive.display import tells_each_day

        with tells_each_day(one.form, [one.project], list(dates)):
            return partial(one.run, verb, plans(one))

    _on_each_project(work, dates, **shared)


def _on_each_project(
    work: "Callable[[Invocation], Callable[[], None]]",
    dates: DateRange | None,
    *,
    projects: Sequence[str],
    all_projects: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    archives_dir: Path | None = None,
) -> None:
    """Plan every project with `work`, which says what then is to run; then run what was planned.

    `dates`: None where only Drive knows them.
    """
    from lse_dagster.cli.archive.display import tells_each_day
    from lse_dagster.cli.archive.invocation import open_invocations
    from lse_dagster.cli.terminal.projects import on_each

    if as_json and quiet:
        raise click.UsageError("Give --json or --quiet, not both.")
    form: OutputForm = "json" if as_json else "quiet" if quiet else "human"
    with tells_each_day(form, projects or [None], list(dates or ())):
        opened = open_invocations(
            projects,
            every=all_projects,
            force=force,
            form=form,
            several=dates is None or len(dates) > 1,
            dry_run=dry_run,
            archives_dir=archives_dir,
        )
    on_each([partial(work, one) for one in opened])
