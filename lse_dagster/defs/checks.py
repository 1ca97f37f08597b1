"""The asset checks: LangSmith's counts, whole traces, pending runs, the zip, the Drive copy.

Checks read the summary and the files through the storage, never the asset's value, and are partitioned like
the assets. Run without a partition they look at every local day.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from functools import partial

import dagster as dg

from lse_dagster.calendar.rules import Rule
from lse_dagster.day.errors import BrokenZip
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.foreign import left_out
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.directory import ZipDirectory
from lse_dagster.day.zip.file import summary_in_zip
from lse_dagster.day.zip.verify import compare_with_day
from lse_dagster.defs.check_table import COPY, DAY_CHECKS, ZIP, DayAtHand
from lse_dagster.defs.day_results import Service, days_to_check, findings_of, report
from lse_dagster.defs.failure import Retries
from lse_dagster.defs.metadata import observation, recorded_sha256, was_restored_from_drive
from lse_dagster.defs.own_records import (
    Owner,
    latest_materializations,
    metadata_of,
    owner_metadata,
    tagged_id,
)
from lse_dagster.defs.project import DRIVE_POOL, LANGSMITH_POOL, ArchivedProject
from lse_dagster.defs.resources import DriveResource, LangSmithResource, LocalStorage
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.file import DriveFile
from lse_dagster.errors import ArchiveError
from lse_dagster.net.backoff import Backoff
from lse_dagster.steps.drive_copy import find_copy
from lse_dagster.steps.examination.counts import CountsNow, count_now
from lse_dagster.steps.examination.finding import Finding, find_in_day, finding_of_differences
from lse_dagster.steps.examination.reading import Examination, examine_day
from lse_dagster.steps.zip_proof import prove_copy

_DAY_CHECKS = {check.name: check for check in DAY_CHECKS}


def project_checks(
    project: ArchivedProject, partitions: dg.DailyPartitionsDefinition, rule: Rule
) -> list[dg.AssetChecksDefinition]:
    """The checks of one project's three assets. `rule` says when LangSmith forgets."""
    return [
        _raw_runs_checks(project, partitions, rule),
        _zip_check(project, partitions),
        _drive_check(project, partitions),
    ]


def _raw_runs_checks(
    project: ArchivedProject, partitions: dg.DailyPartitionsDefinition, rule: Rule
) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=project.op_name("raw_runs_checks"),
        specs=[check.spec(project, partitions) for check in DAY_CHECKS],
        can_subset=True,
        pool=LANGSMITH_POOL,
    )
    def raw_runs_checks(
        context: dg.AssetCheckExecutionContext,
        langsmith: LangSmithResource,
        storage: LocalStorage,
        retries: Retries,
    ) -> Iterable[dg.AssetCheckResult]:
        counted: dict[str, CountsNow | ArchiveError] = {}
        examined: dict[str, Examination] = {}
        service = Service()

        def examine(folder: DayFolder) -> Examination:
            if (content := folder.summary_sha256) not in examined:
                examined[content] = examine_day(folder)
            return examined[content]

        def look(check: str, folder: DayFolder) -> Finding:
            day = DayAtHand(folder, rule, partial(examine, folder), partial(counted_once, folder))
            return _of(folder, _DAY_CHECKS[check].look(day))

        def counted_once(folder: DayFolder) -> CountsNow:
            """Both checks rest on it; who does not answer is not waited for twice."""
            content = folder.summary_sha256
            if content not in counted:
                restored = bool(folder.summary.unverified)
                restored = restored or _was_restored(context.instance, project, folder)
                ask = partial(count_now, partial(langsmith.connect, context.log), folder)
                patience = retries.patience_seconds
                try:
                    counted[content] = service.ask(partial(ask, patience=patience, may_be_silent=restored))
                except ArchiveError as error:
                    counted[content] = error
            found = counted[content]
            if isinstance(found, ArchiveError):
                raise found
            return found

        def finding(check: str, day: date) -> Finding:
            load = partial(storage.days.load, project.configured_name, day, tagged_id(context.run))
            return find_in_day(load, partial(look, check))

        with retries.archive_errors(context.retry_number):
            days = days_to_check(context, storage, project)
        found: Iterable[tuple[dg.AssetCheckKey, dict[date, Finding]]] = (
            (check, findings_of(context, retries, days, partial(finding, check.name)))
            for check in sorted(context.selected_asset_check_keys, key=lambda check: check.name)
        )
        if not retries.is_last(context.retry_number):
            found = list(found)  # a step that is tried again must not report a check twice
        for check, findings in found:
            yield from report(context, project, check, findings, warns=_DAY_CHECKS[check.name].warns)

    return raw_runs_checks


def _zip_check(
    project: ArchivedProject, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=project.op_name("day_zip_checks"),
        specs=[ZIP.spec(project, partitions)],
        can_subset=True,
    )
    def day_zip_checks(
        context: dg.AssetCheckExecutionContext, storage: LocalStorage, retries: Retries
    ) -> Iterable[dg.AssetCheckResult]:
        def finding(day: date) -> Finding:
            folder = storage.days.load(project.configured_name, day, tagged_id(context.run))
            path = storage.zips.existing_path(project.configured_name, day, folder.summary.project_id)
            try:
                with ZipDirectory(path) as archive:
                    foreign = left_out(archive.foreign_names())
                    differences = list(compare_with_day(archive, folder))
            except BrokenZip as error:
                foreign, differences = "", [error.why]
            members = len(folder.summary.files) + 1
            good = f"All {members:,} members match. {foreign}".rstrip()
            return _of(folder, finding_of_differences(differences, good=good, numbers={"members": members}))

        with retries.archive_errors(context.retry_number):
            days = days_to_check(context, storage, project)
        findings = findings_of(context, retries, days, finding)
        for check in context.selected_asset_check_keys:
            yield from report(context, project, check, findings)

    return day_zip_checks


def _drive_check(
    project: ArchivedProject, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=project.op_name("drive_archive_checks"),
        specs=[COPY.spec(project, partitions)],
        can_subset=True,
        pool=DRIVE_POOL,
    )
    def drive_archive_checks(
        context: dg.AssetCheckExecutionContext,
        storage: LocalStorage,
        drive: DriveResource,
        retries: Retries,
    ) -> Iterable[dg.AssetCheckResult]:
        service = Service()
        connections = ExitStack()
        archives: list[DriveArchive] = []

        def copy_of(day: date, project_id: str) -> DriveFile | None:
            if not archives:
                backoff = Backoff(patience=retries.patience_seconds)
                archives.append(connections.enter_context(drive.connect(context.log, backoff=backoff)))
            return find_copy(archives[0], project.configured_name, day, project_id)

        def finding(day: date) -> Finding:
            project_id = _id_here(storage, project.configured_name, day, tagged_id(context.run))
            path = storage.zips.existing_path(project.configured_name, day, project_id)
            copy = service.ask(partial(copy_of, day, project_id))
            recorded = recorded_sha256(context.instance, day, Owner(project, {}, project_id))
            proof = prove_copy(copy, path, project=project.configured_name, day=day, recorded=recorded)
            if proof.sha256 not in {None, recorded}:
                seen = observation(project, day, proof.sha256, project_id)
                context.op_execution_context.log_event(seen)
            others = [
                f"{other.path} is of another project of this name, and not on Drive: it is damaged, or was "
                "not sent yet."
                for other in _others_here(storage, project.configured_name, day)
                if service.ask(partial(copy_of, day, other.summary.project_id)) is None
            ]
            return finding_of_differences(
                [*proof.differences, *others],
                good="Size and checksum on Drive are those of the zip that was proved, here as well.",
                numbers={
                    "bytes": path.stat().st_size,
                    **owner_metadata(project.configured_name, project_id),
                },
            )

        with retries.archive_errors(context.retry_number):
            days = days_to_check(context, storage, project)
        with connections:
            findings = findings_of(context, retries, days, finding)
        for check in context.selected_asset_check_keys:
            yield from report(context, project, check, findings)

    return drive_archive_checks


def _of(folder: DayFolder, found: Finding) -> Finding:
    """The finding, which says of which project's day it is."""
    owner = owner_metadata(folder.project, folder.summary.project_id)
    return replace(found, numbers={**found.numbers, **owner})


def _id_here(storage: LocalStorage, project: str, day: date, wanted: str) -> str:
    """LangSmith's id of the project that the day here is of; empty where nothing here says it."""
    try:
        folder = storage.days.find(project, day, wanted)
    except InvalidSummary:
        folder = None
    if folder is not None:
        return folder.summary.project_id
    head = summary_in_zip(storage.zips.zip_path(project, day, wanted), project=project, day=day)
    return head.project_id if head is not None else wanted


def _others_here(storage: LocalStorage, project: str, day: date) -> Iterator[DayFolder]:
    """What lies beside the day here: nothing else asks whether that is safe."""
    try:
        folder = storage.days.find(project, day)
    except InvalidSummary:
        return
    if folder is not None:
        yield from storage.days.others(folder)


def _was_restored(instance: dg.DagsterInstance, project: ArchivedProject, folder: DayFolder) -> bool:
    """Whether the day's latest materialization came from Drive."""
    day, owner = folder.date, Owner(project, {}, folder.summary.project_id)
    latest = latest_materializations(instance, "raw_runs", [day], owner)
    return day in latest and was_restored_from_drive(metadata_of(latest[day]))
