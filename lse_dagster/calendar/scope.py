"""Which days the settings ask LangSmith for. They change; what they leave out since is told (`dangers`)."""

from datetime import date, datetime, timedelta

import msgspec

from lse_dagster.calendar.rules import Rule
from lse_dagster.errors import ArchiveError


class Scope(msgspec.Struct, frozen=True):
    """Where the archive begins, and for how many days LangSmith keeps what it was sent."""

    first: date
    retention_days: int

    def days(self, now: datetime) -> list[date]:
        """The days that are over and that LangSmith still has, by these settings; the oldest first."""
        rule = Rule(retention_days=self.retention_days)
        return [day for day in rule.watched_days(now, first=self.first) if now < rule.expires(day)]


def early_start(start: date, began: date | None, rule: Rule, now: datetime) -> ArchiveError | None:
    """That the settings begin long before the archive, if they do, and what to set.

    `began` is the first day that lies anywhere. What is advised leaves out no day that LangSmith has whole.
    """
    whole = now.date() - timedelta(days=rule.retention_days - 1)
    first = min(began or whole, whole)
    if (first - start).days <= rule.retention_days:
        return None
    said = f"the first day of the archive is {began}" if began else "nothing is archived yet"
    return ArchiveError(
        "Looking at LSE_START_DATE",
        f"It is {start}, and {said}: Dagster shows {(first - start).days:,} days as missing that nobody has.",
        f"Put LSE_START_DATE={first} into .env, then restart the code server.",
    )
