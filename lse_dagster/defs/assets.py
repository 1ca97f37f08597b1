"""The three assets of one project: `raw_runs` -> `day_zip` -> `drive_archive`, one partition per UTC day.

A factory makes them once per project. Every input names its key: Dagster would bind a prefixed asset to the
plain `raw_runs` otherwise.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from lse_dagster.calendar.rules import Rule
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.space import FreeBytes
from lse_dagster.day.staging import DecidedDay
from lse_dagster.day.summary import Summary
from lse_dagster.day.zip.file import DayZip
from lse_dagster.defs.alerts.endings import NEXT_STEP, keep_endings
from lse_dagster.defs.checks import checks_of_day
from lse_dagster.defs.day_results import check_published, record_short_count
from lse_dagster.defs.failure import Retries, archive_errors_as_failures
from lse_dagster.defs.io_managers import DayToPublish, DayToZip, ZipToCopy
from lse_dagster.defs.metadata import (
    FETCHED_AT_METADATA,
    SOURCE_METADATA,
    DayMetadata,
    numbers_of_day,
    numbers_of_fetch,
    recorded_sha256,
)
from lse_dagster.defs.own_records import Owner, owner_metadata
from lse_dagster.defs.progress import Progress
from lse_dagster.defs.project import (
    DRIVE_POOL,
    LANGSMITH_POOL,
    PROJECT_METADATA,
    SHOWN_PROJECT_TAG,
    ArchivedProject,
)
from lse_dagster.defs.resources import DriveResource, LangSmithResource, LocalStorage
from lse_dagster.defs.restoring.step import is_restore, restore_day, skip
from lse_dagster.errors import printable
from lse_dagster.langsmith.clock import LangSmithClock
from lse_dagster.langsmith.errors import DayForgotten, IncompleteDay
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster.steps.restore import NotOnDrive
from lse_dagster.steps.union import keep_what_was_there

_OVERWRITE = "never: refuse what exists. superset: replace it only if no run is lost. always: replace it."


_Asset = Callable[..., Callable[[Callable[..., Any]], dg.AssetsDefinition]]
"""`dg.asset` with what the three have in common."""


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
    asset = partial(
        dg.asset,
        partitions_def=partitions,
        group_name=project.group,
        metadata={PROJECT_METADATA: project.name} if project.name is not None else {},
        owners=owners,
        tags={SHOWN_PROJECT_TAG: project.group},
    )
    return [
        _raw_runs(project, asset, rule, clock, free),
        _day_zip(project, asset, free),
        _drive_archive(project, asset, free),
    ]


def _raw_runs(
    project: ArchivedProject, asset: _Asset, rule: Rule, clock: LangSmithClock, free: FreeBytes
) -> dg.AssetsDefinition:
    @asset(
        key=project.key("raw_runs"),
        output_required=False,  # a day that is not on Drive, or LangSmith has forgotten, is no fault
        io_manager_key="day_folder_io",
        pool=LANGSMITH_POOL,
        kinds={"python", "json"},
        description=project.described(
            "Every run of one UTC day as LangSmith sent it: a folder with one JSON file per trace."
        ),
    )
    def raw_runs(
        context: dg.AssetExecutionContext,
        config: RawRunsConfig,
        langsmith: LangSmithResource,
        drive: DriveResource,
        storage: LocalStorage,
        progress: Progress,
        retries: Retries,
    ) -> Iterator[dg.Output[DayToPublish] | dg.AssetCheckEvaluation]:
        started = time.monotonic()
        log, listener, overwrite = context.log, progress.listener(context.log), config.overwrite

        def fetch(name: str, day: date) -> tuple[DecidedDay, DayMetadata]:
            with langsmith.connect(log, patience_seconds=retries.patience_seconds) as transport:
                fetched = fetch_day(
                    transport,
                    storage.days,
                    name,
                    day,
                    overwrite=overwrite,
                    on_progress=listener,
                    now=clock.machine,
                    retention_days=rule.retention_days,
                    free=free,
                )
            for ending in keep_endings(context.instance, transport.endings.values()):
                log.warning(f"{ending}. {NEXT_STEP}")
            if fetched.resumed_runs:
                log.info(f"Went on with an interrupted fetch: {fetched.resumed_runs:,} runs were there")
            if fetched.surplus:
                log.warning(
                    f"LangSmith counts {fetched.surplus:,} runs fewer than were fetched: deleted or expired "
                    "meanwhile"
                )
            # What is forced asks nothing of Drive: neither what it holds, nor whether it answers.
            places = storage.places(drive if overwrite != "always" else None, log, free)
            decided = keep_what_was_there(fetched.staged, places, overwrite, forgotten_from=rule.expires(day))
            return decided, numbers_of_fetch(fetched, langsmith.endpoint)

        def restore(name: str, day: date) -> tuple[DecidedDay, DayMetadata]:
            return restore_day(
                name,
                day,
                langsmith=langsmith,
                drive=drive,
                storage=storage,
                log=log,
                listener=listener,
                overwrite=overwrite,
                wanted_id=config.project_id,
                patience_seconds=retries.patience_seconds,
                clock=clock,
                free=free,
            )

        with retries.archive_errors(context.retry_number):
            name, day = project.configured_name, date.fromisoformat(context.partition_key)
            source = "drive" if is_restore(context.run, project) else config.source
            try:
                decided, found = fetch(name, day) if source == "langsmith" else restore(name, day)
            except (NotOnDrive, DayForgotten) as absent:
                skip(context, project, absent)
                return
            except IncompleteDay as error:
                if retries.is_last(context.retry_number):
                    record_short_count(context, name, error)
                raise
        summary = decided.day.summary
        yield dg.Output(
            DayToPublish(decided, overwrite),
            data_version=dg.DataVersion(summary.sha256),
            metadata={
                **_owner(summary),
                SOURCE_METADATA: source,
                **found,
                **numbers_of_day(summary),
                FETCHED_AT_METADATA: printable(decided.fetched_at),
                "seconds": time.monotonic() - started,
            },
        )
        if is_restore(context.run, project):  # which plans no checks
            find = checks_of_day(context, project, rule, langsmith, storage, retries)
            yield from check_published(context, project, retries, find)

    return raw_runs


def _day_zip(project: ArchivedProject, asset: _Asset, free: FreeBytes) -> dg.AssetsDefinition:
    @asset(
        key=project.key("day_zip"),
        ins={"raw_runs": dg.AssetIn(key=project.key("raw_runs"))},
        io_manager_key="day_zip_io",
        kinds={"python", "zip"},
        description=project.described(
            "The day folder as one zip: flat, deterministic, readable by any tool."
        ),
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


def _drive_archive(project: ArchivedProject, asset: _Asset, free: FreeBytes) -> dg.AssetsDefinition:
    @asset(
        key=project.key("drive_archive"),
        ins={"day_zip": dg.AssetIn(key=project.key("day_zip"))},
        io_manager_key="drive_io",
        pool=DRIVE_POOL,
        kinds={"python", "googledrive"},
        description=project.described("The verified copy of the day zip on Google Drive."),
    )
    def drive_archive(
        context: dg.AssetExecutionContext, config: OverwriteConfig, day_zip: DayZip
    ) -> dg.Output[ZipToCopy]:
        _expect_right_settings(project)
        summary = day_zip.summary
        recorded = recorded_sha256(context.instance, day_zip.date, Owner(project, {}, summary.project_id))
        return dg.Output(
            ZipToCopy(day_zip, config.overwrite, recorded, free),
            data_version=dg.DataVersion(summary.sha256),
            metadata=_owner(summary),
        )

    return drive_archive


def _expect_right_settings(project: ArchivedProject) -> None:
    with archive_errors_as_failures():
        _ = project.configured_name


def _owner(summary: Summary) -> dict[str, str]:
    return owner_metadata(summary.project, summary.project_id)
