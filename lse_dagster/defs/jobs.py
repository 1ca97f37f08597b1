"""The jobs and schedules of one project: `archive` a day, `restore` it from Drive, `verify` it, and when.

A sensor asks for `reconcile`, which compares a day with LangSmith again, and for `expiry`, which tells that
one is about to be lost; `free_disk` is for whoever needs it.
"""

from datetime import UTC, date, timedelta
from typing import Final

import dagster as dg

from lse_dagster.calendar.rules import Rule
from lse_dagster.defs.assets import RawRunsConfig
from lse_dagster.defs.dagster_internals import UnresolvedAssetJobDefinition
from lse_dagster.defs.project import ArchivedProject
from lse_dagster.defs.upkeep.ops import Clock, count_again_op, free_disk_op, report_danger_op
from lse_dagster.run.times import DayInterval

_MINUTE: Final = 30


def archive_job(project: ArchivedProject) -> UnresolvedAssetJobDefinition:
    """Fetch, zip and copy one day, with all checks."""
    return dg.define_asset_job(
        project.job_name("archive"),
        selection=dg.AssetSelection.assets(*project.keys),
        description=project.described("LangSmith -> day folder -> zip -> Google Drive, for one UTC day."),
        tags=project.run_tags("archive"),
    )


def restore_job(project: ArchivedProject, without_checks: dg.Definitions) -> dg.JobDefinition:
    """Materialize `raw_runs` from its verified copy on Drive; a backfill restores what there is of any range.

    No checks are planned, and the step makes them itself: what is planned of a day that is not on Drive would
    be left behind. To leave them out of the selection is not enough: a backfill from the UI names the asset,
    and takes all checks of it that the job's graph knows (Dagster 1.13). So it is made of other definitions.

    It waits in LangSmith's pool though it only asks Drive: a pool belongs to the asset's step, and Dagster
    (1.13) has no other for one job.
    """
    job = dg.define_asset_job(
        project.job_name("restore"),
        selection=dg.AssetSelection.assets(project.key("raw_runs")),
        config=dg.RunConfig(ops={project.op_name("raw_runs"): RawRunsConfig(source="drive")}),
        description=project.described(
            "Google Drive -> day folder, every hash verified first. To restore a month:\n\n"
            "1. *Materialize…* on this page.\n2. Pick its days.\n3. *Launch backfill*, and follow it under "
            "*Runs*.\n\nA day that is not on Drive is skipped: its run succeeds with the tag "
            "`lse/skipped: not on Drive`, and what is here stays as it is."
        ),
        tags=project.run_tags("restore"),
    )
    return dg.Definitions.merge(without_checks, dg.Definitions(jobs=[job])).resolve_job_def(job.name)


def verify_job(project: ArchivedProject) -> UnresolvedAssetJobDefinition:
    """Run every check again: for one day with the tag `dagster/partition`, for every local day without."""
    return dg.define_asset_job(
        project.job_name("verify"),
        selection=dg.AssetSelection.checks_for_assets(*project.keys),
        description=project.described(
            "Compare day folder, zip, Drive copy and LangSmith again. No partition: every local day."
        ),
        tags=project.run_tags("verify"),
    )


def reconcile_job(
    project: ArchivedProject, partitions: dg.DailyPartitionsDefinition, now: Clock
) -> dg.JobDefinition:
    """Compare one archived day with LangSmith again; the sensor fetches it if something came or changed."""
    count = count_again_op(project, now)

    @dg.job(
        name=project.job_name("reconcile"),
        partitions_def=partitions,
        description=project.described(
            "Compare an archived UTC day with LangSmith again: a count, and on v2 each run's end."
        ),
        tags=project.run_tags("reconcile"),
    )
    def reconcile() -> None:
        count()

    return reconcile


def expiry_job(project: ArchivedProject, partitions: dg.DailyPartitionsDefinition) -> dg.JobDefinition:
    """Tell of a day that LangSmith is about to forget and that is not on Drive, or lacks attachments."""
    report = report_danger_op(project)

    @dg.job(
        name=project.job_name("expiry"),
        partitions_def=partitions,
        description=project.described(
            "Fail the Drive check of a UTC day that is about to be lost. The sensor asks for it."
        ),
        tags=project.run_tags("expiry"),
    )
    def expiry() -> None:
        report()

    return expiry


def free_disk_job(
    project: ArchivedProject, *, keep_days: int | None, rule: Rule, now: Clock
) -> dg.JobDefinition:
    """Remove day folders and zips that Drive has, verified again. A dry run unless it is told otherwise."""
    remove = free_disk_op(project, keep_days=keep_days, rule=rule, now=now)

    @dg.job(
        name=project.job_name("free_disk"),
        description=project.described(
            "Remove old days from this disk that are verified on Drive. `dry_run` first, by default."
        ),
        tags=project.run_tags("free_disk"),
    )
    def free_disk() -> None:
        remove()

    return free_disk


def nightly_schedule(
    project: ArchivedProject,
    job: UnresolvedAssetJobDefinition,
    *,
    first: date,
    hour_utc: int,
    on: bool,
    now: Clock,
) -> dg.ScheduleDefinition:
    """Run a job for the day that has just ended, some hours after midnight UTC.

    Dagster ticks by the machine's clock. A day that is not over by `now`, LangSmith's, is left to the
    reconciliation.
    """

    @dg.schedule(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=f"{_MINUTE} {hour_utc} * * *",
        execution_timezone="UTC",
        description=project.described("archives yesterday (UTC)."),
        tags=project.shown_tags,
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = context.scheduled_execution_time.astimezone(UTC).date() - timedelta(days=1)
        if day < first:
            return dg.SkipReason(f"The archive begins with {first}.")
        if (there := now()) < DayInterval.of(day).end:
            return dg.SkipReason(
                f"{day} is not over: LangSmith's clock says {there:%Y-%m-%d %H:%M} UTC. Set this machine's."
            )
        return dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())

    return nightly


def tick_after_midnight(hour_utc: int) -> timedelta:
    """How long after a day's end the nightly schedule archives it."""
    return timedelta(hours=hour_utc, minutes=_MINUTE)


def free_disk_schedule(
    project: ArchivedProject, job: dg.JobDefinition, *, hour_utc: int
) -> dg.ScheduleDefinition:
    """Remove for good what the job would list, every day. Off until somebody has seen a dry run."""
    return dg.ScheduleDefinition(
        name=project.job_name("free_disk") + "_schedule",
        job=job,
        cron_schedule=f"{_MINUTE} {(hour_utc + 6) % 24} * * *",
        execution_timezone="UTC",
        description=project.described("removes old days from this disk that are verified on Drive."),
        tags=project.shown_tags,
        run_config={"ops": {project.job_name("remove_local_copies"): {"config": {"dry_run": False}}}},
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
