"""What `lse status` shows, as values: one month of a project day by day, and each project in one line.

A project's calendar begins with its first known day: what was never begun is no gap.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from lse_dagster.calendar.days import CalendarDay, Findings, Gap, gaps
from lse_dagster.cli.terminal.dates import DateRange
from lse_dagster.day.summary import SummaryHead
from lse_dagster.day.zip.file import summary_in_zip

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Month:
    """Days of one month that are over."""

    first: date
    days: tuple[CalendarDay, ...]
    """Of several projects of the name each has its own."""

    @property
    def dates_of_several(self) -> set[date]:
        """The dates on which several projects of the name have a day."""
        return {day.day for day in self.days if day.is_beside}


@dataclass(frozen=True)
class Overview:
    """All days of one project, from its first known one until yesterday."""

    project: str
    first: date | None
    last: date
    days: int
    local: int
    zipped: int
    on_drive: int | None
    """None: nobody looked at Drive."""
    forgotten: int
    """How many were never archived, and cannot be any more."""
    retention_days: int
    """After how many LangSmith forgets, by the settings."""
    gaps: tuple[Gap, ...]

    @property
    def gap_days(self) -> int:
        """How many days need something."""
        return sum(gap.days for gap in self.gaps)


def month_of(project: str, found: Findings, wanted: date | None) -> Month:
    """The wanted month, else the latest with a known day, from the project's first one on."""
    known = found.known_days
    last = found.now.date() - _ONE_DAY
    first = (wanted or (known[-1] if known else last)).replace(day=1)
    end = min((first + 31 * _ONE_DAY).replace(day=1) - _ONE_DAY, last)
    begin = max(first, known[0]) if known and wanted is None else first
    days = list(DateRange(begin, end)) if begin <= end else []
    looked_into = replace(found, summaries_in_zips=_summaries_in_zips(project, found, days))
    return Month(first, tuple(one for day in days for one in looked_into.each_day(day)))


def overview_of(project: str, found: Findings) -> Overview:
    """The project in one line, and all its gaps."""
    known = found.known_days
    last = max([found.now.date() - _ONE_DAY, *known[-1:]])
    days = [found.day(day) for day in DateRange(known[0], last)] if known else []
    return Overview(
        project=project,
        first=known[0] if known else None,
        last=last,
        days=len(days),
        local=sum(day.local.summary is not None for day in days),
        zipped=sum(day.local.zip is not None for day in days),
        on_drive=None if found.on_drive is None else len(found.on_drive),
        forgotten=sum(day.is_forgotten for day in days),
        retention_days=found.rule.retention_days,
        gaps=tuple(gaps(one for day in days for one in found.each_day(day.day))),
    )


def _summaries_in_zips(project: str, found: Findings, days: list[date]) -> Mapping[Path, SummaryHead]:
    """Those of the days that have a zip and no folder. It opens each zip, so only for the days shown."""
    summaries = {}
    for local in (one.local for day in days for one in found.each_day(day)):
        if local.zip is not None and not local.has_folder:
            summary = summary_in_zip(local.zip.path, project=project, day=local.day)
            if summary is not None:
                summaries[local.zip.path] = summary
    return summaries
