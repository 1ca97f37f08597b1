"""The half-open UTC interval of one day, and reading dates and LangSmith's times.

LangSmith writes times in three forms: RFC 3339 with `Z`, naive UTC, and naive UTC without a fraction.
All of them are UTC; nothing here ever uses the local time zone.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from lse_dagster.errors import ArchiveError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_YEARS: Final = range(1970, 3000)
"""In which a day lies. Far from them days before and after cannot be reckoned with, and Dagster writes the
years before 1000 with fewer digits."""


class InvalidDate(ArchiveError):
    """A text that should be a UTC date is not one."""


@dataclass(frozen=True)
class DayInterval:
    """`[start, end)`: midnight UTC of a date to midnight UTC of the next."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, day: date) -> "DayInterval":
        """The interval of one UTC date."""
        start = datetime.combine(day, time.min, tzinfo=UTC)
        return cls(start, start + timedelta(days=1))

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def utc_now() -> datetime:
    """This machine's time."""
    return datetime.now(UTC)


def parse_date(text: str) -> date:
    """Read `YYYY-MM-DD`. Raises `InvalidDate` for anything else, `2025-02-30` and `20250829` included."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) and int(text[:4]) in _YEARS:
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise InvalidDate(
        f"Reading the date {text!r}",
        f"It is not a calendar date of the years {_YEARS[0]} to {_YEARS[-1]}.",
        "Write it as YYYY-MM-DD, for example 2025-08-29.",
    )


def date_of_key(text: str | None) -> date | None:
    """The date that a name or a partition key is; None of another one."""
    try:
        return parse_date(text) if text else None
    except InvalidDate:
        return None


def in_rows(days: Iterable[date | str], to: str = "..") -> list[str]:
    """Days in order, those that follow each other as `first..last`. A text that is no date stands alone."""
    rows: list[list[str]] = []
    for text in map(str, days):
        day = date_of_key(text)
        if rows and day is not None and rows[-1][-1] == str(day - timedelta(days=1)):
            rows[-1].append(text)
        else:
            rows.append([text])
    return [row[0] if len(row) == 1 else f"{row[0]}{to}{row[-1]}" for row in rows]


def parse_time(text: str) -> datetime | None:
    """Read one of LangSmith's times as an aware UTC datetime; None when it is not a time.

    Digits after the microsecond are dropped, as `datetime` holds no more.
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: an offset that leads out of the years 1 to 9999
        return None


def microseconds(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(number: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=number)


def iso_z(moment: datetime) -> str:
    """An aware datetime as RFC 3339 in UTC with microseconds and `Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
