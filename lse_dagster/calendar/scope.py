"""Which days the settings ask LangSmith for. They change; what they leave out since is told (`dangers`)."""

from datetime import date, datetime

import msgspec

from lse_dagster.calendar.rules import Rule


class Scope(msgspec.Struct, frozen=True):
    """Where the archive begins, and for how many days LangSmith keeps what it was sent."""

    first: date
    retention_days: int

    def days(self, now: datetime) -> list[date]:
        """The days that are over and that LangSmith still has, by these settings; the oldest first."""
        rule = Rule(retention_days=self.retention_days)
        return [day for day in rule.watched_days(now, first=self.first) if now < rule.expires(day)]
