"""The runs of a fetch on disk, in the order they arrived, and a small index of them in memory.

Runs arrive page by page and trace by trace mixed; trace files want them grouped and sorted. The spool lets
both happen without holding a day in memory: the index costs a few hundred bytes a run, the runs none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lse_dagster.day.run import RunIdentity


@dataclass(frozen=True, slots=True)
class SpooledRun:
    """Where one run lies in the spool."""

    identity: RunIdentity
    offset: int
    length: int


class RunSpool:
    """Append-only. A run that arrives twice is kept once, in its later form."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("x+b")
        self._size = 0
        self._runs: dict[str, SpooledRun] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._runs

    def __iter__(self) -> Iterator[SpooledRun]:
        return iter(self._runs.values())

    def add(self, identity: RunIdentity, raw: bytes) -> None:
        """Keep one run."""
        self._file.seek(self._size)
        self._file.write(raw)
        self._runs[identity.id] = SpooledRun(identity, self._size, len(raw))
        self._size += len(raw)

    def read(self, run: SpooledRun) -> bytes:
        """The bytes of a run as they arrived."""
        self._file.seek(run.offset)
        return self._file.read(run.length)

    def traces(self) -> Iterator[list[SpooledRun]]:
        """The runs of one trace at a time, in `dotted_order` order."""
        grouped: dict[str, list[SpooledRun]] = {}
        for run in self._runs.values():
            grouped.setdefault(run.identity.trace_id, []).append(run)
        for trace_id in sorted(grouped):
            yield sorted(
                grouped[trace_id],
                key=lambda run: (run.identity.dotted_order, run.identity.start, run.identity.id),
            )

    def close(self) -> None:
        """Close the file; the staging folder that holds it is removed by its owner."""
        self._file.close()
