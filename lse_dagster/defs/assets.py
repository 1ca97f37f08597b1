"""The three assets of one project: `raw_runs` -> `day_zip` -> `drive_archive`, one partition per UTC day.

A factory makes them once per project. Every input names its key: Dagster would bind a prefixed asset to the
plain `raw_runs` otherwise.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from lse_dagster.calendar.rules import Rule
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.foreign import left_out
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.space import FreeBytes, expect_room, needed_by_fetch
from lse_dagster.day.staging import DecidedDay, StagedDay
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import Summary
from lse_dagster.day.zip.file import DayZip
from lse_dagster.defs.check_table import RUN_COUNT
from lse_dagster.defs.failure import Retries, archive_errors_as_failures
from lse_dagster.defs.io_managers import PROJECT_METADATA, DayToPublish, DayToZip, ZipToCopy
from lse_dagster.defs.metadata import (
    FETCHED_AT_METADATA,
    SOURCE_METADATA,
    numbers_of_day,
    recorded_sha256,
    tables_of_day,
)
from lse_dagster.defs.own_records import Owner, owner_metadata
from lse_dagster.defs.progress import Listener, Progress, amounts
from lse_dagster.defs.project import ArchivedProject
from lse_dagster.defs.resources import DriveResource, LangSmithResource, LocalStorage
from lse_dagster.errors import ArchiveError, printable
from lse_dagster.langsmith.clock import LangSmithClock
from lse_dagster.langsmith.errors import IncompleteDay
from lse_dagster.langsmith.server import project_id, project_page
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.backoff import Backoff
from lse_dagster.steps.beside import beside_another_project
from lse_dagster.steps.drive_copy import copy_to_restore, stage_from_drive
from lse_dagster.steps.fetch.day import FetchedDay, fetch_day
from lse_dagster.steps.union import keep_what_was_there, take_as_it_is

LANGSMITH_POOL = "langsmith"
DRIVE_POOL = "drive"
GROUP_TAG = "lse/project"
PRESENT_ID_METADATA = "langsmith_project_id"
"""LangSmith's id of the project that has the name now, whatever is archived."""
_PATIENCE_FOR_AN_ID = 10.0

Metadata = Mapping[str, dg.MetadataValue | int | float | str]

_OVERWRITE = "never: refuse what exists. superset: replace it only if no run is lost. always: replace it."


class OverwriteConfig(dg.Config):
    """What a step may replace."""

    overwrite: Literal["never", "superset", "always"] = Field(default="superset", description=_OVERWRITE)


class RawRunsConfig(OverwriteConfig):
    """Where the day comes from, and what it may replace."""

    source: Literal["langsmith", "drive"] = Field(
        default="langsmith", description="langsmith: fetch the day. drive: restore its verified copy."
    )
    project_id: str = Field(
        default="",
        description="LangSmith's id of the project to restore, where Drive has a day of several of one name.",
    )


def project_assets(
    project: ArchivedProject,
    partitions: dg.DailyPartitionsDefinition,
    rule: Rule,
    *,
    owners: Sequence[str],
    clock: LangSmithClock,
    free: FreeBytes,
) -> list[dg.AssetsDefinition]:
    """The assets of one project, in the order of the data.

    `rule` says when LangSmith forgets; `clock` and `free` tell the time and look at the disk.
    """
    fetch = partial(_fetch_where_there_is_room, free, now=clock.machine, retention_days=rule.retention_days)
    return [
        _raw_runs(project, partitions, rule, owners, fetch, clock.now, free),
        _day_zip(project, partitions, owners, free),
        _drive_archive(project, partitions, owners, free),
    ]


def _fetch_where_there_is_room(
    free: FreeBytes, transport: Transport, store: DayStore, project: str, day: date, **how: Any
) -> FetchedDay:
    needed = needed_by_fetch(store, project)
    expect_room(store.root, needed, f"Fetching {day} of {project!r}", free)
    return fetch_day(transport, store, project, day, **how)


def _raw_runs(
    project: ArchivedProject,
    partitions: dg.DailyPartitionsDefinition,
    rule: Rule,
    owners: Sequence[str],
    fetch: Callable[..., FetchedDay],
    now: Callable[[], datetime],
    free: FreeBytes,
) -> dg.AssetsDefinition:
    @dg.asset(
        key=project.key("raw_runs"),
        partitions_def=partitions,
        group_name=project.group,
        io_manager_key="day_folder_io",
        pool=LANGSMITH_POOL,
        kinds={"python", "json"},
        metadata=_definition_metadata(project),
        description="Every run of one UTC day as LangSmith sent it: a folder with one JSON file per trace.",
        owners=owners,
        tags={GROUP_TAG: project.group},
    )
    def raw_runs(
        context: dg.AssetExecutionContext,
        config: RawRunsConfig,
        langsmith: LangSmithResource,
        drive: DriveResource,
        storage: LocalStorage,
        progress: Progress,
        retries: Retries,
    ) -> dg.Output[DayToPublish]:
        started = time.monotonic()
        listener = progress.listener(context.log)
        with retries.archive_errors(context.retry_number):
            name, day = project.configured_name, date.fromisoformat(context.partition_key)
            source = _source(context, project, config)
            decided: StagedDay | DecidedDay
            if source == "drive":
                patience = retries.patience_seconds
                staged, found = _restore(
                    context, name, day, drive, langsmith, storage, listener, config, patience, free
                )
                here = storage.places(None, context.log)
                decided = take_as_it_is(staged, here, config.overwrite, now=now)
            else:
                try:
                    staged, found = _fetch(
                        context,
                        name,
                        day,
                        langsmith,
                        storage,
                        listener,
                        config.overwrite,
                        fetch,
                        retries.patience_seconds,
                    )
                    # What is forced asks nothing of Drive: neither what it holds, nor whether it answers.
                    asked = drive if config.overwrite != "always" else None
                    decided = beside_another_project(staged, storage.days, context.log.warning)
                    if isinstance(decided, StagedDay):
                        decided = keep_what_was_there(
                            decided,
                            storage.places(asked, context.log, free),
                            config.overwrite,
                            forgotten_from=rule.expires(day),
                        )
                except IncompleteDay as error:
                    if retries.is_last(context.retry_number):
                        _record_failed_count(context, name, error)
                    raise
        return dg.Output(
            DayToPublish(decided, config.overwrite),
            data_version=dg.DataVersion(decided.day.summary.sha256),
            metadata={
                **_owner(decided.day.summary),
                SOURCE_METADATA: source,
                **found,
                **numbers_of_day(decided.day.summary),
                FETCHED_AT_METADATA: printable(decided.fetched_at),
                "seconds": time.monotonic() - started,
            },
        )

    return raw_runs


def _day_zip(
    project: ArchivedProject,
    partitions: dg.DailyPartitionsDefinition,
    owners: Sequence[str],
    free: FreeBytes,
) -> dg.AssetsDefinition:
    @dg.asset(
        key=project.key("day_zip"),
        ins={"raw_runs": dg.AssetIn(key=project.key("raw_runs"))},
        partitions_def=partitions,
        group_name=project.group,
        io_manager_key="day_zip_io",
        kinds={"python", "zip"},
        metadata=_definition_metadata(project),
        description="The day folder as one zip: flat, deterministic, readable by any tool.",
        owners=owners,
        tags={GROUP_TAG: project.group},
    )
    def day_zip(config: OverwriteConfig, raw_runs: DayFolder) -> dg.Output[DayToZip]:
        _expect_right_settings(project)
        return dg.Output(
            DayToZip(raw_runs, config.overwrite, free),
            data_version=dg.DataVersion(raw_runs.summary.sha256),
            metadata={
                **_owner(raw_runs.summary),
                "files": len(raw_runs.summary.files) + 1,
                "bytes_unzipped": raw_runs.summary.bytes,
            },
        )

    return day_zip


def _drive_archive(
    project: ArchivedProject,
    partitions: dg.DailyPartitionsDefinition,
    owners: Sequence[str],
    free: FreeBytes,
) -> dg.AssetsDefinition:
    @dg.asset(
        key=project.key("drive_archive"),
        ins={"day_zip": dg.AssetIn(key=project.key("day_zip"))},
        partitions_def=partitions,
        group_name=project.group,
        io_manager_key="drive_io",
        pool=DRIVE_POOL,
        kinds={"python", "googledrive"},
        metadata=_definition_metadata(project),
        description="The verified copy of the day zip on Google Drive.",
        owners=owners,
        tags={GROUP_TAG: project.group},
    )
    def drive_archive(
        context: dg.AssetExecutionContext, config: OverwriteConfig, day_zip: DayZip
    ) -> dg.Output[ZipToCopy]:
        _expect_right_settings(project)
        recorded = recorded_sha256(
            context.instance, day_zip.date, Owner(project, {}, day_zip.summary.project_id)
        )
        return dg.Output(
            ZipToCopy(day_zip, config.overwrite, recorded, free),
            data_version=dg.DataVersion(day_zip.summary.sha256),
            metadata=_owner(day_zip.summary),
        )

    return drive_archive


def _expect_right_settings(project: ArchivedProject) -> None:
    with archive_errors_as_failures():
        _ = project.configured_name


def _source(
    context: dg.AssetExecutionContext, project: ArchivedProject, config: RawRunsConfig
) -> Literal["langsmith", "drive"]:
    """A run of the restore job reads from Drive whatever its config says.

    `dagster job execute` leaves out the config that a job was defined with; without this it would fetch the
    day from LangSmith under the name of a restore.
    """
    return "drive" if context.run.job_name == project.job_name("restore") else config.source


def _fetch(
    context: dg.AssetExecutionContext,
    project: str,
    day: date,
    langsmith: LangSmithResource,
    storage: LocalStorage,
    listener: Listener,
    overwrite: Overwrite,
    fetch: Callable[..., FetchedDay],
    patience: float,
) -> tuple[StagedDay, Metadata]:
    with langsmith.connect(context.log, patience_seconds=patience) as transport:
        fetched = fetch(transport, storage.days, project, day, overwrite=overwrite, on_progress=listener)
    if fetched.resumed_runs:
        context.log.info(f"Went on with an interrupted fetch: {fetched.resumed_runs:,} runs were there")
    if fetched.surplus:
        context.log.warning(
            f"LangSmith counts {fetched.surplus:,} runs fewer than were fetched: deleted or expired meanwhile"
        )
    page = project_page(langsmith.endpoint, fetched.project)
    return fetched.staged, {
        **tables_of_day(fetched.tally),
        PRESENT_ID_METADATA: printable(fetched.project.id),
        **({"langsmith_link": dg.MetadataValue.url(page)} if page is not None else {}),
        "requests": fetched.traffic.requests,
        "retries": fetched.traffic.retries,
        "bytes_received": fetched.traffic.bytes,
        "seconds_waited": fetched.traffic.seconds_waited,
        "resumed_runs": fetched.resumed_runs,
    }


def _record_failed_count(context: dg.AssetExecutionContext, project: str, error: IncompleteDay) -> None:
    """A day that stays short is not published, so its check never runs; its result is recorded here.

    Straight to the instance: what a step logs before it fails is lost. As an event of this run: Dagster takes
    a second result without a run for the same check and day as an error.
    """
    evaluation = dg.AssetCheckEvaluation(
        asset_key=context.asset_key,
        check_name=RUN_COUNT.name,
        passed=False,
        blocking=True,
        partition=context.partition_key,
        description=error.why,
        metadata={
            "fetched": error.held,
            "langsmith_now": error.total,
            "missing": error.total - error.held,
            **owner_metadata(project),
        },
    )
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
        job_name=context.run.job_name,
        event_specific_data=evaluation,
    )
    context.instance.report_dagster_event(event, run_id=context.run.run_id)


def _restore(
    context: dg.AssetExecutionContext,
    project: str,
    day: date,
    drive: DriveResource,
    langsmith: LangSmithResource,
    storage: LocalStorage,
    listener: Listener,
    config: RawRunsConfig,
    patience: float,
    free: FreeBytes,
) -> tuple[StagedDay, Metadata]:
    context.log.info(f"Restoring {day} of {project!r} from Drive")

    def present_id() -> str:
        try:
            with langsmith.connect(context.log, patience_seconds=_PATIENCE_FOR_AN_ID) as transport:
                return project_id(transport, project)
        except ArchiveError as error:
            context.log.info(f"Which project has this name now could not be asked. {error}")
            return ""

    with drive.connect(context.log, backoff=Backoff(patience=patience)) as archive:
        wanted, others = copy_to_restore(archive, project, day, config.project_id or present_id)
        for other in others:
            context.log.warning(
                f"{printable(other)} is on Drive, too: that day of another project of the same name. To "
                "restore it, give that project's id as `project_id`."
            )
        restored = stage_from_drive(
            archive,
            storage.days,
            project,
            day,
            copy=wanted,
            overwrite=config.overwrite,
            free=free,
            on_download=amounts(listener, "downloading"),
            on_extract=amounts(listener, "extracting"),
        )
    if restored.foreign:
        context.log.info(left_out(restored.foreign))
    return restored.staged, {**tables_of_day(restored.tally)}


def _owner(summary: Summary) -> dict[str, str]:
    return owner_metadata(summary.project, summary.project_id)


def _definition_metadata(project: ArchivedProject) -> dict[str, str]:
    return {PROJECT_METADATA: project.name} if project.name is not None else {}
