"""What the files of a day hold, counted anew: what a summary says of its day is not believed.

A summary lies with all hashes right when somebody wrote it so, or when a version of this system counted
wrongly. So the runs are counted from the files when a day is restored and when it is checked.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import trace_file_name
from lse_dagster.day.run_names import unfiled_file_name
from lse_dagster.day.summary import Counts, Summary
from lse_dagster.day.trace_file import KeptAttachment, KeptFeedback, KeptRun, TraceFile, read_entry
from lse_dagster.run.identity import RunIdentity, plain_id, trace_start
from lse_dagster.run.tally import Tally
from lse_dagster.run.times import DayInterval, parse_time

_ROUNDING: Final = timedelta(milliseconds=1)
"""By so much a server may round a start, to the other side of midnight too."""

_NOUNS: Final = {
    "runs_started_in_day": "runs that started in the day",
    "tail_runs": "runs after it",
    "carried_over_runs": "runs of earlier traces",
    "traces": "traces",
    "root_runs": "root runs",
    "pending_runs": "unfinished runs",
    "feedback": "feedback records",
    "attachments": "attachments",
    "unfiled_runs": "runs in files of their own",
    "kept_runs": "runs that LangSmith sends no more",
    "kept_feedback": "feedback records that LangSmith sends no more",
    "kept_attachments": "attachments that LangSmith sends no more",
    "kept_traces": "traces of which LangSmith sends nothing any more",
}
_OF_DAY_1: Final = ("traces", "pending_runs", "feedback", "attachments")
"""What `lse.day/1` counted by the rules of today. Which run is a root, and on which side of midnight a run
stands that LangSmith rounded, it told otherwise: that is no lie."""


class Census:
    """Takes the traces of a day one after the other, in the order of their names; all are counted once.

    `differences` are what the summary says otherwise, in words; `counts` and `tally` come from the files.
    """

    def __init__(self, day: DayFolder) -> None:
        self._summary: Summary = day.summary
        self._interval = DayInterval.of(day.date)
        self._counted: Counter[str] = Counter()
        self._perhaps: Counter[str] = Counter()
        """Of runs that a server may have rounded to the midnight after them: who fetched them knew."""
        self._kinds: Counter[tuple[str, str, int]] = Counter()
        self._kept_files = bytearray(len(day.summary.files))
        self._strange: list[str] = []
        self._trace_before = ""

    def add(self, name: str, trace: TraceFile, runs: Sequence[RunIdentity]) -> None:
        """Count one trace file; `runs` are those of the trace. Raises `msgspec.MsgspecError`."""
        self._counted["traces" if trace.runs else "kept_traces"] += 1
        self._counted["feedback"] += len(trace.feedback)
        carried_over = bool(runs) and trace_start(map(_begin, runs)) < self._interval.start
        for run in runs:
            self._count(run, carried_over=carried_over)
        for raw in trace.kept:
            self._count_kept(raw)
        if (why := next(self._strangeness(name, trace, runs), None)) is not None:
            self._strange.append(f"{name} {why}")
        self._trace_before = trace.trace_id

    def add_unfiled(self, name: str, run: RunIdentity) -> None:
        """Count a run in a file of its own."""
        self._counted["unfiled_runs"] += 1
        self._count(run, carried_over=trace_start([_begin(run)]) < self._interval.start)
        if name != unfiled_file_name(run.id):
            self._strange.append(f"{name} holds run {run.id}")
        elif self._summary.files[name].runs != 1:
            self._strange.append(f"{name} holds 1 run, the summary says {self._summary.files[name].runs:,}")
        elif run.start < self._interval.start - _ROUNDING:
            self._strange.append(f"{name} is from before the day")

    def _count(self, run: RunIdentity, *, carried_over: bool) -> None:
        self._counted["pending_runs"] += run.pending
        in_day = {"runs_started_in_day": 1, "carried_over_runs": carried_over, "root_runs": run.is_root}
        if run.start not in self._interval:
            self._counted["tail_runs"] += 1
            if run.is_cut and run.start == self._interval.end:
                self._perhaps.update(in_day)
            return
        self._counted.update(in_day)
        self._kinds[run.run_type, run.status, run.start.hour] += 1

    def _count_kept(self, raw: msgspec.Raw) -> None:
        match read_entry(raw):
            case KeptRun():
                self._counted["kept_runs"] += 1
            case KeptFeedback():
                self._counted["kept_feedback"] += 1
            case KeptAttachment(file=file):
                position = self._summary.files.position(file)
                if position < 0:
                    self._strange.append(f"{file!r} is kept, and not there")
                else:
                    self._kept_files[position] = True

    def _strangeness(self, name: str, trace: TraceFile, runs: Sequence[RunIdentity]) -> Iterator[str]:
        """Why a file is none of this day, or not what its name and the summary say."""
        start, promised = parse_time(trace.start_time), self._summary.files[name].runs
        if trace.project != self._summary.project:
            yield f"is of the project {trace.project!r}"
        if start is None or name != trace_file_name(trace.trace_id, start):
            yield f"holds the trace {trace.trace_id!r} of {trace.start_time}"
        elif self._is_later(start, runs):
            yield "is of a later day"
        if trace.trace_id == self._trace_before:
            yield "holds a trace that is there already"
        if len(runs) != promised:
            yield f"holds {len(runs):,} runs, the summary says {promised:,}"
        if len({run.id for run in runs}) != len(runs):
            yield "holds a run twice"
        for run in runs:
            if run.trace_id != plain_id(trace.trace_id):
                yield f"holds run {run.id} of the trace {run.trace_id!r}"
            if run.start < self._interval.start - _ROUNDING:
                yield f"holds run {run.id} from before the day"

    def _is_later(self, start: datetime, runs: Sequence[RunIdentity]) -> bool:
        """Whether its root is here and began after the day. Without a root LangSmith says what is the day's.

        The file's own start is right where a server rounded that of the root to midnight.
        """
        has_root = any(run.is_root for run in runs)
        return has_root and min(start, *(run.start for run in runs)) >= self._interval.end

    @property
    def counts(self) -> Counts:
        """How many there are, by the files."""
        kept = self._kept_files.count(True)
        beside = sum(1 for _ in self._summary.attachment_names()) - kept
        counted = {**dict.fromkeys(_NOUNS, 0), **self._counted}
        for name, most in self._perhaps.items():
            more = getattr(self._summary.counts, name) - counted[name]
            if 0 < more <= most:
                counted[name] += more
                counted["tail_runs"] -= more if name == "runs_started_in_day" else 0
        return Counts(**{**counted, "attachments": beside, "kept_attachments": kept})

    @property
    def tally(self) -> Tally:
        """The runs that started in the day, by what they are and when they started."""
        return Tally.of((*kind, number) for kind, number in self._kinds.items())

    @property
    def differences(self) -> list[str]:
        """What of the summary is not so."""
        claimed, counted = self._summary.counts, self.counts
        names: Sequence[str] = tuple(_NOUNS)
        wrong: list[str] = []
        if self._summary.schema == "lse.day/1":
            names = _OF_DAY_1
            if (says := _all_runs(claimed)) != (holds := _all_runs(counted)):
                wrong.append(_differs("runs", says, holds))
        wrong += [
            _differs(_NOUNS[name], says, holds)
            for name in names
            if (says := getattr(claimed, name)) != (holds := getattr(counted, name))
        ]
        files = self._summary.files
        wrong += [
            f"{name} holds no runs, the summary says {files[name].runs:,}"
            for name in self._summary.attachment_names()
            if files[name].runs
        ]
        return wrong + self._strange


def _begin(run: RunIdentity) -> tuple[bool, datetime, datetime | None]:
    return run.is_root, run.start, run.trace_start


def _all_runs(counts: Counts) -> int:
    return counts.runs_started_in_day + counts.tail_runs


def _differs(noun: str, says: int, holds: int) -> str:
    return f"the summary says {says:,} {noun}, the files hold {holds:,}"
