"""One synthetic day of one project: traces of 1 to 60 runs with parents, newest run first.

A run is its identity, rendered when the day is made, and a body that it shares with other runs: a day of
4 GB costs about 1 KB of memory for each run.
"""

import random
import uuid
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Final

from benchmarks.bodies import Body

DAY: Final = date(2025, 8, 29)
_SECOND = 1_000_000
_LAST_TRACE_START = 86_400 - 600
_LONGEST_TRACE = 590 * _SECOND
_MOST_RUNS_OF_A_TRACE = 60
_DEEPEST = 4

LIGHT_LENGTH: Final = len(',{"id":"","start_time":"2025-08-29T00:00:00.000Z"') + 36
"""How much of an identity holds the id and the start time, and nothing else."""


class Identity:
    """Where a run stands, as a dotted order; everything else about its identity follows from that."""

    __slots__ = ("dotted_order", "start_us")

    def __init__(self, dotted_order: str, start_us: int) -> None:
        self.dotted_order = dotted_order
        self.start_us = start_us

    @property
    def path(self) -> list[str]:
        """The ids from the root to the run."""
        return [segment[-36:] for segment in self.dotted_order.split(".")]

    def v2(self, project_id: str, end_us: int) -> bytes:
        """The beginning of the run in a v2 answer, with the comma before it."""
        *parents, own = path = self.path
        ancestors = ",".join(f'"{parent}"' for parent in parents)
        is_root = "false" if parents else "true"
        return (
            f',{{"id":"{own}","start_time":"{_time(self.start_us)[:-3]}Z",'
            f'"end_time":"{_time(end_us)[:-3]}Z","trace_id":"{path[0]}","dotted_order":"{self.dotted_order}",'
            f'"parent_run_ids":[{ancestors}],"is_root":{is_root},"project_id":"{project_id}",'
            f'"app_path":"/o/1/projects/p/{project_id}/r/{own}?trace_id={path[0]}"'
        ).encode()

    def v1(self, project_id: str, end_us: int) -> bytes:
        """The same in a v1 answer."""
        *parents, own = path = self.path
        ancestors = ",".join(f'"{parent}"' for parent in parents)
        parent = f'"{parents[-1]}"' if parents else "null"
        return (
            f',{{"id":"{own}","start_time":"{_time(self.start_us)}","end_time":"{_time(end_us)}",'
            f'"trace_id":"{path[0]}","dotted_order":"{self.dotted_order}","parent_run_id":{parent},'
            f'"parent_run_ids":[{ancestors}],"session_id":"{project_id}",'
            f'"app_path":"/o/1/projects/p/{project_id}/r/{own}?trace_id={path[0]}"'
        ).encode()


@dataclass(frozen=True)
class RunIndex:
    """Some runs of a day, newest first: their positions and, to search by, their negated start times."""

    positions: Sequence[int]
    negated_starts: "array[int]"

    def between(self, earliest_us: int, before_us: int) -> tuple[int, int]:
        """The slice of the runs that started in `[earliest, before)`."""
        return bisect_right(self.negated_starts, -before_us), bisect_right(self.negated_starts, -earliest_us)


class SyntheticDay:
    """All runs of one project, on one day. The same arguments always make the same day."""

    def __init__(self, name: str, runs: int, bodies: Sequence[Body]) -> None:
        rng = random.Random(name)
        self.name = name
        self.project_id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        self.runs = sorted(_make_runs(rng, runs), key=lambda run: (-run.start_us, run.dotted_order))
        self.bodies = [rng.choice(bodies) for _ in self.runs]
        self.v2_heads = [run.v2(self.project_id, self.end_us(at)) for at, run in enumerate(self.runs)]
        self.all = self._index(range(len(self.runs)))
        self.roots = self._index([at for at, run in enumerate(self.runs) if "." not in run.dotted_order])
        self._traces: dict[str, list[int]] = {}
        for at, run in enumerate(self.runs):
            self._traces.setdefault(run.path[0], []).append(at)

    def trace(self, trace_id: str) -> RunIndex:
        """The runs of one trace; none of an unknown one."""
        return self._index(self._traces.get(trace_id, []))

    def among(self, run_ids: Iterable[str]) -> RunIndex:
        """Those of these runs that are in the day."""
        return self._index(sorted(self._by_id[run_id] for run_id in run_ids if run_id in self._by_id))

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {run.path[-1]: at for at, run in enumerate(self.runs)}

    def end_us(self, position: int) -> int:
        """When a run ended."""
        return self.runs[position].start_us + int(self.bodies[position].seconds * _SECOND)

    def bytes(self) -> int:
        """The size of all runs in v2 answers."""
        heads = sum(map(len, self.v2_heads))
        return heads + sum(len(body.v2) for body in self.bodies)

    def _index(self, positions: Sequence[int]) -> RunIndex:
        return RunIndex(positions, array("q", (-self.runs[at].start_us for at in positions)))


def _make_runs(rng: random.Random, count: int) -> Iterator[Identity]:
    while count > 0:
        size = min(count, rng.randint(1, _MOST_RUNS_OF_A_TRACE))
        yield from _make_trace(rng, size)
        count -= size


def _make_trace(rng: random.Random, size: int) -> Iterator[Identity]:
    # More traces in the afternoon than at night: equal spans of time hold unequal numbers of runs.
    trace_start = int(rng.triangular(0, _LAST_TRACE_START, 15 * 3600) * _SECOND)
    offset = 0
    parents: list[str] = []
    for _ in range(size):
        start_us = trace_start + min(offset, _LONGEST_TRACE)
        own = f"{DAY:%Y%m%d}T{_clock(start_us, '')}{start_us % _SECOND:06d}Z{_uuid4(rng)}"
        dotted_order = f"{rng.choice(parents[-5:])}.{own}" if parents else own
        if dotted_order.count(".") < _DEEPEST - 1 or not parents:
            parents.append(dotted_order)
        yield Identity(dotted_order, start_us)
        offset += int(rng.expovariate(1 / 1.5) * _SECOND) + 1


def _uuid4(rng: random.Random) -> uuid.UUID:
    return uuid.UUID(int=rng.getrandbits(128), version=4)


def _clock(moment_us: int, colon: str) -> str:
    minutes, seconds = divmod(moment_us // _SECOND, 60)
    return f"{minutes // 60:02d}{colon}{minutes % 60:02d}{colon}{seconds:02d}"


def _time(moment_us: int) -> str:
    return f"{DAY:%Y-%m-%d}T{_clock(moment_us, ':')}.{moment_us % _SECOND:06d}"


def microseconds(text: str) -> int:
    """A time of a request, in microseconds since the day began. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds
