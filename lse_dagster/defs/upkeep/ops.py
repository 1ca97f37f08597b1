"""The steps that make no asset: comparing a day with LangSmith again, and freeing this machine's disk.

Thin: what is compared or removed is decided in `steps.recount` and `steps.free_disk`, when in
`calendar.rules`; here are the events by which Dagster remembers it.
"""

from collections.abc import Callable, Container, Iterator, Mapping
from datetime import date, datetime
from functools import partial
from typing import Final, Literal

import dagster as dg
from pydantic import Field

from lse_dagster.calendar.evidence import Evidence
from lse_dagster.calendar.inventory import local_days
from lse_dagster.calendar.rules import KnownDay, Rule, is_settled
from lse_dagster.day.errors import BrokenDay, BrokenZip, NoSuchDay, NoSuchZip
from lse_dagster.day.names import project_path_part
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.defs.check_table import ATTACHMENTS, COPY, RUN_COUNT
from lse_dagster.defs.day_results import Service
from lse_dagster.defs.failure import NEXT_STEP_METADATA, Retries, archive_errors_as_failures
from lse_dagster.defs.own_records import owner_metadata, recorded_id
from lse_dagster.defs.project import DRIVE_POOL, LANGSMITH_POOL, ArchivedProject
from lse_dagster.defs.resources import DriveResource, LangSmithResource, LocalStorage
from lse_dagster.defs.upkeep.records import CHANGED_METADATA, COUNTED_AT_METADATA, MISSING_METADATA, Records
from lse_dagster.errors import ArchiveError
from lse_dagster.run.times import iso_z
from lse_dagster.settings import MissingSetting
from lse_dagster.steps.free_disk import KeptCopy, LocalCopy, local_days_before, remove_local_copy, sweep
from lse_dagster.steps.recount import Recount, count_again, outlines_of_folder, outlines_of_zip

Clock = Callable[[], datetime]

REMOVED_METADATA: Final = "removed"
KEPT_METADATA: Final = "kept"
"""On what `free_disk` says it did: the bytes of each day that went, and why each other one stayed."""

_CHECKS_OF_DANGERS: Final = {"drive": COPY, "attachments": ATTACHMENTS}


def count_again_op(project: ArchivedProject, now: Clock) -> dg.OpDefinition:
    """Count a day again, and record the result as one of the check that counts."""

    @dg.op(name=project.job_name("count_again"), pool=LANGSMITH_POOL, out=dg.Out(dg.Nothing))
    def count_again_(
        context: dg.OpExecutionContext, langsmith: LangSmithResource, storage: LocalStorage, retries: Retries
    ) -> None:
        with retries.archive_errors(context.retry_number):
            name, day = project.configured_name, date.fromisoformat(context.partition_key)
            held, project_id = _archived_runs(Records(context.instance, project), storage, name, day)
            with langsmith.connect(context.log, patience_seconds=retries.patience_seconds) as transport:
                found = count_again(
                    transport,
                    name,
                    day,
                    now=now(),
                    held=held,
                    archived_id=project_id,
                    outlines=lambda: _archived_outlines(storage, name, day),
                )
        result = _count_result(project, day, held, found, project_id)
        context.log_event(result)  # type: ignore[arg-type] # it takes any event; typed for three of them

    return count_again_


def _archived_runs(records: Records, storage: LocalStorage, project: str, day: date) -> tuple[int, str]:
    """How many runs that started in the day are archived, also when its folder was removed since.

    And of the project with which id.
    """
    try:
        summary = storage.days.load(project, day).summary
    except (NoSuchDay, BrokenDay, InvalidSummary):
        metadata = records.latest_metadata(day)
        runs = metadata.get("runs")
        if runs is None or not isinstance(runs.value, int):
            raise
        return runs.value, recorded_id(metadata)
    return summary.counts.runs_started_in_day, summary.project_id


def _archived_outlines(storage: LocalStorage, project: str, day: date) -> dict[str, int] | None:
    try:
        return outlines_of_folder(storage.days.load(project, day))
    except (NoSuchDay, BrokenDay, InvalidSummary):
        pass
    try:
        return outlines_of_zip(storage.zips.load(project, day))
    except (NoSuchZip, BrokenZip, InvalidSummary):
        return None


def _count_result(
    project: ArchivedProject, day: date, held: int, found: Recount, project_id: str
) -> dg.AssetCheckEvaluation:
    """Late runs and changes are no fault: a warning, on which the day is fetched again."""
    if found.missing:
        why = f"{found.missing:,} runs came after the day was fetched. It is fetched again."
    elif found.changed:
        why = f"{found.changed:,} runs ended or got feedback after the day was fetched. It is fetched again."
    elif found.total < held:
        why = f"{held:,} runs; LangSmith counts {found.total:,} now: the others were deleted or have expired."
    else:
        why = f"{held:,} runs, as LangSmith counts now."
    return dg.AssetCheckEvaluation(
        asset_key=project.key("raw_runs"),
        check_name=RUN_COUNT.name,
        passed=found.is_as_archived,
        severity=dg.AssetCheckSeverity.WARN,
        description=why,
        partition=day.isoformat(),
        metadata={
            "archived": held,
            "langsmith_now": found.total,
            MISSING_METADATA: found.missing,
            CHANGED_METADATA: found.changed,
            COUNTED_AT_METADATA: iso_z(found.asked_at),
            **owner_metadata(project.configured_name, project_id),
        },
    )


class DangerConfig(dg.Config):
    """What is to be told of days that are lost or about to be, of their attachments, or of no single day."""

    check: Literal["drive", "attachments"]
    why: str
    next_step: str
    days: list[str] = Field(default=[], description="Without any: that of the partition.")
    unless_passed_after: int | None = Field(
        default=None, description="The last event that was known. A check that passed since has mended it."
    )


def report_danger_op(project: ArchivedProject) -> dg.OpDefinition:
    """Fail the check of what is missing and soon cannot be had any more: a day's copy, or its attachments.

    What one run says of several days is one message.
    """

    @dg.op(name=project.job_name("report_danger"), out=dg.Out(dg.Nothing))
    def report_danger(context: dg.OpExecutionContext, config: DangerConfig) -> None:
        check = _CHECKS_OF_DANGERS[config.check]
        owner = owner_metadata(project.configured_name)
        key = dg.AssetCheckKey(project.key(check.asset), check.name)
        days = config.days or ([context.partition_key] if context.has_partition_key else [])
        mended: set[str] = set()
        if config.unless_passed_after is not None:  # a run that ended meanwhile may have saved them
            records = Records(context.instance, project)
            mended = records.passed_since(key, days, config.unless_passed_after)
        for day in days or (None,):
            if day in mended:
                context.log.info(f"{day} is no longer in danger: the check has passed meanwhile.")
                continue
            result = dg.AssetCheckEvaluation(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=False,
                partition=day,
                description=config.why,
                metadata={NEXT_STEP_METADATA: config.next_step, **owner},
            )
            context.log_event(result)  # type: ignore[arg-type] # it takes any event; typed for three of them

    return report_danger


class FreeDiskConfig(dg.Config):
    """What `free_disk` may do."""

    dry_run: bool = Field(default=True, description="Only list what would be removed, and its bytes.")
    days: list[str] = Field(default=[], description="Only these. Without any: all that are old enough.")


def free_disk_op(
    project: ArchivedProject, *, keep_days: int | None, rule: Rule, now: Clock
) -> dg.OpDefinition:
    """Remove local days that are old enough, settled, and verified on Drive."""

    @dg.op(name=project.job_name("remove_local_copies"), pool=DRIVE_POOL, out=dg.Out(dg.Nothing))
    def remove_local_copies(
        context: dg.OpExecutionContext, config: FreeDiskConfig, drive: DriveResource, storage: LocalStorage
    ) -> Iterator[dg.AssetObservation | dg.Output[None]]:
        with archive_errors_as_failures():
            name, moment = project.configured_name, now()
            if keep_days is None:
                raise MissingSetting(
                    "LSE_KEEP_LOCAL_DAYS",
                    "Nothing is removed without it. To keep the last 60 days here: LSE_KEEP_LOCAL_DAYS=60",
                )
            errors: list[ArchiveError] = [*sweep(storage.days, name)]
            days = local_days_before(storage.days, storage.zips, name, today=moment.date(), keep=keep_days)
            days = [day for day in days if not config.days or day.isoformat() in config.days]
            records = Records(context.instance, project)
            busy = records.busy_days(moment)
            here = local_days(storage.days.root, storage.zips.root, name)
            evidence = Evidence(here, None, records.recorded_days(days, here))
            known = {day: evidence.known(day) for day in days}
            kept: list[KeptCopy] = []
            removed: list[LocalCopy] = []
            service = Service()
            with drive.connect(context.log) as archive:
                archive.expect_ours(project_path_part(name))
                remove = partial(
                    remove_local_copy, storage.days, storage.zips, archive, name, dry_run=config.dry_run
                )
                for day in days:
                    if (why := _why_to_keep(day, busy, known, rule, moment)) is not None:
                        kept.append(KeptCopy(day, why))
                        continue
                    try:
                        found = service.ask(partial(remove, day))
                    except ArchiveError as error:
                        errors.append(error)
                        found = KeptCopy(day, error.why)
                    if isinstance(found, KeptCopy):
                        kept.append(found)
                        continue
                    removed.append(found)
                    if not config.dry_run:
                        yield _removal(project, found)  # what was logged is lost if a later day fails
            yield _report(context, removed, kept, dry_run=config.dry_run)
            if errors:  # the others are done with by now
                raise errors[0]

    return remove_local_copies


def _why_to_keep(
    day: date, busy: Container[date], known: Mapping[date, KnownDay | None], rule: Rule, now: datetime
) -> str | None:
    if day in busy:
        return "A run works on it, or waits for its turn."
    if not is_settled(day, known.get(day), rule, now):
        return "It is yet to be compared with LangSmith."
    return None


def _removal(project: ArchivedProject, removed: LocalCopy) -> dg.AssetObservation:
    return dg.AssetObservation(
        asset_key=project.key("raw_runs"),
        partition=removed.day.isoformat(),
        description="Removed from this disk; on Drive, verified right before. `restore` brings it back.",
        metadata={"bytes_freed": removed.bytes, **owner_metadata(project.configured_name)},
    )


def _report(
    context: dg.OpExecutionContext, removed: list[LocalCopy], kept: list[KeptCopy], *, dry_run: bool
) -> dg.Output[None]:
    freed = sum(copy.bytes for copy in removed)
    done = "would be removed" if dry_run else "removed"
    rows = [f"| {copy.day} | {done} | {copy.bytes:,} bytes |" for copy in removed]
    rows += [f"| {copy.day} | kept | {copy.why} |" for copy in kept]
    said = [f"{len(removed):,} days {done}, {freed:,} bytes; {len(kept):,} kept", *rows]
    context.log.info("\n".join(said))
    return dg.Output(
        None,
        metadata={
            "dry_run": dry_run,
            "days": len(removed),
            "bytes": freed,
            "days_kept": len(kept),
            "list": dg.MetadataValue.md("\n".join(["| day | | |", "| --- | --- | --- |", *rows])),
            REMOVED_METADATA: {copy.day.isoformat(): copy.bytes for copy in removed},
            KEPT_METADATA: {copy.day.isoformat(): copy.why for copy in kept},
        },
    )
