"""`lse migrate`: the data directory of the first system, brought into days of ours; the old files stay."""

from pathlib import Path

import click

from lse_dagster.cli.options import quiet_option
from lse_dagster.cli.project import project_option


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
    from lse_dagster.day.store import DayStore

    name, settings = choose_project(load_settings(), project)
    store = DayStore(settings.data_dir)
    report = MigrateReport(dry_run=dry_run, as_json=as_json, quiet=quiet)
    plan = plan_migration(source or settings.data_dir, store, name)
    report.begin(plan)
    for day in () if dry_run else plan.files:
        report.day(migrate_day(plan, store, day))
    report.end(plan)
    if report.something_left:
        raise StepsFailed
