"""The jobs of one project: `archive` a day, `restore` it from Drive, `verify` it and change nothing."""

from typing import TYPE_CHECKING

import dagster as dg

from lse_dagster.assets import RawRunsConfig
from lse_dagster.project import ArchivedProject

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def archive_job(project: ArchivedProject) -> "UnresolvedAssetJobDefinition":
    """Fetch, zip and copy one day, with all checks."""
    return dg.define_asset_job(
        project.job_name("archive"),
        selection=dg.AssetSelection.assets(
            project.key("raw_runs"), project.key("day_zip"), project.key("drive_archive")
        ),
        description="LangSmith -> day folder -> zip -> Google Drive, for one UTC day.",
        tags={"lse/kind": "archive"},
    )


def restore_job(project: ArchivedProject) -> "UnresolvedAssetJobDefinition":
    """Materialize `raw_runs` from its verified copy on Drive; a backfill restores any range."""
    return dg.define_asset_job(
        project.job_name("restore"),
        selection=dg.AssetSelection.assets(project.key("raw_runs")),
        config=dg.RunConfig(ops={project.op_name("raw_runs"): RawRunsConfig(source="drive")}),
        description="Google Drive -> day folder, for one UTC day: every hash verified first.",
        tags={"lse/kind": "restore"},
    )


def verify_job(project: ArchivedProject) -> "UnresolvedAssetJobDefinition":
    """Run every check again: for one day with the tag `dagster/partition`, for every local day without."""
    return dg.define_asset_job(
        project.job_name("verify"),
        selection=dg.AssetSelection.checks_for_assets(
            project.key("raw_runs"), project.key("day_zip"), project.key("drive_archive")
        ),
        description="Compare day folder, zip, Drive copy and LangSmith again. No partition: every local day.",
        tags={"lse/kind": "verify"},
    )
