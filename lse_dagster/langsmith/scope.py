"""Which runs a request is about: the filters that queries and totals share, so that they count the same.

The exact half-open interval stands in the filter. The bounds beside it only spare the server a longer search;
whether they are inclusive is undocumented, so they reach a second further on both sides.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lse_dagster.run.identity import Listed
from lse_dagster.run.times import DayInterval, iso_z

_SLACK = timedelta(seconds=1)
_LATEST_ARRIVAL = timedelta(hours=24)
"""LangSmith accepts runs whose start lies up to so far from their arrival, in the past or ahead
(documentation, November 2026)."""


@dataclass(frozen=True)
class RunScope:
    """Runs of one project by filter; `earliest` and `latest` bound their start times generously."""

    project_id: str
    filter: str
    earliest: datetime
    latest: datetime
    trace_filter: str | None = None

    @property
    def lists(self) -> Listed:
        """Whether it is about a day or about the later runs of its traces."""
        return "day" if self.trace_filter is None else "tail"


def started_in(project_id: str, interval: DayInterval) -> RunScope:
    """The runs that started in the interval: what LangSmith counts for the day."""
    return RunScope(project_id, _in(interval), interval.start - _SLACK, interval.end + _SLACK)


def may_still_grow(interval: DayInterval, *, now: datetime) -> bool:
    """Whether LangSmith would still accept runs that started in the interval."""
    return now < interval.end + _LATEST_ARRIVAL


def tail_of(project_id: str, interval: DayInterval, *, now: datetime) -> RunScope:
    """The runs that started after the interval in traces whose root started in it.

    LangSmith accepts start times up to 24 hours ahead, so the search ends a day from `now`.
    """
    return RunScope(
        project_id,
        filter=f'gte(start_time, "{iso_z(interval.end)}")',
        earliest=interval.end - _SLACK,
        latest=max(now, interval.end) + _LATEST_ARRIVAL,
        trace_filter=_in(interval),
    )


def _in(interval: DayInterval) -> str:
    start, end = iso_z(interval.start), iso_z(interval.end)
    return f'and(gte(start_time, "{start}"), lt(start_time, "{end}"))'
