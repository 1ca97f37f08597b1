"""`lse migrate`: the data directory of the first system, brought into days of ours; what is told of it."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.text import Text

from lse_dagster.advice import lse_command
from lse_dagster.cli.terminal.console import say, stderr, stdout
from lse_dagster.cli.terminal.options import project_option, quiet_option
from lse_dagster.steps.first_system.migrate import Migrated, Plan, Result, Unusable

if TYPE_CHECKING:
    from lse_dagster.settings import Settings
    from lse_dagster.steps.places import Places


_MARKS: Final[dict[Result, tuple[str, str]]] = {
    "written": ("✓", "green"),
    "unchanged": ("=", "dim"),
    "kept": ("!", "yellow"),
}
_MOST_FILES: Final = 20


class MigrateReport:
    """Told what happens, in order."""

    def __init__(self, *, dry_run: bool, as_json: bool, quiet: bool) -> None:
        self._dry_run = dry_run
        self._json = as_json
        self._silent = as_json or quiet
        self._days: list[Migrated] = []
        self._unusable: tuple[Unusable, ...] = ()

    @property
    def something_left(self) -> bool:
        """Whether the old files hold what is in no day of ours."""
        return bool(self._unusable) or any(day.only_old for day in self._days)

    def begin(self, plan: Plan) -> None:
        """The old files were read."""
        self._unusable = plan.unusable
        if self._silent:
            return
        verb = "would go" if self._dry_run else "go"
        stdout().print(
            f"{plan.runs:,} runs of {plan.project} {verb} to {len(plan.files):,} days", markup=False
        )

    def day(self, migrated: Migrated) -> None:
        """A day is done."""
        self._days.append(migrated)
        if self._silent:
            return
        would_be = "would be " if self._dry_run else ""
        words = [f"{migrated.runs:,} runs in {migrated.traces:,} traces", f"{would_be}{migrated.result}"]
        if migrated.missing_parents:
            words.append(f"{migrated.missing_parents:,} parents were never archived")
        if migrated.result == "kept":
            words.append(f"{migrated.only_old:,} runs are in the old files alone. {migrated.why}")
        line = Text.assemble((f"{_MARKS[migrated.result][0]} ", _MARKS[migrated.result][1]))
        line.append(f"{migrated.day}  {', '.join(words)}")
        stdout().print(line, soft_wrap=True)

    def end(self, plan: Plan) -> None:
        """Everything is done: what is left, and what comes next."""
        if self._json:
            say(json.dumps(self._document(plan), indent=2, ensure_ascii=False))
            return
        if not self._silent and len(self._days) > 1:
            stdout().print(self._all_days())
        for unusable in self._unusable[:_MOST_FILES]:
            stderr().print(Text(f"Not brought over: {unusable.path}: {unusable.why}"), soft_wrap=True)
        if len(self._unusable) > _MOST_FILES:
            stderr().print(f"and {len(self._unusable) - _MOST_FILES:,} more files: --json names them all")
        if not (self._silent or self._dry_run) and any(day.result == "written" for day in self._days):
            status = lse_command("status", plan.project)
            stdout().print(f"Next: {status}, which names the days to zip and to upload", markup=False)

    def _all_days(self) -> str:
        would_be = "would be " if self._dry_run else ""
        words = []
        for result in _MARKS:
            days = [day for day in self._days if day.result == result]
            if days:
                runs = sum(day.runs for day in days)
                words.append(f"{_several(len(days), 'day')} with {_several(runs, 'run')} {would_be}{result}")
        return "; ".join(words)

    def _document(self, plan: Plan) -> dict[str, Any]:
        return {
            "project": plan.project,
            "dry_run": self._dry_run,
            "days": [_day_fields(day) for day in self._days],
            "unusable": [{"path": str(one.path), "why": one.why} for one in self._unusable],
        }


def _several(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _day_fields(day: Migrated) -> dict[str, Any]:
    return {
        "date": day.day.isoformat(),
        "result": day.result,
        "runs": day.runs,
        "traces": day.traces,
        "missing_parents": day.missing_parents,
        "only_old": day.only_old,
        "why": day.why,
    }


@click.command()
@click.option(
    "--from",
    "source",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="The data directory of the first system. Default: LSE_DATA_DIR, else ./data.",
)
@project_option
@click.option("--dry-run", is_flag=True, help="Only say what would become of each day.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, as described above.")
@quiet_option
def migrate(source: Path | None, project: str | None, dry_run: bool, as_json: bool, quiet: bool) -> None:
    """Bring runs of the first system (one file per run, filed by fetch date) into day folders.

    Each run goes to its own UTC date and its trace. The old files stay. LangSmith never counted these runs,
    so the days are marked as unverified. A day that this system fetched itself is kept, not replaced.

    \b
    Examples:
      lse migrate --from ../old/data --dry-run
      lse migrate --from ../old/data --project my-project

    \b
    With --json:
      {"project", "dry_run",
       "days": [{"date", "result": "written" | "unchanged" | "kept", "runs", "traces",
                 "missing_parents", "only_old", "why"}],
       "unusable": [{"path", "why"}]}

    Exit codes: 0 all is brought over, 1 something is not, 130 interrupted.
    """
    if as_json and quiet:
        raise click.UsageError("Give --json or --quiet, not both.")
    from lse_dagster.cli.environment import load_settings
    from lse_dagster.cli.terminal.errors import StepsFailed
    from lse_dagster.cli.terminal.projects import choose_project
    from lse_dagster.run.times import utc_now
    from lse_dagster.steps.first_system.migrate import migrate_day, plan_migration
    from lse_dagster.steps.union import take_as_it_is

    name, settings = choose_project(load_settings(), project, must_exist=False)
    places = _places(settings)
    store = places.days
    report = MigrateReport(dry_run=dry_run, as_json=as_json, quiet=quiet)
    plan = plan_migration(source or settings.data_dir, store, name)
    report.begin(plan)
    for day in plan.files:
        allow = partial(take_as_it_is, places=places, overwrite="superset", now=utc_now)
        report.day(migrate_day(plan, store, day, allow=allow, dry_run=dry_run))
    report.end(plan)
    if report.something_left:
        raise StepsFailed


def _places(settings: "Settings") -> "Places":
    """Where a day may lie already; what could not be looked at is told."""
    from lse_dagster.day.store import DayStore
    from lse_dagster.day.zip.store import ZipStore
    from lse_dagster.drive.archive import DriveArchive
    from lse_dagster.net.backoff import IN_PASSING
    from lse_dagster.steps.places import Places

    drive = None
    if settings.drive.folder_url is not None:
        drive = partial(DriveArchive.connect, settings.drive, backoff=IN_PASSING)
    return Places(
        DayStore(settings.data_dir), ZipStore(settings.archives_dir), drive, partial(say, error=True)
    )
