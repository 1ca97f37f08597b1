"""Wiring only: settings in, one `Definitions` out. The code location, the tests and the command share it."""

import os
import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from lse_dagster.assets import project_assets
from lse_dagster.checks import project_checks
from lse_dagster.io_managers import DayFolderIOManager, DayZipIOManager, DriveIOManager
from lse_dagster.jobs import archive_job, restore_job, verify_job
from lse_dagster.project import archived_projects, daily_utc
from lse_dagster.resources import DriveResource, LangSmithResource, LocalStorage
from lse_dagster.schedules import nightly_schedule
from lse_dagster.settings import Settings

# Dagster 1.13 marks partitioned checks as preview and data versions as beta. We rely on them knowingly; the
# warnings would bury what a person looks for in the terminal.
for _category in (dg.PreviewWarning, dg.BetaWarning):
    warnings.filterwarnings("ignore", category=_category, module=r"lse_dagster\.")


def build_definitions(settings: Settings, *, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Everything for the projects of the settings. `resources` take the place of the default ones."""
    partitions = daily_utc(settings.start_date)
    projects = archived_projects(settings.projects)
    archive_jobs = [archive_job(project) for project in projects]
    return dg.Definitions(
        assets=[asset for project in projects for asset in project_assets(project, partitions)],
        asset_checks=[check for project in projects for check in project_checks(project, partitions)],
        jobs=[
            *archive_jobs,
            *(restore_job(project) for project in projects),
            *(verify_job(project) for project in projects),
        ],
        schedules=[nightly_schedule(job) for job in archive_jobs],
        resources={**build_resources(settings), **(resources or {})},
        executor=dg.in_process_executor,
    )


def build_resources(settings: Settings) -> dict[str, Any]:
    """The resources as the settings say. The API key goes in by its variable's name, not by its value."""
    storage = LocalStorage(data_dir=str(settings.data_dir), archives_dir=str(settings.archives_dir))
    drive = DriveResource(
        folder_url=settings.drive_folder_url,
        auth_type=settings.drive_auth_type,
        credentials_path=_text(settings.drive_credentials_path),
        token_path=_text(settings.drive_token_path),
        endpoint=settings.drive_endpoint,
    )
    return {
        "langsmith": LangSmithResource(
            api_key=dg.EnvVar("LANGSMITH_API_KEY") if settings.langsmith_api_key else None,
            endpoint=settings.langsmith_endpoint,
            workspace_id=settings.langsmith_workspace_id,
            rates=settings.langsmith_rates,
        ),
        "drive": drive,
        "storage": storage,
        "day_folder_io": DayFolderIOManager(storage=storage),
        "day_zip_io": DayZipIOManager(storage=storage),
        "drive_io": DriveIOManager(drive=drive),
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


defs = build_definitions(Settings.from_environment(os.environ))
