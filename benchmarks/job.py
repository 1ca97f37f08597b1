"""What one measured client is asked to do, and what it says it did."""

import time
from pathlib import Path

import msgspec

_FIRST_LOOK_SECONDS = 15.0
_LONGEST_SECONDS = 60.0


class Job(msgspec.Struct, frozen=True):
    """Fetch one day of one project into a folder."""

    client: str
    url: str
    project: str
    project_id: str
    runs: int
    folder: str
    whole: bool = False
    """Never stop at a sample."""

    @property
    def path(self) -> Path:
        """The folder, which exists and is empty."""
        return Path(self.folder)


class Sampling:
    """Tells a slow client when a part of the day is enough to know its rate."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._start = time.perf_counter()

    def is_enough(self, done: int) -> bool:
        """Whether the whole day would take over a minute; asked after every run."""
        elapsed = time.perf_counter() - self._start
        if self._job.whole or done >= self._job.runs or elapsed < _FIRST_LOOK_SECONDS:
            return False
        return elapsed / done * self._job.runs > _LONGEST_SECONDS


class Outcome(msgspec.Struct, frozen=True):
    """What a client measured of itself, after its imports."""

    runs: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
