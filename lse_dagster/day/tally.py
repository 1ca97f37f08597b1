"""The runs that started in a day, which are those that LangSmith counts, by type, status and hour.

A fetch counts them while it has them; a restored day is read once. How they are shown is not decided here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.interval import DayInterval


@dataclass(frozen=True)
class Tally:
    """How many runs of each kind there are. What there is none of is not in the mappings."""

    by_type_and_status: Mapping[tuple[str, str], int]
    by_hour: Mapping[int, int]
    """By the hour of the start in UTC, 0 to 23."""

    @classmethod
    def of(cls, counted: Iterable[tuple[str, str, int, int]]) -> Self:
        """Add up tuples of type, status, hour and number of runs."""
        by_type_and_status: Counter[tuple[str, str]] = Counter()
        by_hour: Counter[int] = Counter()
        for run_type, status, hour, number in counted:
            by_type_and_status[run_type, status] += number
            by_hour[hour] += number
        return cls(by_type_and_status, by_hour)


def tally_of_files(day: DayFolder) -> Tally:
    """Read every trace of a day, one in memory at a time. Raises `BrokenDay` as `DayFolder.traces` does."""
    interval = DayInterval.of(day.date)
    return Tally.of(
        (run.run_type, run.status, run.start.hour, 1) for run in day.identities() if run.start in interval
    )
