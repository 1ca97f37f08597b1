"""Writing one day: every run is checked for membership, spooled, and grouped into its trace's file.

A day holds the runs that started in it, and the later runs of traces that began in it (the tail). A run that
is neither is not kept, whatever the server sent it for.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal

import msgspec

from lse_dagster.day.attachment import MissingAttachment
from lse_dagster.day.durable import flush_files, flush_folder
from lse_dagster.day.errors import DiskError
from lse_dagster.day.feedback import ShortFeedback
from lse_dagster.day.feedback_spool import FeedbackRecord, FeedbackSpool
from lse_dagster.day.file_table import FileEntry, FileTable
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.interval import DayInterval, from_microseconds, iso_z, microseconds
from lse_dagster.day.names import SUMMARY, trace_file_name
from lse_dagster.day.run import RunIdentity, read_identity
from lse_dagster.day.run_index import SpooledRun
from lse_dagster.day.spool import RunSpool
from lse_dagster.day.staging import StagedDay, Staging
from lse_dagster.day.summary import SCHEMA, Counts, Summary, Unverified, content_sha256, encode_summary
from lse_dagster.day.tally import Tally
from lse_dagster.day.trace_file import write_trace_file
from lse_dagster.day.whole import Asked

_IN_DAY: Final = "start_us >= ? AND start_us < ?"
_WRITING_THREADS: Final = 2
_QUEUED_TRACES: Final = 8


@dataclass(frozen=True)
class Origin:
    """Where a day came from; all of it goes into the summary."""

    project_id: str
    api: Literal["v1", "v2"]
    fetched_at: datetime


@dataclass(frozen=True)
class Imported(Origin):
    """A day of the first system: nobody counted it. `records` are what lay beside its runs, by run id."""

    unverified: Unverified
    records: Mapping[str, list[bytes]]


@dataclass(frozen=True)
class Totals:
    """What LangSmith counts for a day."""

    runs: int
    roots: int
    asked: Asked | None = None


@dataclass(frozen=True)
class Added:
    """What was learned from runs that arrived."""

    ids: list[str]
    """Those of all, in the order they came."""
    starts: list[datetime]
    """When each of them started."""
    naming_files: list[bytes]
    """Those kept that name attachments or offloaded fields."""


class DayWriter:
    """Takes the runs of one day in any order, any number of times, from any number of threads."""

    def __init__(self, staging: Staging, *, recover: int = 0) -> None:
        """Begin, or go on with as many bytes as an earlier process flushed.

        Raises `DamagedSpool`, `InvalidRun` or `OSError` when that cannot be recovered.
        """
        self._staging = staging
        self._interval = DayInterval.of(staging.date)
        self._bounds = microseconds(self._interval.start), microseconds(self._interval.end)
        self._spool = RunSpool(staging.spool_path, recover=recover)
        self._index = self._spool.index
        self._feedback = FeedbackSpool(staging.feedback_path)

    def __len__(self) -> int:
        return self._index.count("TRUE")

    def lacking(self, run_ids: Sequence[str]) -> list[str]:
        """Those of these runs that are not kept, in their order."""
        return self._index.unknown(run_ids)

    def add(self, raws: Iterable[bytes | msgspec.Raw]) -> Added:
        """Keep those runs that belong to the day. Raises `InvalidRun` for what is no run, `DiskError`."""
        runs = [(read_identity(raw), raw) for raw in raws]
        kept = [(run, raw) for run, raw in runs if self._belongs(run)]
        try:
            self._spool.add(kept)
        except OSError as error:
            raise self._disk_error(error) from error
        return Added(
            ids=[run.id for run, _ in runs],
            starts=[run.start for run, _ in runs],
            naming_files=[bytes(raw) for run, raw in kept if run.names_files],
        )

    def _belongs(self, run: RunIdentity) -> bool:
        """Whether the run started in the day, or later in a trace that began in it."""
        if run.start in self._interval:
            return True
        return run.start >= self._interval.end and run.trace_start in self._interval

    def flush(self) -> int:
        """Bring all runs so far to the disk; what to recover them by. Raises `DiskError`."""
        try:
            return self._spool.flush()
        except OSError as error:
            raise self._disk_error(error) from error

    def count_started_in_day(self) -> int:
        """How many of the runs LangSmith counts for the day."""
        return self._index.count(_IN_DAY, *self._bounds)

    def even_parts(self, count: int) -> list[DayInterval]:
        """The day cut into up to so many intervals of equal count, as far as the starts of its runs allow."""
        begins = self._index.even_starts(*self._bounds, count)
        edges = sorted({self._bounds[0], *begins[1:], self._bounds[1]})
        return [DayInterval(from_microseconds(low), from_microseconds(high)) for low, high in pairwise(edges)]

    def tally(self) -> Tally:
        """The runs that LangSmith counts for the day, by what they are and when they started."""
        return Tally.of(self._index.kinds(*self._bounds))

    def add_feedback(self, records: Iterable[FeedbackRecord]) -> None:
        """Keep feedback records of runs that are kept, or will be. Raises `DiskError`."""
        try:
            self._feedback.add(records)
        except OSError as error:
            raise self._disk_error(error) from error

    def runs_with_feedback(self) -> list[tuple[str, int]]:
        """The ids of the runs that have feedback records to fetch, and how many each says that it has."""
        return self._index.feedback()

    def recovered_naming_files(self) -> Iterator[bytes]:
        """The runs of an earlier process that name attachments or offloaded fields."""
        return map(self._spool.read, self._index.runs_naming_files())

    def held(self, run_id: str) -> bytes:
        """The bytes of a run that was kept. Raises `KeyError`, `DiskError`."""
        try:
            return self._spool.read(self._index.find(run_id))
        except OSError as error:
            raise self._disk_error(error) from error

    def finish(
        self,
        origin: Origin,
        *,
        totals: Callable[[], Totals] | None = None,
        attachments: Mapping[str, FileEntry] | None = None,
        missing_attachments: Iterable[MissingAttachment] = (),
        short_feedback: Iterable[ShortFeedback] = (),
    ) -> StagedDay:
        """Write every trace file and the summary, and flush them.

        `totals` is asked when all but the summary is written; None for a day that nobody counted.
        `attachments` lie in the staging folder already, by name. Raises `DiskError`, and what `totals`
        raises; the staging is the caller's to discard.
        """
        try:
            self._spool.flush()
            traces = dict(self._write_traces(origin))
            counts = self._counts(len(traces), len(self._feedback), len(attachments or {}))
            files = {**traces, **(attachments or {})}
            counted = totals() if totals is not None else None
            staged = self._write_summary(
                origin, counted, files, counts, list(missing_attachments), list(short_feedback)
            )
        except OSError as error:
            raise self._disk_error(error) from error
        self._feedback.close()
        self._spool.close()
        return staged

    def _write_traces(self, origin: Origin) -> Iterator[tuple[str, FileEntry]]:
        """Two at a time: hashing and writing leave the interpreter's lock alone."""
        records = origin.records if isinstance(origin, Imported) else {}
        feedback_of = self._feedback.of_run if len(self._feedback) else _no_feedback

        def write(trace_id: str, start: datetime, name: str, runs: Sequence[SpooledRun]) -> FileEntry:
            return write_trace_file(
                self._staging.content / name,
                project=self._staging.project,
                trace_id=trace_id,
                start=start,
                api=origin.api,
                runs=map(self._spool.read, runs),
                feedback=(record for run in runs for record in feedback_of(run.id)),
                first_system=(record for run in runs for record in records.get(run.id, ())),
            )

        with ThreadPoolExecutor(_WRITING_THREADS, thread_name_prefix="trace") as threads:
            under_way: deque[tuple[str, Future[FileEntry]]] = deque()
            for trace_id, start_us, runs in self._index.traces():
                start = from_microseconds(start_us)
                name = trace_file_name(trace_id, start)
                under_way.append((name, threads.submit(write, trace_id, start, name, runs)))
                if len(under_way) > _QUEUED_TRACES:
                    name, entry = under_way.popleft()
                    yield name, entry.result()
            yield from ((name, entry.result()) for name, entry in under_way)

    def _write_summary(
        self,
        origin: Origin,
        counted: Totals | None,
        files: dict[str, FileEntry],
        counts: Counts,
        missing_attachments: list[MissingAttachment],
        short_feedback: list[ShortFeedback],
    ) -> StagedDay:
        staging = self._staging
        table = FileTable(files.items())
        summary = Summary(
            schema=SCHEMA,
            project=staging.project,
            date=staging.date.isoformat(),
            project_id=origin.project_id,
            api=origin.api,
            fetched_at=iso_z(origin.fetched_at),
            counts=counts,
            langsmith_total=counted.runs if counted else None,
            langsmith_root_total=counted.roots if counted else None,
            files=table,
            sha256=content_sha256(table, counts),
            missing_attachments=missing_attachments,
            short_feedback=short_feedback,
            unverified=origin.unverified if isinstance(origin, Imported) else None,
            asked=counted.asked if counted else None,
        )
        raw = encode_summary(summary)
        (staging.content / SUMMARY).write_bytes(raw)
        flush_files(staging.content / name for name in (*files, SUMMARY))
        flush_folder(staging.content)
        return StagedDay(staging, DayFolder(staging.content, summary, hashlib.sha256(raw).hexdigest()))

    def _counts(self, traces: int, feedback: int, attachments: int) -> Counts:
        count, bounds = self._index.count, self._bounds
        in_day = count(_IN_DAY, *bounds)
        return Counts(
            runs_started_in_day=in_day,
            tail_runs=len(self) - in_day,
            carried_over_runs=count(f"{_IN_DAY} AND trace_start_us < ?", *bounds, bounds[0]),
            traces=traces,
            root_runs=count(f"{_IN_DAY} AND is_root", *bounds),
            pending_runs=count("status = 'pending'"),
            feedback=feedback,
            attachments=attachments,
        )

    def _disk_error(self, error: OSError) -> DiskError:
        return DiskError(f"Writing the day {self._staging.date} of {self._staging.project!r}", error)


def _no_feedback(_: str) -> list[bytes]:
    return []
