"""`--date`: `YYYY-MM-DD`, `yesterday`, a month, or a range `A..B`; always UTC, always days that are over.

Over by LangSmith's clock, which is asked only where it may matter: this machine's may be wrong by days.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import click
from click.shell_completion import CompletionItem

from lse_dagster.cli.terminal.names import local_dates
from lse_dagster.run.times import InvalidDate, parse_date, utc_now

_ONE_DAY = timedelta(days=1)
_SEPARATOR = ".."
_FORMS = "write YYYY-MM-DD, `yesterday`, a month like 2025-08, or a range like 2025-08-01..2025-08-29"
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class DateRange:
    """The UTC days from `first` to `last`, both included."""

    first: date
    last: date

    def __iter__(self) -> Iterator[date]:
        return (self.first + number * _ONE_DAY for number in range(len(self)))

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}{_SEPARATOR}{self.last}"


def utc_today() -> date:
    """The UTC date now, by this machine."""
    return utc_now().date()


def langsmith_today() -> date:
    """The same by LangSmith, while it can be asked: one request. A wrong clock of this machine is told."""
    from lse_dagster.cli.environment import langsmith_clock, load_settings_as_far_as_right
    from lse_dagster.cli.terminal.console import stderr

    clock = langsmith_clock(load_settings_as_far_as_right())
    if (wrong := clock.problem()) is not None:
        stderr().print(f"{wrong.why} {wrong.next_step}", soft_wrap=True)
    return clock.now().date()


class PastDate(click.ParamType[date]):
    """One UTC day that is over."""

    name = "date"

    def __init__(self, today: Callable[[], date] | None = None) -> None:
        self._today = today or langsmith_today
        self._today_here = today or utc_today

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read `YYYY-MM-DD` or `yesterday`; anything else is a usage error."""
        return value if isinstance(value, date) else self._read(str(value), param, ctx)

    def _read(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if text == "yesterday":
            return self._today() - _ONE_DAY
        try:
            day = parse_date(text)
        except InvalidDate:
            self.fail(f"{text!r} is not a date: {_FORMS}.", param, ctx)
        if day >= self._today_here() and day >= (today := self._today()):
            why = f"the last whole day is {today - _ONE_DAY}"
            self.fail(f"{day} is not over yet in UTC: {why}.", param, ctx)
        return day

    def no_later(self, day: date) -> date:
        """The day, or yesterday if it is not over."""
        return day if day < self._today_here() else min(day, self._today() - _ONE_DAY)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """`yesterday`, and the days that lie on this disk."""
        projects = ctx.params.get("projects") or [ctx.params.get("project")]
        days = sorted({day for project in projects for day in local_dates(project)})
        candidates = ["yesterday", *map(str, days)]
        return [CompletionItem(text) for text in candidates if text.startswith(incomplete)]


class PastDates(click.ParamType[DateRange]):
    """One UTC day that is over, a month as far as it is over, or a range of them."""

    name = "date or range"

    def __init__(self, today: Callable[[], date] | None = None) -> None:
        self._day = PastDate(today)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> DateRange:
        """Read a day, a month or `A..B`; anything else is a usage error."""
        if isinstance(value, DateRange):
            return value
        text = str(value)
        first_text, separator, last_text = text.partition(_SEPARATOR)
        first, last = self._ends(first_text, param, ctx)
        if separator:
            _, last = self._ends(last_text, param, ctx)
        if last < first:
            self.fail(f"{text!r} ends before it begins: write {last}..{first}.", param, ctx)
        return DateRange(first, last)

    def _ends(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[date, date]:
        """The first and last day that a day, or a month without the days that are yet to come, means."""
        if not _MONTH.fullmatch(text):
            day = self._day.convert(text, param, ctx)
            return day, day
        try:
            parse_date(begin := f"{text}-01")
        except InvalidDate:
            self.fail(f"{text!r} is not a month: {_FORMS}.", param, ctx)
        first = self._day.convert(begin, param, ctx)
        return first, self._day.no_later((first + 31 * _ONE_DAY).replace(day=1) - _ONE_DAY)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Days, after `A..` as well."""
        begun, separator, rest = incomplete.rpartition(_SEPARATOR)
        return [
            CompletionItem(f"{begun}{separator}{item.value}")
            for item in self._day.shell_complete(ctx, param, rest)
        ]
