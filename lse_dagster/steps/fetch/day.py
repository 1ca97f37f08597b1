"""Fetching one day: every run that started in it, the tail of its traces, feedback, and the proof.

Nothing is published here. The result waits in its staging folder, complete and flushed, and holds at least
as many runs as LangSmith counted after the last page; if that cannot be had, this ends with an error.
"""

import ctypes
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from lse_dagster.calendar.rules import Rule
from lse_dagster.day.errors import DiskError
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.space import FreeBytes, expect_room, free_bytes, needed_by_fetch
from lse_dagster.day.staging import StagedDay, Staging
from lse_dagster.day.store import DayStore
from lse_dagster.day.whole import Asked
from lse_dagster.day.writing.writer import DayWriter, Origin, Totals
from lse_dagster.langsmith.errors import DayNotOver, NoSuchEndpoint
from lse_dagster.langsmith.feedback import fetch_feedback
from lse_dagster.langsmith.queries import V1Queries, count_runs
from lse_dagster.langsmith.server import Project, choose_queries, find_project
from lse_dagster.langsmith.transport import Transport
from lse_dagster.run.tally import Tally
from lse_dagster.run.times import DayInterval, utc_now
from lse_dagster.steps.fetch.attachments import AttachmentDownloads, AttachmentsKept
from lse_dagster.steps.fetch.checkpoint import Checkpoint, FetchScope
from lse_dagster.steps.fetch.job import FetchJob, RunIntake
from lse_dagster.steps.fetch.progress import FetchProgress, ProgressReporter, Traffic
from lse_dagster.steps.fetch.proof import prove_complete
from lse_dagster.steps.fetch.workers import fetch_runs

_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 1 << 20


def return_large_blocks() -> None:
    """Let this process return blocks of 1 MiB and more when they are freed. Does nothing without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


@dataclass(frozen=True)
class FetchedDay:
    """A fetched day in its staging folder, and what is worth telling about the fetch.

    `resumed_runs` were taken over from an interrupted fetch; `surplus` counts runs that LangSmith no longer
    counted at the end: deleted or expired meanwhile.
    """

    staged: StagedDay
    project: Project
    tally: Tally
    resumed_runs: int
    surplus: int
    traffic: Traffic


def fetch_day(
    transport: Transport,
    store: DayStore,
    project: str,
    day: date,
    *,
    overwrite: Overwrite = "superset",
    on_progress: Callable[[FetchProgress], None] | None = None,
    now: Callable[[], datetime] = utc_now,
    retention_days: int = Rule.retention_days,
    free: FreeBytes = free_bytes,
) -> FetchedDay:
    """Fetch one UTC day of a project into a staging folder; `store.publish` puts it in its place.

    An interrupted fetch is gone on with, but not under `always`: that begins anew. `now` is this machine's
    clock: LangSmith's answers correct it. Raises `NoRoom`, `ProjectNotFound`, `DayNotOver`,
    `OverwriteRefused`, `DayIsBusy`, `DiskError`, `IncompleteDay`, and what the transport raises; the old day
    is untouched then, and what was completed waits for the next fetch.
    """
    expect_room(store.root, needed_by_fetch(store, project), f"Fetching {day} of {project!r}", free)
    store.refuse_if_exists(project, day, overwrite)
    return_large_blocks()
    with ThreadPoolExecutor(1, thread_name_prefix="info") as thread, transport.with_its_own_end() as asking:
        generation = thread.submit(choose_queries, asking)
        found = find_project(asking, project)
        queries_of = generation.result()

    def there() -> datetime:
        return transport.time.now(now())

    started_at = there()
    if started_at < DayInterval.of(day).end:
        raise DayNotOver(project, day, started_at)
    while True:
        with transport.with_its_own_end() as own:
            queries = queries_of(own)
            try:
                job = FetchJob(own, queries, found, day, started_at)
                return _Fetch(job, store, overwrite == "always", there, retention_days, on_progress).run()
            except NoSuchEndpoint:
                if queries.answered or isinstance(queries, V1Queries):
                    raise
        # The server says it is new enough and has no v2 all the same.
        queries_of = V1Queries


@dataclass(frozen=True)
class _Fetch:
    """A job, and where and how its day is written."""

    job: FetchJob
    store: DayStore
    begins_anew: bool
    now: Callable[[], datetime]
    retention_days: int
    on_progress: Callable[[FetchProgress], None] | None

    def run(self) -> FetchedDay:
        """Fetch, prove, write."""
        with self.store.stage(self.job.project.name, self.job.day, keeps=self._can_go_on) as staging:
            staging.resumable = True
            try:
                fetched = self._fetch_into(staging)
            except DiskError:
                # What was staged may be what fills the disk.
                staging.resumable = False
                raise
            except OSError as error:
                staging.resumable = False
                raise self._disk_error(error) from error
            staging.resumable = False
            return fetched

    def _fetch_into(self, staging: Staging) -> FetchedDay:
        checkpoint, writer = self._begin(staging)
        resumed = len(writer)
        try:
            total, kept, reporter = self._gather(staging, checkpoint, writer)
            writer.leave_out_later_traces()
            tally = writer.tally()
            surplus = max(0, writer.count_started_in_day() - total)
            staged = self._write(checkpoint, writer, kept, total)
            checkpoint.end()
        except BaseException:
            # What is in memory now must not be written later, into the spool of the next fetch.
            writer.flush()
            raise
        return FetchedDay(staged, self.job.project, tally, resumed, surplus, reporter.traffic())

    def _gather(
        self, staging: Staging, checkpoint: Checkpoint, writer: DayWriter
    ) -> tuple[int, AttachmentsKept, ProgressReporter]:
        """Bring all runs into the writer; LangSmith's total of them, and what lies beside them."""
        transport = self.job.transport
        with (
            AttachmentDownloads(
                staging.content,
                transport.configured_endpoint,
                hosts=transport.attachment_hosts,
                refresh=self.job.run_again,
                on_retry=transport.on_retry,
            ) as downloads,
            transport.cancelled_on_error(),
        ):
            intake = RunIntake(writer, downloads)
            reporter = ProgressReporter(transport, intake, self.on_progress)
            fetch_runs(self.job, intake, checkpoint, reporter)
            total = prove_complete(self.job, intake, began=checkpoint.started_at)
            return total, downloads.finish(), reporter

    def _write(
        self, checkpoint: Checkpoint, writer: DayWriter, kept: AttachmentsKept, total: int
    ) -> StagedDay:
        """Write the day, while the count of its root runs waits: ten seconds lie between two counts."""
        job = self.job
        with (
            ThreadPoolExecutor(1, thread_name_prefix="count") as thread,
            job.transport.cancelled_on_error(),
        ):
            roots = thread.submit(count_runs, job.transport, job.whole, roots_only=True)
            short = fetch_feedback(
                job.transport,
                job.project.id,
                writer.runs_with_feedback(),
                writer.add_feedback,
                job.numbers_of_feedback,
            )

            def totals() -> Totals:
                counted = roots.result()
                asked = Asked.for_day(job.day, until=self.now(), retention_days=self.retention_days)
                return Totals(total, counted, asked)

            return writer.finish(
                Origin(job.project.id, job.queries.name, checkpoint.started_at),
                totals=totals,
                attachments=kept.files,
                missing_attachments=kept.missing,
                short_feedback=short,
            )

    @property
    def _scope(self) -> FetchScope:
        job = self.job
        return FetchScope(job.project.id, job.day.isoformat(), job.queries.name, job.queries.fields)

    def _can_go_on(self, staging: Staging) -> bool:
        return self._interrupted(staging) is not None

    def _interrupted(self, staging: Staging) -> Checkpoint | None:
        """The fetch to go on with, if there is one and not all is to be fetched anew."""
        if self.begins_anew:
            return None
        return Checkpoint.find(staging.checkpoint_path, self._scope, self.job.started_at)

    def _begin(self, staging: Staging) -> tuple[Checkpoint, DayWriter]:
        found = self._interrupted(staging)
        if found is not None:
            try:
                return found, DayWriter(staging, recover=found.spool_bytes)
            except (ValueError, OSError):
                pass  # The spool is not what the checkpoint says: begin anew.
        checkpoint = Checkpoint.begin(staging.checkpoint_path, self._scope, self.job.started_at)
        try:
            return checkpoint, DayWriter(staging)
        except OSError as error:
            raise self._disk_error(error) from error

    def _disk_error(self, error: OSError) -> DiskError:
        return DiskError(f"Writing the day {self.job.day} of {self.job.project.name!r}", error)
