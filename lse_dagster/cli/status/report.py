"""`lse status` on the terminal and as JSON: the calendar of a month, the projects, and what is to be done."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from lse_dagster.advice import lse_command
from lse_dagster.calendar.days import CalendarDay, Gap, Verified
from lse_dagster.calendar.rules import Need
from lse_dagster.cli.status.overview import Month, Overview
from lse_dagster.cli.terminal.console import stderr, stdout
from lse_dagster.cli.terminal.dates import DateRange
from lse_dagster.cli.terminal.errors import ExitCode, error_document
from lse_dagster.day.identity import id_hash
from lse_dagster.day.names import day_name
from lse_dagster.errors import ArchiveError

_COMMANDS: Final = {
    Need.ARCHIVE: "archive",
    Need.FETCH: "archive fetch",
    Need.RESTORE: "archive restore",
    Need.ZIP: "archive zip",
    Need.UPLOAD: "archive upload",
    Need.VERIFY: "verify",
}
_VERIFIED: Final[dict[Verified | None, tuple[str, str]]] = {
    "passed": ("✓", "green"),
    "failed": ("✗", "red"),
    "outdated": ("before it changed", "yellow"),
    "never": ("no", "dim"),
    "unverified": ("not countable", "yellow"),
    "unproved": ("not provable", "yellow"),
    None: ("?", "dim"),
}
_MOST_GAPS: Final = 12
_FORGOTTEN: Final = "forgotten by LangSmith"


@dataclass(frozen=True)
class ProjectStatus:
    """What is shown of one project: all its days in a line, a month of them day by day, its commands."""

    month: Month
    overview: Overview
    default_project: str | None

    @property
    def name(self) -> str:
        """The project."""
        return self.overview.project

    def command(self, gap: Gap) -> str:
        """The command that begins to close a gap."""
        dates = DateRange(gap.first, gap.last)
        project_id = gap.project_id if gap.need is Need.RESTORE else ""
        return lse_command(
            _COMMANDS[gap.need], self.name, dates, default=self.default_project, project_id=project_id
        )


@dataclass(frozen=True)
class StatusReport:
    """All projects, those that were asked for first, and what could not be looked at."""

    projects: Sequence[ProjectStatus]
    asked_for: int
    problems: Sequence[ArchiveError]
    early_start: ArchiveError | None = None
    """That LSE_START_DATE lies long before the archive; no problem, and no day to look after."""

    @property
    def exit_code(self) -> ExitCode:
        """The same in words and as JSON. What could not be looked at is worse than what is to be done."""
        if self.problems:
            return ExitCode.FAILED
        needs = any(project.overview.gaps for project in self.projects)
        return ExitCode.NEEDS_ATTENTION if needs else ExitCode.DONE


def print_status(report: StatusReport) -> None:
    """The month of each project that was asked for; then every project in a line, and what is to be done."""
    console = stdout()
    for project in report.projects[: report.asked_for]:
        console.print(_calendar(project.name, project.month))
        for day in project.month.days:
            if day.day in project.month.dates_of_several:
                whose = f"  {_label(project.month, day)}: the project with the id {day.project_id or '?'}"
                console.print(whose, soft_wrap=True)
    for project in report.projects:
        console.print(_overview_line(project), soft_wrap=True)
        _print_gaps(project)
    if (early := report.early_start) is not None:
        console.print(f"{early.what}: {early.why} Next: {early.next_step}", soft_wrap=True)
    for problem in report.problems:
        stderr().print(
            Text.assemble(("Problem: ", "bold yellow"), f"{problem.what}: {problem.why}"),
            Text(f"Next: {problem.next_step}"),
            soft_wrap=True,
        )


def status_document(report: StatusReport) -> str:
    """One JSON document, as `lse status --help` describes it."""
    projects = [_project_fields(project) for project in report.projects]
    document = {
        "project": projects[0]["project"],
        "month": projects[0]["month"],
        "days": projects[0]["calendar"],
        "gaps": projects[0]["gaps"],
        "projects": projects,
        "problems": [error_document(problem) for problem in report.problems],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _calendar(project: str, month: Month) -> Table:
    title = f"{project}, {month.first:%B %Y}"
    table = Table(title=title, title_justify="left", box=None, header_style="dim", pad_edge=False)
    table.add_column("day", no_wrap=True)
    for name in ("LangSmith", "local", "zip", "Drive"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verified")
    table.add_column("pending", justify="right")
    table.add_column("to do", no_wrap=False)
    for day in month.days:
        gap = day.gap
        table.add_row(
            _label(month, day),
            _number(day.total),
            _local(day),
            _zip(day),
            _drive(day),
            Text(*_VERIFIED[day.verified]) if day.is_anywhere else "",
            f"{day.pending:,}" if day.pending else "",
            Text(gap[1], "yellow") if gap is not None else Text(_FORGOTTEN * day.is_forgotten, "dim"),
        )
    return table


def _label(month: Month, day: CalendarDay) -> str:
    """The date; of several projects of one name with the short hash of the id, as in the names of files."""
    several = day.day in month.dates_of_several
    return day_name(day.day, id_hash(day.project_id) if several else "")


def _size(count: int) -> str:
    """A size in the unit that people compare, in few characters."""
    if count < 1_000_000:
        return f"{count / 1e3:,.0f} kB"
    return f"{count / 1e6:,.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:,.1f} GB"


def _number(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _local(day: CalendarDay) -> Text:
    if day.local.broken:
        return Text("broken", "red")
    if day.local.summary is None:
        return Text("-", "dim")
    short = day.total is not None and day.runs is not None and day.runs < day.total
    return Text(_number(day.runs), "red" if short else "")


def _zip(day: CalendarDay) -> Text:
    zipped = day.local.zip
    if zipped is None:
        return Text("-", "dim")
    return Text(_size(zipped.bytes), "" if day.local.zip_is_of_folder else "red")


def _drive(day: CalendarDay) -> Text:
    if day.on_drive is None:
        return Text("-" if day.drive_known else "?", "dim")
    return Text(_size(day.on_drive.bytes), "red" if day.drive_matches is False else "")


def _overview_line(project: ProjectStatus) -> Text:
    overview = project.overview
    if overview.first is None:
        begin = lse_command("archive", project.name, "yesterday", default=project.default_project)
        unseen = " on this disk, and Drive was not looked at" if overview.on_drive is None else " yet"
        return Text.assemble((project.name, "bold"), f": no day{unseen}. Next: {begin}")
    on_drive = "Drive not looked at" if overview.on_drive is None else f"{overview.on_drive:,} on Drive"
    forgotten = f"{overview.forgotten:,} {_FORGOTTEN} after {overview.retention_days:,} days, "
    return Text.assemble(
        (project.name, "bold"),
        f": {overview.days:,} days from {overview.first} to {overview.last}: "
        f"{overview.local:,} on this disk, {overview.zipped:,} zipped, {on_drive}, ",
        (forgotten * bool(overview.forgotten), "dim"),
        (f"{overview.gap_days:,} to look after", "yellow" if overview.gap_days else "green"),
    )


def _print_gaps(project: ProjectStatus) -> None:
    console = stdout()
    found = project.overview.gaps
    for gap in found[-_MOST_GAPS:]:
        console.print(
            Text(f"  {project.command(gap):<55} ", "bold"),
            Text(f"{gap.days:,} {'day' if gap.days == 1 else 'days'}: {gap.why}"),
            soft_wrap=True,
        )
    if len(found) > _MOST_GAPS:
        all_of_them = lse_command("status --json", project.name, default=project.default_project)
        console.print(f"  and {len(found) - _MOST_GAPS:,} more before: {all_of_them}", soft_wrap=True)


def _day_fields(day: CalendarDay) -> dict[str, Any]:
    need, why = day.gap or (None, None)
    zipped = day.local.zip
    return {
        "date": day.day.isoformat(),
        "project_id": day.project_id or None,
        "langsmith_total": day.total,
        "runs": day.runs,
        "traces": None if day.summary is None else day.summary.counts.traces,
        "pending_runs": day.pending,
        "folder": "broken" if day.local.broken else "none" if day.local.summary is None else "complete",
        "zip_bytes": None if zipped is None else zipped.bytes,
        "drive_bytes": None if day.on_drive is None else day.on_drive.bytes,
        "drive_link": None if day.on_drive is None else day.on_drive.link,
        "verified": day.verified if day.is_anywhere else None,
        "proved_whole_by": day.proved_whole_by if day.is_anywhere else None,
        "forgotten": day.is_forgotten,
        "need": None if need is None else need.value,
        "why": why,
    }


def _gap_fields(gap: Gap, command: str) -> dict[str, Any]:
    return {
        "need": gap.need.value,
        "why": gap.why,
        "first": gap.first.isoformat(),
        "last": gap.last.isoformat(),
        "project_id": gap.project_id or None,
        "command": command,
    }


def _project_fields(project: ProjectStatus) -> dict[str, Any]:
    overview = project.overview
    return {
        "project": project.name,
        "first": None if overview.first is None else overview.first.isoformat(),
        "last": overview.last.isoformat(),
        "days": overview.days,
        "local": overview.local,
        "zipped": overview.zipped,
        "on_drive": overview.on_drive,
        "gap_days": overview.gap_days,
        "forgotten_days": overview.forgotten,
        "gaps": [_gap_fields(gap, project.command(gap)) for gap in overview.gaps],
        "month": f"{project.month.first:%Y-%m}",
        "calendar": [_day_fields(day) for day in project.month.days],
    }
