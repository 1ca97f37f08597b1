"""The workers of a fetch: threads that follow the cursors of time ranges side by side.

All concurrency of this room is here. The threads share the transport, the writer and the board of ranges,
each of which guards itself; the checkpoint is guarded here. The first error stops all of them, whatever they
wait for, and is raised.
"""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime
from typing import Final

from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.queries import page_trail
from lse_dagster.langsmith.scope import RunScope
from lse_dagster.net.page_trail import PageTrail
from lse_dagster.run.times import DayInterval
from lse_dagster.steps.fetch.checkpoint import Checkpoint
from lse_dagster.steps.fetch.job import FetchJob, RunIntake
from lse_dagster.steps.fetch.progress import ProgressReporter
from lse_dagster.steps.fetch.ranges import RangeBoard, TimeRange, gaps, slices

WORKERS: Final = 12
"""Enough to hide 300 ms of latency at the rate limit. Each takes the memory of about two pages."""


def fetch_runs(job: FetchJob, intake: RunIntake, checkpoint: Checkpoint, reporter: ProgressReporter) -> None:
    """Fetch every run of the day that the checkpoint does not have, and the tail of its traces.

    Raises what the transport raises, `QueryGoesInCircles`, `InvalidAnswer`, `DiskError`; the transport is
    cancelled then.
    """
    start, end = job.interval.start, job.interval.end
    if checkpoint.ranges:
        left = gaps(start, end, checkpoint.ranges)
        for raw in intake.writer.recovered_naming_files():
            intake.downloads.add(raw)
    else:
        left = slices(start, end, WORKERS)
    _Crew(job, intake, checkpoint, reporter, RangeBoard(left)).run()


class _Crew:
    """The threads of one fetch and what they share."""

    def __init__(
        self,
        job: FetchJob,
        intake: RunIntake,
        checkpoint: Checkpoint,
        reporter: ProgressReporter,
        board: RangeBoard,
    ) -> None:
        self._job = job
        self._intake = intake
        self._checkpoint = checkpoint
        self._reporter = reporter
        self._board = board
        self._size = PageSize(job.queries.largest_page)
        self._lock = threading.Lock()

    def run(self) -> None:
        """Work until nothing is left. One worker begins with the tail."""
        jobs = [self._follow_tail] + [self._follow_ranges] * WORKERS
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
        self._job.transport.cancel()
        self._intake.downloads.cancel()

    def _follow_ranges(self) -> None:
        while (taken := self._board.take()) is not None:
            if self._follow_range(taken):
                low, high = self._board.finish(taken)
                self._reporter.report(self._board)
                with self._lock:
                    self._checkpoint.complete(low, high, self._intake.writer.flush)

    def _follow_range(self, working_on: TimeRange) -> bool:
        """Whether the range was completed; not when another worker's error stopped it."""
        scope = self._job.started_in(DayInterval(working_on.asked_from, working_on.high))
        trail = page_trail(scope)
        cursor: str | None = None
        while not self._board.stopped:
            starts, cursor = self._keep_page(scope, trail, cursor)
            needs_more = self._board.arrived(working_on, starts)
            self._reporter.report(self._board)
            if cursor is None or not needs_more:
                return True
        return False

    def _follow_tail(self) -> None:
        scope = self._job.tail
        trail = page_trail(scope)
        cursor: str | None = None
        while not self._board.stopped:
            _, cursor = self._keep_page(scope, trail, cursor)
            self._reporter.report(self._board)
            if cursor is None:
                return

    def _keep_page(
        self, scope: RunScope, trail: PageTrail, cursor: str | None
    ) -> tuple[list[datetime], str | None]:
        """Keep one page and let go of it; the start times of its runs, and the cursor of the next."""
        page = self._job.queries.page(scope, cursor, self._size)
        added = self._intake.keep(page.items, listed=scope.lists)
        return added.starts, trail.after(page.next_cursor, added.ids)
