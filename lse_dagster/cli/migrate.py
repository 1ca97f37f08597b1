"""`lse migrate`: the data directory of the first system, brought into days of ours; the old files stay."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lse_dagster.cli.console import say
from lse_dagster.cli.options import quiet_option
from lse_dagster.cli.project import project_option

if TYPE_CHECKING:
    from lse_dagster.settings import Settings
    from lse_dagster.steps.places import Places


@click.command()
@click.option(
    "--from",
    "source",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="The data directory of the first system. Default: LSE_DATA_DIR, else ./data.",
)
@project_option
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, as described above.")
@quiet_option
def migrate(source: Path | None, project: str | None, dry_run: bool, as_json: bool, quiet: bool) -> None:
    """Bring runs of the first system (one file per run, filed by fetch date) into day folders.

    Each run goes to its own UTC date and its trace. The old files stay. LangSmith never counted these runs,
    so the days are marked as unverified. A day that this system fetched itself is not replaced.

    \b
    Examples:
      lse migrate --from ../old/data --dry-run
      lse migrate --from ../old/data --project my-project

    \b
    With --json:
      {"project", "dry_run",
       "days": [{"date", "result": "written" | "unchanged" | "kept" | null, "runs", "traces",
                 "missing_parents", "only_old", "why"}],
       "unusable": [{"path", "why"}]}

    Exit codes: 0 all is brought over, 1 something is not, 130 interrupted.
    """
    if as_json and quiet:
        raise click.UsageError("Give --json or --quiet, not both.")
    from lse_dagster.cli.environment import load_settings
    from lse_dagster.cli.errors import StepsFailed
    from lse_dagster.cli.migrate_report import MigrateReport
    from lse_dagster.cli.project import choose_project
    from lse_dagster.day.migration import migrate_day, plan_migration
    from lse_dagster.steps.union import take_as_it_is

    name, settings = choose_project(load_settings(), project)
    places = _places(settings)
    store = places.days
    report = MigrateReport(dry_run=dry_run, as_json=as_json, quiet=quiet)
    plan = plan_migration(source or settings.data_dir, store, name)
    report.begin(plan)
    for day in () if dry_run else plan.files:
        allow = partial(take_as_it_is, places=places, overwrite="superset", now=lambda: datetime.now(UTC))
        report.day(migrate_day(plan, store, day, allow=allow))
    report.end(plan)
    if report.something_left:
        raise StepsFailed


def _places(settings: "Settings") -> "Places":
    """Where a day may lie already; what could not be looked at is told."""
    from lse_dagster.day.store import DayStore
    from lse_dagster.day.zip_store import ZipStore
    from lse_dagster.drive import Backoff, DriveArchive
    from lse_dagster.steps.places import Places

    drive = None
    if settings.drive_folder_url is not None:
        drive = partial(DriveArchive.connect, settings.drive(), backoff=Backoff(tries=3, patience=20))
    return Places(
        DayStore(settings.data_dir), ZipStore(settings.archives_dir), drive, partial(say, error=True)
    )
