"""Wiring only: settings in, one `Definitions` out. The code location, the tests and the command share it."""

import logging
import os
import warnings
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

import dagster as dg

from lse_dagster.calendar.inventory import projects_here
from lse_dagster.day.space import FreeBytes, free_bytes
from lse_dagster.defs.alerts.heartbeat import Heartbeat
from lse_dagster.defs.alerts.sensor import alerts_sensor
from lse_dagster.defs.alerts.webhook import DeadMansSwitch, Webhook
from lse_dagster.defs.assets import project_assets
from lse_dagster.defs.check_table import check_keys
from lse_dagster.defs.checks import project_checks
from lse_dagster.defs.failure import AT_A_TERMINAL, Retries
from lse_dagster.defs.health import Installation, health_sensor
from lse_dagster.defs.io_managers import DayFolderIOManager, DayZipIOManager, DriveIOManager
from lse_dagster.defs.jobs import (
    archive_job,
    expiry_job,
    free_disk_job,
    free_disk_schedule,
    nightly_schedule,
    reconcile_job,
    restore_job,
    tick_after_midnight,
    verify_job,
)
from lse_dagster.defs.overview.asset import overview_asset, overview_job, overview_schedule
from lse_dagster.defs.overview.events import refresh
from lse_dagster.defs.progress import Progress
from lse_dagster.defs.project import ArchivedProject, archived_projects, daily_utc
from lse_dagster.defs.resources import DriveResource, LangSmithResource, LocalStorage
from lse_dagster.defs.running.executor import living_in_process_executor
from lse_dagster.defs.upkeep.look import Reconciliation
from lse_dagster.defs.upkeep.sensor import reconciliation_sensor
from lse_dagster.langsmith.clock import LangSmithClock
from lse_dagster.run.times import utc_now
from lse_dagster.settings import Settings

# Dagster 1.13 marks partitioned checks as preview, data versions and code links as beta. We rely on them
# knowingly; the warnings would bury what a person looks for in the terminal.
for _category in (dg.PreviewWarning, dg.BetaWarning):
    warnings.filterwarnings("ignore", category=_category, module=r"lse_dagster\.")
# Merging definitions copies the sensors, and Dagster itself makes the code links: it warns of its own calls.
for _words in ("Parameter `owners` of initializer `SensorDefinition", "Class `(Code|LocalFileCode)Reference"):
    warnings.filterwarnings("ignore", _words, dg.BetaWarning)
# Of a day that is skipped Dagster says that its checks block nothing. There is nothing to block: what follows
# is skipped with it, as the day is not there.
logging.getLogger("dagster._core.execution.plan.active").addFilter(
    lambda record: "emitted no result in step" not in record.getMessage()
)


def build_definitions(
    settings: Settings,
    *,
    progress: Progress | None = None,
    retries: Retries | None = None,
    now: Callable[[], datetime] = utc_now,
    free: FreeBytes = free_bytes,
) -> dg.Definitions:
    """Everything for the projects of the settings. What is wrong with these fails each step, in its words.

    `progress` takes the place of lines in the run's log, `now` that of the machine's clock, `free` that of a
    look at the disk. Without `retries` a step fails at the first error: who runs it in a terminal is told,
    and decides.
    """
    for left_out in (*settings.invalid, *settings.impossible_projects()):
        logging.getLogger(__name__).warning(left_out)
    # What is here is watched whatever the settings say now: it may not be on Drive.
    is_watched = settings.schedules == "on" and settings.in_the_way is None
    here = projects_here(settings.data_dir, settings.archives_dir) if is_watched else {}
    projects = archived_projects(settings.projects, settings.in_the_way, here=here)
    clock = LangSmithClock(settings.langsmith.endpoint, now)
    resources = build_resources(settings, progress or Progress(), retries or AT_A_TERMINAL)
    schedule = tick_after_midnight(settings.schedule_hour_utc)
    watches = [
        Reconciliation(
            project,
            settings.reconciliation,
            date.max if project.is_former else settings.start_date,
            min(settings.start_date, here.get(project.name or "", date.max)),
            schedule,
            clock,
            resources["storage"],
            resources["drive"],
            settings.impossible_projects(),
        )
        for project in projects
    ]
    running = dg.Definitions(resources=resources, executor=living_in_process_executor(projects))
    return dg.Definitions.merge(
        *(_project_definitions(watch, settings, free, running) for watch in watches),
        _overview(watches, settings),
        _watch(settings, projects, clock, free),
        running,
    )


def _project_definitions(
    watch: Reconciliation, settings: Settings, free: FreeBytes, running: dg.Definitions
) -> dg.Definitions:
    project, rule, clock = watch.project, watch.rule, watch.clock
    partitions = daily_utc(watch.oldest)
    hour, keep = settings.schedule_hour_utc, settings.keep_local_days
    archive, reconcile = archive_job(project), reconcile_job(project, partitions, clock.machine)
    expiry = expiry_job(project, partitions)
    free_disk = free_disk_job(project, keep_days=keep, rule=rule, now=clock.now)
    nightly = nightly_schedule(
        project,
        archive,
        first=settings.start_date,
        hour_utc=hour,
        on=settings.schedules != "off",
        now=clock.now,
    )
    assets = dg.with_source_code_references(
        project_assets(project, partitions, rule, owners=settings.owners, clock=clock, free=free)
    )
    bare = dg.Definitions(assets=assets, resources=running.resources, executor=running.executor)
    return dg.Definitions(
        assets=assets,
        asset_checks=project_checks(project, partitions, rule),
        jobs=[archive, restore_job(project, bare), verify_job(project), reconcile, expiry, free_disk],
        schedules=[
            *([nightly] if not project.is_former else []),
            *([free_disk_schedule(project, free_disk, hour_utc=hour)] if keep is not None else []),
        ],
        sensors=[reconciliation_sensor(watch, [archive, reconcile, expiry], on=settings.schedules == "on")],
    )


def _overview(watches: Sequence[Reconciliation], settings: Settings) -> dg.Definitions:
    job = overview_job()
    asset = overview_asset(
        watches,
        price=settings.storage_price,
        owners=settings.owners,
        fills_holes=settings.schedules == "on",
    )
    schedule = overview_schedule(job, hour_utc=settings.schedule_hour_utc, on=settings.schedules == "nightly")
    return dg.Definitions(assets=dg.with_source_code_references([asset]), jobs=[job], schedules=[schedule])


def _watch(
    settings: Settings, projects: Sequence[ArchivedProject], clock: LangSmithClock, free: FreeBytes
) -> dg.Definitions:
    """What looks at the whole, and what tells people."""
    schedule = tick_after_midnight(settings.schedule_hour_utc)
    ping = DeadMansSwitch(settings.ping_url).ping if settings.ping_url is not None else None
    current = [project for project in projects if not project.is_former]
    names = [project.name for project in projects if project.name is not None]
    show = partial(refresh, projects=names, price=settings.storage_price)
    installation = Installation(settings, current, schedule, clock, free)
    sensors = [health_sensor(installation, show, ping, on=settings.schedules == "on")]
    if settings.webhook_url is not None:
        checks = [key for project in projects for key in check_keys(project)]
        webhook, heartbeat = Webhook(settings.webhook_url), None
        if settings.heartbeat:
            now_archived = [project.name for project in current if project.name is not None]
            heartbeat = Heartbeat(webhook, names, now_archived, installation.last_night_by)
        sensors.append(
            alerts_sensor(
                webhook, projects, checks, ui=settings.dagster_url, now=clock.now, heartbeat=heartbeat
            )
        )
    return dg.Definitions(sensors=sensors)


def build_resources(settings: Settings, progress: Progress, retries: Retries) -> dict[str, Any]:
    """The resources as the settings say."""
    storage = LocalStorage(
        data_dir=str(settings.data_dir),
        archives_dir=str(settings.archives_dir),
        zip_level=settings.zip_level,
    )
    drive = DriveResource.of(settings.drive)
    return {
        "langsmith": LangSmithResource.of(settings.langsmith),
        "drive": drive,
        "storage": storage,
        "progress": progress,
        "retries": retries,
        "day_folder_io": DayFolderIOManager(storage=storage, retries=retries),
        "day_zip_io": DayZipIOManager(storage=storage, drive=drive, progress=progress, retries=retries),
        "drive_io": DriveIOManager(storage=storage, drive=drive, progress=progress, retries=retries),
    }


defs = build_definitions(Settings.as_far_as_right(os.environ), retries=Retries())
