"""What proves that a day was whole on LangSmith when it was asked for, or that nothing does.

LangSmith's retention is per trace: feedback, a rule or an annotation queue lifts single ones, the rest of
their day goes. So what is left says nothing about what is not. Only when it was asked proves something: a
day's first runs must not have been as old as the shortest retention by the last answer.
"""

from datetime import date, datetime, timedelta

import msgspec

from lse_dagster.net.server_time import WRONG_CLOCK
from lse_dagster.run.times import DayInterval, iso_z


class Asked(msgspec.Struct, frozen=True):
    """When LangSmith gave its last answer about a day, and what that proves with the retention of then."""

    until: str
    retention_days: int
    proves_whole: bool

    @classmethod
    def for_day(cls, day: date, *, until: datetime, retention_days: int) -> "Asked":
        """`until` is an aware time."""
        return cls(iso_z(until), retention_days, until <= begins_to_forget(day, retention_days))


def latest_date(now: datetime) -> datetime:
    """The latest date that is believed of what is there already; a later one is of a wrong clock."""
    return now + WRONG_CLOCK


def begins_to_forget(day: date, retention_days: int) -> datetime:
    """When the first runs of a day are as old as the retention."""
    return DayInterval.of(day).start + timedelta(days=retention_days)
