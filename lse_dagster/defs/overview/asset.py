"""The asset `archive_overview`, its check, and what materializes it where no sensor looks.

One for all projects, without partitions, downstream of each project's copies: in a run that archives days too
it comes last, and what fails in it keeps no day from Drive.
"""

import logging
from collections.abc import Sequence

import dagster as dg

from lse_dagster.calendar.overview import Overview
from lse_dagster.defs.dagster_internals import UnresolvedAssetJobDefinition
from lse_dagster.defs.failure import archive_errors_as_failures
from lse_dagster.defs.overview.events import CHECK, KEY, Shown
from lse_dagster.defs.upkeep.look import DRIVE_TIMEOUT, QUICKLY, Look, Reconciliation
from lse_dagster.defs.upkeep.records import Records
from lse_dagster.errors import ArchiveError
from lse_dagster.settings import no_project
from lse_dagster.steps.drive_copy import described_copies


def overview_asset(
    watches: Sequence[Reconciliation], *, price: float | None, owners: Sequence[str], fills_holes: bool
) -> dg.AssetsDefinition:
    """How the archive of all projects stands. `price`: of a GB on Drive a month, in USD.

    `fills_holes`: whether the sensors see to it that each day is archived. Who archives by hand chose them.
    """

    @dg.asset(
        key=KEY,
        group_name="overview",
        deps=[watch.project.key("drive_archive") for watch in watches],
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=KEY,
                description="No day is missing, late or at risk. It names project, days and command.",
            )
        ],
        kinds={"python", "report"},
        owners=owners,
        description="All projects at a glance: through which day each is archived, what is missing, late, at "
        "risk or forgotten, what it takes on Drive and on this disk. The sensors keep it up to date with "
        "LSE_SCHEDULES=on; *Materialize* looks now.",
    )
    def archive_overview(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with archive_errors_as_failures():
            if not any(watch.project.name for watch in watches):
                raise no_project()
            found = [_look(context.instance, watch, context.log) for watch in watches]
        now = max(one.looked_at for one in found)
        shown = Shown.of({one.project: one for one in found}, price, now)
        shown.remember(context.instance)
        result = dg.AssetCheckResult(
            passed=shown.verdict.passed,
            severity=shown.severity if fills_holes else dg.AssetCheckSeverity.WARN,
            description=shown.verdict.text,
        )
        return dg.MaterializeResult(metadata=shown.metadata, check_results=[result])

    return archive_overview


def overview_job() -> UnresolvedAssetJobDefinition:
    """Look at all projects now."""
    return dg.define_asset_job(
        "overview",
        selection=dg.AssetSelection.assets(KEY),
        description="Look at all projects now: which days are archived, missing, late or at risk.",
        tags={"lse/kind": "overview"},
    )


def overview_schedule(job: UnresolvedAssetJobDefinition, *, hour_utc: int, on: bool) -> dg.ScheduleDefinition:
    """An hour after the nightly runs were asked for. Where the reconciliation looks it is not needed."""
    return dg.ScheduleDefinition(
        job=job,
        cron_schedule=f"30 {(hour_utc + 1) % 24} * * *",
        execution_timezone="UTC",
        description="All projects: looks after the night. Not needed where the sensors are on: they look.",
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
    )


def _look(instance: dg.DagsterInstance, watch: Reconciliation, log: logging.Logger) -> Overview:
    """One project as it is now, with one list of Drive's."""
    name, on_drive = watch.project.configured_name, None
    try:
        with watch.drive.connect(log, backoff=QUICKLY, timeout=DRIVE_TIMEOUT) as archive:
            on_drive = described_copies(archive, name)
    except ArchiveError as error:
        log.warning(f"What Drive has is taken from the records. {error}")
    return Look(watch, Records(instance, watch.project), on_drive, None).overview()
