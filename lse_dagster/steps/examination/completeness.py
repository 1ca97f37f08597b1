"""Whether the traces of a day are whole: every parent present, every identity in line with `dotted_order`.

A parent that started before the day belongs to the file of an earlier day and is not asked for here. What is
missing otherwise LangSmith does not have either, as counts and ids have shown: it was never sent (a process
died, or sampling left it out), or deleted. Fetching again cannot mend that, so it keeps no day from Drive.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.trace_file import KeptRun, TraceFile, read_entry
from lse_dagster.run.identity import RunIdentity, plain_id, read_identity
from lse_dagster.run.times import DayInterval


@dataclass(frozen=True)
class Completeness:
    """What is wrong with the traces of a day: ids of runs, in the order of the files."""

    runs: int
    missing_parents: tuple[tuple[str, str], ...]
    """Pairs of a run and the parent that is not there."""
    inconsistent: tuple[tuple[str, str], ...]
    """Pairs of a run and what its dotted order contradicts."""
    unfiled: tuple[tuple[str, str], ...] = ()
    """Pairs of a run in a file of its own and why its trace's file cannot hold it."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing_parents or self.inconsistent or self.unfiled)


class TraceExamination:
    """Takes the runs of a day's trace files one file after the other."""

    def __init__(self, day: DayFolder) -> None:
        self._day = day
        self._start = DayInterval.of(day.date).start
        self._count = 0
        self._apart: list[tuple[str, str]] = []
        self._inconsistent: list[tuple[str, str]] = []
        self._unfiled: list[tuple[str, str]] = []

    def add(self, runs: Sequence[RunIdentity]) -> None:
        """The runs of the next file."""
        self._count += len(runs)
        self._apart += _apart_from_parent(runs, self._start)
        self._inconsistent += ((run.id, why) for run in runs for why in _contradictions(run))

    def add_unfiled(self, run: RunIdentity) -> None:
        """A run in a file of its own: its trace is not whole without it."""
        self._count += 1
        self._unfiled.append((run.id, run.unfiled))

    def finish(self) -> Completeness:
        """What is wrong. The day is read again if a parent is not in its child's file. Raises `BrokenDay`."""
        missing = tuple(_missing_parents(self._day, self._apart))
        return Completeness(self._count, missing, tuple(self._inconsistent), tuple(self._unfiled))


def examine_traces(day: DayFolder) -> Completeness:
    """Read every trace of a day, one in memory at a time. Raises `BrokenDay` for one that cannot be read."""
    examination = TraceExamination(day)
    for runs in day.identities_by_trace():
        examination.add(runs)
    for raw in day.unfiled():
        examination.add_unfiled(read_identity(raw))
    return examination.finish()


def _missing_parents(day: DayFolder, apart: list[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Those of these runs and parents whose parent is nowhere in the day."""
    if not apart:
        return ()
    wanted = {plain_id(parent) for _, parent in apart}
    met = (plain_id(run_id) for trace in day.traces() for run_id in _ids(trace))
    alone = (plain_id(read_identity(raw).id) for raw in day.unfiled())
    elsewhere = {run_id for run_id in chain(met, alone) if run_id in wanted}
    return ((run, parent) for run, parent in apart if plain_id(parent) not in elsewhere)


def _ids(trace: TraceFile) -> Iterator[str]:
    """The runs of a trace, with those that LangSmith sends no more."""
    yield from (read_identity(raw).id for raw in trace.runs)
    for entry in map(read_entry, trace.kept):
        if isinstance(entry, KeptRun):
            yield read_identity(entry.raw).id


def _apart_from_parent(runs: Sequence[RunIdentity], start: datetime) -> Iterable[tuple[str, str]]:
    """Those of a trace file's runs, each with its parent, whose parent is not in the file and ought to be."""
    present = {plain_id(run.id) for run in runs}
    for run in runs:
        parent = run.parent_run_id
        if parent is None or plain_id(parent) in present:
            continue
        path = run.path()
        # Of the dotted order only how much earlier the parent began: its times may be those of another day.
        earlier = path.own.start - path.parent.start if path and path.parent else timedelta(0)
        if run.start - earlier >= start:
            yield run.id, parent


def _contradictions(run: RunIdentity) -> Iterable[str]:
    path = run.path()
    if path is None:
        yield f"no valid dotted order: {run.dotted_order[:80]!r}"
        return
    if not _same(path.own.run_id, run.id):
        yield f"its own id is {path.own.run_id} there"
    if not _same(path.root.run_id, run.trace_id):
        yield f"its trace id is {path.root.run_id} there"
    expected_parent = path.parent.run_id if path.parent else None
    if not _same(run.parent_run_id, expected_parent):
        yield f"its parent is {expected_parent} there and {run.parent_run_id} in the run"


def _same(one: str | None, other: str | None) -> bool:
    return one == other or (one is not None and other is not None and plain_id(one) == plain_id(other))
