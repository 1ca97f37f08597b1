"""How the asset checks of `check_table` are made, by Dagster's steps.

Checks read the summary and the files through the storage, never the asset's value, and are partitioned like
the assets. Run without a partition they look at every local day.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from functools import cache, partial

import dagster as dg

from lse_dagster.calendar.rules import Rule
from lse_dagster.day.folder import DayFolder
from lse_dagster.defs.check_table import COPY, DAY_CHECKS, ZIP, DayAtHand
from lse_dagster.defs.day_results import Find, Service, StepContext, check_days
from lse_dagster.defs.failure import Retries
from lse_dagster.defs.metadata import observation, recorded_sha256, was_restored
from lse_dagster.defs.own_records import Owner, latest_materializations, owner_metadata, tagged_id
from lse_dagster.defs.project import DRIVE_POOL, LANGSMITH_POOL, ArchivedProject
from lse_dagster.defs.resources import DriveResource, LangSmithResource, LocalStorage
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.file import DriveFile
from lse_dagster.errors import ArchiveError
from lse_dagster.net.backoff import Backoff
from lse_dagster.steps.drive_copy import find_copy
from lse_dagster.steps.examination.counts import CountsNow, count_now
from lse_dagster.steps.examination.finding import (
    Finding,
    find_changed_zip,
    find_damaged_zip,
    find_in_day,
    finding_of_differences,
)
from lse_dagster.steps.examination.reading import examine_day
from lse_dagster.steps.zip_proof import compare_with_record, prove_copy

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
        find = checks_of_day(context, project, rule, langsmith, storage, retries)
        yield from check_days(context, project, storage, retries, find)

    return raw_runs_checks


def checks_of_day(
    context: StepContext,
    project: ArchivedProject,
    rule: Rule,
    langsmith: LangSmithResource,
    storage: LocalStorage,
    retries: Retries,
) -> Find:
    """What each check of `raw_runs` finds of a day, whose files are read, and LangSmith asked, once."""
    service = Service()
    at_hand: dict[str, DayAtHand] = {}

    def count(folder: DayFolder) -> CountsNow:
        owner = Owner(project, {}, folder.summary.project_id)
        restored = bool(folder.summary.unverified) or was_restored(context.instance, folder.date, owner)
        connect, patience = partial(langsmith.connect, context.log), retries.patience_seconds
        return service.ask(partial(count_now, connect, folder, patience=patience, may_be_silent=restored))

    def look(check: str, folder: DayFolder) -> Finding:
        if (content := folder.summary_sha256) not in at_hand:
            examined, counted = cache(partial(examine_day, folder)), _once(partial(count, folder))
            at_hand[content] = DayAtHand(folder, rule, examined, counted)
        return _of(folder, _DAY_CHECKS[check].look(at_hand[content]))

    def find(check: str, name: str, day: date) -> Finding | None:
        project_id = tagged_id(context.run)
        if storage.days.find(name, day, project_id) is None and not _wrote(context, project, day):
            return None
        load = partial(storage.days.load, name, day, project_id)
        return find_in_day(load, partial(look, check))

    return find


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
        def find(_: str, name: str, day: date) -> Finding | None:
            folder = storage.days.find(name, day, tagged_id(context.run))
            if folder is None:
                project_id = storage.places(None, context.log).project_id(name, day, tagged_id(context.run))
                path = storage.zips.zip_path(name, day, project_id)
                if not path.exists():
                    return None
                found = find_damaged_zip(path, project=name, day=day)
                return replace(found, numbers={**found.numbers, **owner_metadata(name, project_id)})
            path = storage.zips.existing_path(name, day, folder.summary.project_id)
            return _of(folder, find_changed_zip(path, folder))

        yield from check_days(context, project, storage, retries, find)

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
        service, places = Service(), storage.places(None, context.log)
        connections = ExitStack()

        @cache
        def archive() -> DriveArchive:
            backoff = Backoff(patience=retries.patience_seconds)
            return connections.enter_context(drive.connect(context.log, backoff=backoff))

        def copy_of(name: str, day: date, project_id: str) -> DriveFile | None:
            return service.ask(lambda: find_copy(archive(), name, day, project_id))

        def find(_: str, name: str, day: date) -> Finding:
            project_id = places.project_id(name, day, tagged_id(context.run))
            path = storage.zips.zip_path(name, day, project_id)
            copy = copy_of(name, day, project_id)
            recorded = recorded_sha256(context.instance, day, Owner(project, {}, project_id))
            if not path.exists() and storage.days.find(name, day, project_id) is None:
                return finding_of_differences(
                    list(compare_with_record(copy, path.name, recorded)),
                    good="The day was freed here. Checksum on Drive is that of the zip that was proved.",
                    numbers={
                        "bytes": copy.size if copy is not None else 0,
                        **owner_metadata(name, project_id),
                    },
                )
            path = storage.zips.existing_path(name, day, project_id)
            proof = prove_copy(copy, path, project=name, day=day, recorded=recorded)
            if proof.sha256 not in {None, recorded}:
                seen = observation(project, day, proof.sha256, project_id)
                context.op_execution_context.log_event(seen)
            others = [
                f"{other.path} is of another project of this name, and not on Drive: it is damaged, or was "
                "not sent yet."
                for other in places.others(name, day)
                if copy_of(name, day, other.summary.project_id) is None
            ]
            return finding_of_differences(
                [*proof.differences, *others],
                good="Size and checksum on Drive are those of the zip that was proved, here as well.",
                numbers={"bytes": path.stat().st_size, **owner_metadata(name, project_id)},
            )

        with connections:
            yield from check_days(context, project, storage, retries, find)

    return drive_archive_checks


def _wrote(context: StepContext, project: ArchivedProject, day: date) -> bool:
    """Whether this very run wrote the day: that its folder is gone already is no freed day, but a fault."""
    owner = Owner(project, {}, tagged_id(context.run))
    made = latest_materializations(context.instance, "raw_runs", [day], owner).get(day)
    return made is not None and made.run_id == context.run.run_id


def _of(folder: DayFolder, found: Finding) -> Finding:
    """The finding, which says of which project's day it is."""
    owner = owner_metadata(folder.project, folder.summary.project_id)
    return replace(found, numbers={**found.numbers, **owner})


def _once(count: Callable[[], CountsNow]) -> Callable[[], CountsNow]:
    """The first answer, or error: two checks rest on it, and who does not answer is not waited for twice."""

    @cache
    def asked() -> CountsNow | ArchiveError:
        try:
            return count()
        except ArchiveError as error:
            return error

    def counted() -> CountsNow:
        if isinstance(found := asked(), ArchiveError):
            raise found
        return found

    return counted
