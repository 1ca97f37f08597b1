"""The days that a server is asked for: by their number of runs, or by their size."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.bodies import make_bodies
from benchmarks.synthetic_day import SyntheticDay

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
_MEAN_IDENTITY = 700


@dataclass(frozen=True)
class DaySpec:
    """What one day shall be; its project is called `day-` and this text."""

    text: str
    runs: int | None = None
    bytes: int | None = None

    @classmethod
    def parse(cls, text: str) -> "DaySpec":
        """Read `5361` or `1GB`. Raises `ValueError`."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(KB|MB|GB)", text)
        if match:
            return cls(text, bytes=int(float(match[1]) * _UNITS[match[2]]))
        return cls(text, runs=int(text))

    @property
    def project(self) -> str:
        """The name of its project."""
        return f"day-{self.text}"


def make_days(specs: Sequence[DaySpec]) -> list[SyntheticDay]:
    """All days; they share their bodies."""
    return list(_days(specs))


def _days(specs: Sequence[DaySpec]) -> Iterator[SyntheticDay]:
    bodies = make_bodies(random.Random("bodies"))
    mean = sum(len(body.v2) for body in bodies) / len(bodies) + _MEAN_IDENTITY
    for spec in specs:
        yield SyntheticDay(spec.project, spec.runs or max(1, int((spec.bytes or 0) / mean)), bodies)
