"""Fetching one day: every run that started in it, the tail of its traces, feedback, and the proof.

Nothing is published here. The result waits in its staging folder, complete and flushed, and holds at least
as many runs as LangSmith counted after the last page; if that cannot be had, this ends with an error.
"""

import ctypes
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from lse_dagster.calendar.rules import Rule
from lse_dagster.day.errors import DiskError
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.staging import StagedDay, Staging
from lse_dagster.day.store import DayStore
from lse_dagster.day.whole import Asked
from lse_dagster.day.writing.writer import DayWriter, Origin, Totals
from lse_dagster.langsmith.errors import DayNotOver, NoSuchEndpoint
from lse_dagster.langsmith.feedback import fetch_feedback, numbers_of_feedback
from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.queries import RunQueries, V1Queries, count_runs, pages_by_id
from lse_dagster.langsmith.scope import started_in, tail_of
from lse_dagster.langsmith.server import Project, choose_queries, find_project
from lse_dagster.langsmith.transport import Transport
from lse_dagster.run.tally import Tally
from lse_dagster.run.times import DayInterval
from lse_dagster.steps.fetch.attachments import AttachmentDownloads, AttachmentsKept
from lse_dagster.steps.fetch.checkpoint import Checkpoint, FetchScope
from lse_dagster.steps.fetch.progress import FetchProgress, Progress, Traffic
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


def _utc_now() -> datetime:
    return datetime.now(UTC)


def fetch_day(
    transport: Transport,
    store: DayStore,
    project: str,
    day: date,
    *,
    overwrite: Overwrite = "superset",
    on_progress: Callable[[FetchProgress], None] | None = None,
    now: Callable[[], datetime] = _utc_now,
    retention_days: int = Rule.retention_days,
) -> FetchedDay:
    """Fetch one UTC day of a project into a staging folder; `store.publish` puts it in its place.

    An interrupted fetch is gone on with, but not under `always`: that begins anew. `now` is this machine's
    clock: LangSmith's answers correct it. Raises `ProjectNotFound`, `DayNotOver`,
    `OverwriteRefused`, `DayIsBusy`, `DiskError`, `IncompleteDay`, and what the transport raises; the old day
    is untouched then, and what was completed waits for the next fetch.
    """
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
                return _Fetch(
                    own, store, found, day, queries, there, started_at, retention_days, on_progress, overwrite
                ).run()
            except NoSuchEndpoint:
                if queries.answered or isinstance(queries, V1Queries):
                    raise
        # The server says it is new enough and has no v2 all the same.
        queries_of = V1Queries


class _Fetch:
    """One fetch of one day with one API generation."""

    def __init__(
        self,
        transport: Transport,
        store: DayStore,
        found: Project,
        day: date,
        queries: RunQueries,
        now: Callable[[], datetime],
        started_at: datetime,
        retention_days: int,
        on_progress: Callable[[FetchProgress], None] | None,
        overwrite: Overwrite,
    ) -> None:
        self._transport = transport
        self._store = store
        self._found = found
        self._project = found.name
        self._day = day
        self._queries = queries
        self._now = now
        self._started_at = started_at
        self._retention_days = retention_days
        self._on_progress = on_progress
        self._begins_anew = overwrite == "always"
        self._scope = started_in(found.id, DayInterval.of(day))
        self._tail = tail_of(found.id, DayInterval.of(day), now=self._started_at)
        self._fetch_scope = FetchScope(found.id, day.isoformat(), queries.name, queries.fields)

    def run(self) -> FetchedDay:
        """Fetch, prove, write."""
        with self._store.stage(self._project, self._day, keeps=self._can_go_on) as staging:
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
            total, kept, progress = self._gather(staging, checkpoint, writer)
            writer.leave_out_later_traces()
            tally = writer.tally()
            surplus = max(0, writer.count_started_in_day() - total)
            staged = self._write(checkpoint, writer, kept, total)
            checkpoint.end()
        except BaseException:
            # What is in memory now must not be written later, into the spool of the next fetch.
            writer.flush()
            raise
        return FetchedDay(staged, self._found, tally, resumed, surplus, progress.traffic())

    def _gather(
        self, staging: Staging, checkpoint: Checkpoint, writer: DayWriter
    ) -> tuple[int, AttachmentsKept, Progress]:
        """Bring all runs into the writer; LangSmith's total of them, and what lies beside them."""
        with (
            AttachmentDownloads(
                staging.content,
                self._transport.configured_endpoint,
                hosts=self._transport.attachment_hosts,
                refresh=self._run_again,
                on_retry=self._transport.on_retry,
            ) as downloads,
            self._transport.cancelled_on_error(),
        ):
            progress = Progress(self._transport, writer, downloads, self._on_progress)
            fetch_runs(
                self._transport,
                self._queries,
                writer,
                checkpoint,
                session=self._scope.project_id,
                day=self._day,
                now=self._started_at,
                progress=progress,
                downloads=downloads,
            )
            total = prove_complete(
                self._transport,
                self._queries,
                writer,
                downloads,
                session=self._scope.project_id,
                project=self._project,
                day=self._day,
                began=checkpoint.started_at,
                now=self._started_at,
            )
            return total, downloads.finish(), progress

    def _write(
        self, checkpoint: Checkpoint, writer: DayWriter, kept: AttachmentsKept, total: int
    ) -> StagedDay:
        """Write the day, while the count of its root runs waits: ten seconds lie between two counts."""
        origin = Origin(self._scope.project_id, self._queries.name, checkpoint.started_at)
        with (
            ThreadPoolExecutor(1, thread_name_prefix="count") as thread,
            self._transport.cancelled_on_error(),
        ):
            roots = thread.submit(count_runs, self._transport, self._scope, roots_only=True)
            short = fetch_feedback(
                self._transport,
                self._scope.project_id,
                writer.runs_with_feedback(),
                writer.add_feedback,
                self._numbers_of_feedback,
            )

            def totals() -> Totals:
                counted = roots.result()
                asked = Asked.for_day(self._day, until=self._now(), retention_days=self._retention_days)
                return Totals(total, counted, asked)

            return writer.finish(
                origin,
                totals=totals,
                attachments=kept.files,
                missing_attachments=kept.missing,
                short_feedback=short,
            )

    def _numbers_of_feedback(self, run_ids: Sequence[str]) -> dict[str, int]:
        """How many feedback records each run says that it has, as LangSmith says now."""
        numbers: dict[str, int] = {}
        for scope in (self._scope, self._tail):
            left = [run_id for run_id in run_ids if run_id not in numbers]
            numbers |= numbers_of_feedback(self._queries, scope, left)
        return numbers

    def _run_again(self, run_id: str) -> msgspec.Raw | None:
        """A run as LangSmith sends it now, with URLs that are good again."""
        for scope in (self._scope, self._tail):
            for page in pages_by_id(self._queries, scope, [run_id], PageSize(1)):
                if page:
                    return page[0]
        return None

    def _can_go_on(self, staging: Staging) -> bool:
        return self._interrupted(staging) is not None

    def _interrupted(self, staging: Staging) -> Checkpoint | None:
        """The fetch to go on with, if there is one and not all is to be fetched anew."""
        if self._begins_anew:
            return None
        return Checkpoint.find(staging.checkpoint_path, self._fetch_scope, self._started_at)

    def _begin(self, staging: Staging) -> tuple[Checkpoint, DayWriter]:
        found = self._interrupted(staging)
        if found is not None:
            try:
                return found, DayWriter(staging, recover=found.spool_bytes)
            except (ValueError, OSError):
                pass  # The spool is not what the checkpoint says: begin anew.
        checkpoint = Checkpoint.begin(staging.checkpoint_path, self._fetch_scope, self._started_at)
        try:
            return checkpoint, DayWriter(staging)
        except OSError as error:
            raise self._disk_error(error) from error

    def _disk_error(self, error: OSError) -> DiskError:
        return DiskError(f"Writing the day {self._day} of {self._project!r}", error)
