"""Writing one day: every run is checked for membership, spooled, and grouped into its trace's file.

A day holds the runs that started in it, and the later runs of traces that began in it (the tail). What a run
says decides, and what it was asked for where it cannot: a start that may be rounded, a trace whose begin only
LangSmith knows. A run of another day is not kept, whatever the server sent it for.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Literal

import msgspec

from lse_dagster.day.disk import flush_files, flush_folder
from lse_dagster.day.errors import DiskError
from lse_dagster.day.file_table import FileEntry, FileTable
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY, is_trace_file_name, trace_file_name
from lse_dagster.day.run_names import unfiled_file_name
from lse_dagster.day.staging import StagedDay, Staging
from lse_dagster.day.summary import (
    SCHEMA,
    Counts,
    MissingAttachment,
    Summary,
    Unverified,
    content_sha256,
    encode_summary,
)
from lse_dagster.day.trace_file import write_trace_file
from lse_dagster.day.whole import Asked
from lse_dagster.day.writing.feedback import FeedbackSpool
from lse_dagster.day.writing.index import SpooledRun, SpooledTrace, TailTrace
from lse_dagster.day.writing.spool import RunSpool
from lse_dagster.run.feedback import FeedbackRecord, ShortFeedback
from lse_dagster.run.identity import Listed, RunIdentity, read_identity
from lse_dagster.run.tally import Tally
from lse_dagster.run.times import DayInterval, from_microseconds, iso_z, microseconds

_IN_DAY: Final = "start_us >= ? AND start_us < ?"
_MICROSECOND: Final = timedelta(microseconds=1)
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
        self._spool = RunSpool(staging.spool_path, recover=recover, read=self._recovered)
        self._index = self._spool.index
        self._feedback = FeedbackSpool(staging.feedback_path)

    def __len__(self) -> int:
        return self._index.count("TRUE")

    def lacking(self, run_ids: Sequence[str]) -> list[str]:
        """Those of these runs that are not kept, in their order."""
        return self._index.unknown(run_ids)

    def add(self, raws: Iterable[bytes | msgspec.Raw], *, listed: Listed | None = None) -> Added:
        """Keep those runs that belong to the day; `listed` says where LangSmith listed them, if it did.

        Raises `InvalidRun` for what is no run, `DiskError`.
        """
        runs = [(read_identity(raw), raw) for raw in raws]
        kept = [(placed, raw) for run, raw in runs if (placed := self._placed(run, listed)) is not None]
        try:
            self._spool.add(kept)
        except OSError as error:
            raise self._disk_error(error) from error
        return Added(
            ids=[run.id for run, _ in runs],
            starts=[run.start for run, _ in runs],
            naming_files=[bytes(raw) for run, raw in kept if run.names_files],
        )

    def _placed(self, run: RunIdentity, listed: Listed | None) -> RunIdentity | None:
        """The run as it stands in the day; None for one that does not."""
        if run.start in self._interval:
            return run
        if run.start < self._interval.end:
            return None
        if listed == "day" and run.is_cut and run.start == self._interval.end:
            last = self._interval.end - _MICROSECOND
            return msgspec.structs.replace(
                run, start=last, trace_start=last if run.is_root else run.trace_start
            )
        began_here = run.trace_start is not None and run.trace_start in self._interval
        return run if listed == "tail" or began_here else None

    def _recovered(self, raw: bytes) -> RunIdentity:
        """The identity of a run that was kept; the tail is asked for again and says which are its own."""
        run = read_identity(raw)
        return self._placed(run, "day") or run

    def traces_after_the_day(self) -> list[TailTrace]:
        """The traces of which no run started in the day: only its tail holds them."""
        return self._index.traces_after(self._bounds[1])

    def leave_out_later_traces(self) -> None:
        """Drop the traces whose own roots started after the day: the server did not look at the roots."""
        self.leave_out([trace.id for trace in self.traces_after_the_day() if trace.has_root])

    def leave_out(self, trace_ids: Sequence[str]) -> None:
        """Drop traces, as if none of their runs had ever come."""
        self._index.forget_traces(trace_ids)

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
            files, carried_over = self._write_runs(origin)
            runs_of_traces = [entry.runs for name, entry in files.items() if is_trace_file_name(name)]
            counts = self._counts(runs_of_traces, len(self._feedback), len(attachments or {}), carried_over)
            files = {**files, **(attachments or {})}
            counted = totals() if totals is not None else None
            staged = self._write_summary(
                origin, counted, files, counts, list(missing_attachments), list(short_feedback)
            )
        except OSError as error:
            raise self._disk_error(error) from error
        self._feedback.close()
        self._spool.close()
        return staged

    def _write_runs(self, origin: Origin) -> tuple[dict[str, FileEntry], int]:
        """Two at a time: hashing and writing leave the interpreter's lock alone.

        The files of the traces and of the runs that cannot stand in them; and how many of the day's runs are
        of traces that began before it.
        """
        records = origin.records if isinstance(origin, Imported) else {}
        feedback_of = self._feedback.of_run if len(self._feedback) else _no_feedback
        first_us, end_us = self._bounds
        carried_over = 0
        written: dict[str, FileEntry] = {}

        def beside(trace: SpooledTrace) -> tuple[list[bytes], list[bytes]]:
            """The feedback records, and what the first system kept."""
            ids = [run.id for run in (*trace.runs, *(run.where for run in trace.unfiled))]
            return (
                [record for run_id in ids for record in feedback_of(run_id)],
                [record for run_id in ids for record in records.get(run_id, ())],
            )

        def write(trace: SpooledTrace, start: datetime, name: str) -> FileEntry:
            feedback, first_system = beside(trace)
            return write_trace_file(
                self._staging.content / name,
                project=self._staging.project,
                trace_id=trace.id,
                start=start,
                api=origin.api,
                runs=map(self._spool.read, trace.runs),
                feedback=feedback,
                first_system=first_system,
            )

        with ThreadPoolExecutor(_WRITING_THREADS, thread_name_prefix="trace") as threads:
            under_way: deque[tuple[str, Future[FileEntry]]] = deque()
            for trace in self._index.traces():
                for run in trace.unfiled:
                    written[unfiled_file_name(run.where.id)] = self._write_unfiled(run.where)
                    carried_over += run.began_us < first_us <= run.start_us < end_us
                if not trace.runs and not any(beside(trace)):
                    continue
                if trace.start_us < first_us:
                    carried_over += sum(first_us <= start < end_us for start in trace.starts_us)
                start = from_microseconds(trace.start_us)
                name = trace_file_name(trace.id, start)
                under_way.append((name, threads.submit(write, trace, start, name)))
                if len(under_way) > _QUEUED_TRACES:
                    name, entry = under_way.popleft()
                    written[name] = entry.result()
            written |= ((name, entry.result()) for name, entry in under_way)
        return written, carried_over

    def _write_unfiled(self, run: SpooledRun) -> FileEntry:
        raw = self._spool.read(run)
        (self._staging.content / unfiled_file_name(run.id)).write_bytes(raw)
        return FileEntry(bytes=len(raw), sha256=hashlib.sha256(raw).hexdigest(), runs=1)

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

    def _counts(
        self, runs_of_traces: list[int], feedback: int, attachments: int, carried_over: int
    ) -> Counts:
        count, bounds = self._index.count, self._bounds
        in_day = count(_IN_DAY, *bounds)
        return Counts(
            runs_started_in_day=in_day,
            tail_runs=len(self) - in_day,
            carried_over_runs=carried_over,
            traces=sum(map(bool, runs_of_traces)),
            kept_traces=runs_of_traces.count(0),
            root_runs=count(f"{_IN_DAY} AND is_root", *bounds),
            pending_runs=count("status = 'pending'"),
            feedback=feedback,
            attachments=attachments,
            unfiled_runs=count("unfiled"),
        )

    def _disk_error(self, error: OSError) -> DiskError:
        return DiskError(f"Writing the day {self._staging.date} of {self._staging.project!r}", error)


def _no_feedback(_: str) -> list[bytes]:
    return []
