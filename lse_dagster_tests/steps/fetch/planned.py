"""Days drawn from a seed: what the sandbox is given, and so what an archive of it must hold.

The truth is known here without asking anybody: every planned run is either in a day or not.
"""

import json
import random
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from lse_dagster.day.folder import DayFolder
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

DAY = date(2025, 8, 29)
START = datetime.combine(DAY, time.min, tzinfo=UTC)
END = START + timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_BATCH = 500


@dataclass(frozen=True)
class PlannedRun:
    """One run as it will be sent."""

    id: str
    trace_id: str
    dotted_order: str
    start: datetime
    trace_start: datetime
    parent_id: str | None
    inputs: dict[str, Any]

    @property
    def in_day(self) -> bool:
        """Whether LangSmith counts it for the day."""
        return START <= self.start < END

    @property
    def is_kept(self) -> bool:
        """Whether the archive of the day holds it: also what comes later in a trace of the day."""
        return self.in_day or (self.start >= END and START <= self.trace_start < END)

    def document(self, project: str) -> dict[str, Any]:
        """The run in the words of the SDK."""
        return {
            "id": self.id,
            "name": "a run",
            "run_type": "chain",
            "session_name": project,
            "start_time": self.start.isoformat(),
            "end_time": (self.start + timedelta(seconds=1)).isoformat(),
            "trace_id": self.trace_id,
            "parent_run_id": self.parent_id,
            "dotted_order": self.dotted_order,
            "inputs": self.inputs,
        }


class Planner:
    """Makes runs with ids, times and sizes from a seed. The same seed makes the same runs."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)

    def root(self, start: datetime, *, size: int = 20) -> PlannedRun:
        """The root run of a trace; `size` is about the length of its inputs."""
        run_id = self._id()
        return PlannedRun(
            run_id, run_id, _segment(start, run_id), start, start, None, self._inputs(run_id, size)
        )

    def child(self, parent: PlannedRun, start: datetime, *, size: int = 20) -> PlannedRun:
        """A run below another one."""
        run_id = self._id()
        path = f"{parent.dotted_order}.{_segment(start, run_id)}"
        inputs = self._inputs(run_id, size)
        return PlannedRun(run_id, parent.trace_id, path, start, parent.trace_start, parent.id, inputs)

    def spread(self, count: int, *, size: int = 20) -> list[PlannedRun]:
        """Root runs all over the day, evenly."""
        return [
            self.root(START + timedelta(days=1) * (number + 0.5) / count, size=size)
            for number in range(count)
        ]

    def day(self, count: int) -> list[PlannedRun]:
        """A day of about `count` runs of one kind or another, and some runs around it."""
        kind = self.chance.choice(["spread", "burst", "equal", "midnight", "deep", "mixed"])
        runs: list[PlannedRun] = []
        while len(runs) < count:
            start = self._start("spread" if kind == "deep" else kind)
            runs += self._trace(start, children=self.chance.randrange(40 if kind == "deep" else 4))
        for edge in (START, END):
            for offset in (-1, 0, 1):
                if self.chance.random() < 0.3:
                    runs += self._trace(edge + offset * _MICROSECOND, children=self.chance.randrange(3))
        return runs

    def _trace(self, start: datetime, *, children: int) -> list[PlannedRun]:
        runs = [self.root(start, size=self._size())]
        for _ in range(children):
            parent = self.chance.choice(runs)
            pause = self.chance.choice([0.0, 0.000001, 0.001, 1.0, 3600.0, 6 * 3600.0])
            runs.append(self.child(parent, parent.start + timedelta(seconds=pause), size=self._size()))
        return runs

    def _start(self, kind: str) -> datetime:
        if kind == "mixed":
            kind = self.chance.choice(["spread", "burst", "equal", "midnight"])
        if kind == "burst":
            return START + timedelta(hours=15, microseconds=self.chance.randrange(2_000_000))
        if kind == "equal":
            return START + timedelta(hours=self.chance.choice([4, 5]))
        if kind == "midnight":
            seconds = self.chance.choice([0.0, 0.000001, 0.0005, 86399.999999, 86399.9995, 86398.0])
            return START + timedelta(seconds=seconds)
        return START + timedelta(microseconds=self.chance.randrange(86_400_000_000))

    def _size(self) -> int:
        return self.chance.choice([0, 20, 20, 20, 200, 2000])

    def _id(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def _inputs(self, run_id: str, size: int) -> dict[str, Any]:
        return {"of": run_id, "text": "é" * (size // 2), "big": 2**70, "decimal": 0.1}


def ingest(api: LangSmithApi, runs: Sequence[PlannedRun]) -> None:
    """Send runs in few requests."""
    for begin in range(0, len(runs), _BATCH):
        batch = [run.document(api.project) for run in runs[begin : begin + _BATCH]]
        answer = api.post("/runs/batch", {"post": batch, "patch": []})
        assert answer.status_code == 202, answer.text


def kept(runs: Iterable[PlannedRun]) -> set[str]:
    """The ids of the runs that the archive of the day must hold."""
    return {run.id for run in runs if run.is_kept}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a day folder, by name; nothing if there is no folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def expect_whole(
    day: DayFolder, runs: Iterable[PlannedRun], *, forgotten: Collection[str] = (), note: str = ""
) -> None:
    """The day holds exactly what of these runs belongs to it, file by file and byte by byte.

    Runs that LangSmith has `forgotten` may be there or not.
    """
    day.verify_files()
    read = [json.loads(bytes(raw).decode()) for trace in day.traces() for raw in trace.runs]
    found = {str(run["id"]): run["inputs"] for run in read}
    assert len(found) == len(read), f"a run is there twice {note}"
    expected = {run.id: run.inputs for run in runs if run.is_kept}
    lost, strange = expected.keys() - found.keys() - set(forgotten), found.keys() - expected.keys()
    assert not lost, f"{len(lost)} of {len(expected)} runs are lost {note}"
    assert not strange, f"{len(strange)} runs do not belong to the day {note}"
    changed = [run_id for run_id in found if found[run_id] != expected[run_id]]
    assert not changed, f"{len(changed)} runs were changed {note}"


def hidden_files(folder: Path) -> set[str]:
    """Names of what is hidden beside the days of a project."""
    return {path.name for path in folder.iterdir() if path.name.startswith(".")}


def _segment(start: datetime, run_id: str) -> str:
    return f"{start:%Y%m%dT%H%M%S%fZ}{run_id}"
