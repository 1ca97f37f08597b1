"""The runs that started in a day, which are those that LangSmith counts, by type, status and hour.

A fetch counts them while it has them, a census in the files. How they are shown is not decided here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self


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
