"""Writing one day: every run is checked for membership, spooled, and grouped into its trace's file.

A day holds the runs that started in it, and the later runs of traces that began in it (the tail). A run that
is neither is not kept, whatever the server sent it for.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lse_dagster.day.durable import flush_files, flush_folder
from lse_dagster.day.errors import DiskError
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.interval import DayInterval, iso_z
from lse_dagster.day.names import SUMMARY, trace_file_name
from lse_dagster.day.run import RunIdentity, read_identity
from lse_dagster.day.spool import RunSpool
from lse_dagster.day.staging import StagedDay, Staging
from lse_dagster.day.summary import SCHEMA, Counts, FileEntry, Summary, content_sha256, encode_summary
from lse_dagster.day.trace_file import write_trace_file


@dataclass(frozen=True)
class Provenance:
    """Where a day came from and what LangSmith counted; all of it goes into the summary."""

    project_id: str
    api: Literal["v1", "v2"]
    fetched_at: datetime
    langsmith_total: int
    langsmith_root_total: int


class DayWriter:
    """Takes the runs of one day in any order and any number of times."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._interval = DayInterval.of(staging.date)
        self._spool = RunSpool(staging.spool_path)

    def __len__(self) -> int:
        return len(self._spool)

    def add(self, raw: bytes) -> bool:
        """Keep one run if it belongs to the day. Raises `InvalidRun` for what is no run."""
        run = read_identity(raw)
        if not (self.started_in_day(run) or self.is_tail(run)):
            return False
        try:
            self._spool.add(run, raw)
        except OSError as error:
            raise self._disk_error(error) from error
        return True

    def started_in_day(self, run: RunIdentity) -> bool:
        """Whether LangSmith counts the run for this day."""
        return run.start in self._interval

    def is_tail(self, run: RunIdentity) -> bool:
        """Whether the run started later, in a trace that began in this day."""
        return run.start >= self._interval.end and run.trace_start in self._interval

    def runs_with_feedback(self) -> Iterator[str]:
        """The ids of the runs that have feedback records to fetch."""
        return (run.identity.id for run in self._spool if run.identity.has_feedback)

    def finish(self, provenance: Provenance, feedback: Mapping[str, Iterable[bytes]]) -> StagedDay:
        """Write every trace file and the summary, and flush them. `feedback` is by run id.

        Raises `DiskError`; the staging is the caller's to discard.
        """
        try:
            files = dict(self._write_traces(provenance, feedback))
            self._spool.close()
            self._staging.spool_path.unlink()
            return self._write_summary(provenance, files, sum(len(list(r)) for r in feedback.values()))
        except OSError as error:
            raise self._disk_error(error) from error

    def _write_traces(
        self, provenance: Provenance, feedback: Mapping[str, Iterable[bytes]]
    ) -> Iterator[tuple[str, FileEntry]]:
        for runs in self._spool.traces():
            first = runs[0].identity
            name = trace_file_name(first.trace_id, first.trace_start)
            entry = write_trace_file(
                self._staging.content / name,
                project=self._staging.project,
                trace_id=first.trace_id,
                start=first.trace_start,
                api=provenance.api,
                runs=map(self._spool.read, runs),
                feedback=(record for run in runs for record in feedback.get(run.identity.id, ())),
            )
            yield name, entry

    def _write_summary(self, provenance: Provenance, files: dict[str, FileEntry], feedback: int) -> StagedDay:
        staging = self._staging
        summary = Summary(
            schema=SCHEMA,
            project=staging.project,
            date=staging.date.isoformat(),
            project_id=provenance.project_id,
            api=provenance.api,
            fetched_at=iso_z(provenance.fetched_at),
            counts=self._counts(len(files), feedback),
            langsmith_total=provenance.langsmith_total,
            langsmith_root_total=provenance.langsmith_root_total,
            files={name: files[name] for name in sorted(files)},
            sha256=content_sha256(files),
        )
        (staging.content / SUMMARY).write_bytes(encode_summary(summary))
        flush_files(staging.content / name for name in (*files, SUMMARY))
        flush_folder(staging.content)
        return StagedDay(staging, DayFolder(staging.content, summary))

    def _counts(self, traces: int, feedback: int) -> Counts:
        runs = [run.identity for run in self._spool]
        in_day = [run for run in runs if self.started_in_day(run)]
        return Counts(
            runs_started_in_day=len(in_day),
            tail_runs=len(runs) - len(in_day),
            carried_over_runs=sum(run.trace_start < self._interval.start for run in in_day),
            traces=traces,
            root_runs=sum(run.is_root for run in in_day),
            pending_runs=sum(run.pending for run in runs),
            feedback=feedback,
            attachments=0,
        )

    def _disk_error(self, error: OSError) -> DiskError:
        return DiskError(f"Writing the day {self._staging.date} of {self._staging.project!r}", error)
