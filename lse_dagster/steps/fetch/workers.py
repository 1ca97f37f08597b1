"""The workers of a fetch: threads that follow the cursors of time ranges side by side.

All concurrency of this room is here. The threads share the transport, the writer and the board of ranges,
each of which guards itself; the checkpoint is guarded here. The first error stops all of them, whatever they
wait for, and is raised.
"""

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import date, datetime
from typing import Final

import msgspec

from lse_dagster.day.writing.writer import Added, DayWriter
from lse_dagster.langsmith.errors import InvalidAnswer
from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.queries import RunQueries, page_trail
from lse_dagster.langsmith.scope import RunScope, started_in, tail_of
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.page_trail import PageTrail
from lse_dagster.run.identity import InvalidRun, Listed
from lse_dagster.run.times import DayInterval
from lse_dagster.steps.fetch.attachments import AttachmentDownloads
from lse_dagster.steps.fetch.checkpoint import Checkpoint
from lse_dagster.steps.fetch.progress import Progress
from lse_dagster.steps.fetch.ranges import RangeBoard, TimeRange, gaps, slices


def keep_runs(
    raws: Iterable[bytes | msgspec.Raw],
    writer: DayWriter,
    downloads: AttachmentDownloads,
    *,
    listed: Listed,
) -> Added:
    """Keep the runs that belong to the day; `listed` as for `DayWriter.add`.

    Raises `InvalidAnswer` for what is no run, `DiskError`, `Cancelled`.
    """
    try:
        added = writer.add(raws, listed=listed)
        for raw in added.naming_files:
            downloads.add(raw)
    except InvalidRun as error:
        raise InvalidAnswer(
            "Reading a run that LangSmith sent", f"{error}.", "Run this again, and report it if it stays."
        ) from error
    return added


WORKERS: Final = 12
"""Enough to hide 300 ms of latency at the rate limit. Each takes the memory of about two pages."""


def fetch_runs(
    transport: Transport,
    queries: RunQueries,
    writer: DayWriter,
    checkpoint: Checkpoint,
    *,
    session: str,
    day: date,
    now: datetime,
    progress: Progress,
    downloads: AttachmentDownloads,
) -> None:
    """Fetch every run of the day that the checkpoint does not have, and the tail of its traces.

    Raises what the transport raises, `QueryGoesInCircles`, `InvalidAnswer`, `DiskError`; the transport is
    cancelled then.
    """
    interval = DayInterval.of(day)
    fresh = not checkpoint.ranges
    left = (
        slices(interval.start, interval.end, WORKERS)
        if fresh
        else gaps(interval.start, interval.end, checkpoint.ranges)
    )
    for raw in () if fresh else writer.recovered_naming_files():
        downloads.add(raw)
    crew = _Crew(transport, queries, writer, checkpoint, RangeBoard(left), session, progress, downloads)
    crew.run(tail_of(session, interval, now=now))


class _Crew:
    """The threads of one fetch and what they share."""

    def __init__(
        self,
        transport: Transport,
        queries: RunQueries,
        writer: DayWriter,
        checkpoint: Checkpoint,
        board: RangeBoard,
        session: str,
        progress: Progress,
        downloads: AttachmentDownloads,
    ) -> None:
        self._downloads = downloads
        self._transport = transport
        self._queries = queries
        self._writer = writer
        self._checkpoint = checkpoint
        self._board = board
        self._session = session
        self._progress = progress
        self._size = PageSize(queries.largest_page)
        self._lock = threading.Lock()

    def run(self, tail: RunScope) -> None:
        """Work until nothing is left. One worker begins with the tail."""
        jobs = [lambda: self._follow_tail(tail)] + [self._follow_ranges] * WORKERS
        # Not threads of our own: Python 3.11 takes a thread for finished when Ctrl+C comes during its `join`,
        # and nobody may write to the staging after we return.
        with ThreadPoolExecutor(len(jobs), thread_name_prefix="fetch") as threads:
            try:
                for done in as_completed([threads.submit(job) for job in jobs]):
                    done.result()
            except BaseException:
                self._stop()
                raise

    def _stop(self) -> None:
        self._board.stop()
        self._transport.cancel()
        self._downloads.cancel()

    def _follow_ranges(self) -> None:
        while (taken := self._board.take()) is not None:
            if self._follow_range(taken):
                low, high = self._board.finish(taken)
                self._progress.report(self._board)
                with self._lock:
                    self._checkpoint.complete(low, high, self._writer.flush)

    def _follow_range(self, working_on: TimeRange) -> bool:
        """Whether the range was completed; not when another worker's error stopped it."""
        scope = started_in(self._session, DayInterval(working_on.asked_from, working_on.high))
        trail = page_trail(scope)
        cursor: str | None = None
        while not self._board.stopped:
            starts, cursor = self._keep_page(scope, trail, cursor)
            needs_more = self._board.arrived(working_on, starts)
            self._progress.report(self._board)
            if cursor is None or not needs_more:
                return True
        return False

    def _follow_tail(self, scope: RunScope) -> None:
        trail = page_trail(scope)
        cursor: str | None = None
        while not self._board.stopped:
            _, cursor = self._keep_page(scope, trail, cursor)
            self._progress.report(self._board)
            if cursor is None:
                return

    def _keep_page(
        self, scope: RunScope, trail: PageTrail, cursor: str | None
    ) -> tuple[list[datetime], str | None]:
        """Keep one page and let go of it; the start times of its runs, and the cursor of the next."""
        page = self._queries.page(scope, cursor, self._size)
        added = keep_runs(page.items, self._writer, self._downloads, listed=scope.lists)
        return added.starts, trail.after(page.next_cursor, added.ids)
