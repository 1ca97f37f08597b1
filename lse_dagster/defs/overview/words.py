"""What is said of all projects: a table, and whether every day is archived, with commands for what is not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final

from lse_dagster.advice import lse_command
from lse_dagster.calendar.overview import Overview, Standing, Unsafe
from lse_dagster.calendar.rules import Need
from lse_dagster.defs.metadata import in_markdown, markdown_table
from lse_dagster.run.times import in_rows

_IS_CURRENT: Final = timedelta(hours=2)
"""A look at a project is made every ten minutes; one that failed for longer says nothing of now."""
_MOST: Final = 10
_WELL: Final = "✓"
_ORDER: Final[tuple[Standing, ...]] = ("at risk", "missing", "late", "forgotten")
_SAID: Final[Mapping[Standing, tuple[str, str]]] = {
    "at risk": ("is at risk", "are at risk"),
    "missing": ("is missing", "are missing"),
    "late": ("is not on Drive", "are not on Drive"),
    "forgotten": ("was forgotten by LangSmith before it was archived",) * 2,
}
_COMMANDS: Final = {Need.ZIP: "archive zip", Need.UPLOAD: "archive upload"}

Overviews = Mapping[str, Overview | None]
"""Of each project what was found last; None if nobody has looked at it."""


@dataclass(frozen=True)
class Verdict:
    """Whether every day is archived: one line, or one for each thing that somebody should look after."""

    passed: bool
    text: str
    is_urgent: bool = False
    """Whether something can still be done about it."""


def verdict(found: Overviews, now: datetime) -> Verdict:
    """Whether every day of all projects is archived that should be by now."""
    urgent = [line for project, one in found.items() for line in _urgent(project, one, now)]
    gone = [line for one in found.values() if one is not None for line in _forgotten(one)]
    lines = [*urgent, *gone]
    if lines:
        more = [f"And {len(lines) - _MOST:,} more: `lse status`."] if len(lines) > _MOST else []
        said = [*lines[:_MOST], *more]
        text = "\n".join(f"- {line}" for line in said) if len(said) > 1 else said[0]  # the UI shows Markdown
        return Verdict(False, text, is_urgent=bool(urgent))
    looked = [one for one in found.values() if one is not None]
    waiting = sum(len(one.days("in time")) for one in looked)
    text = (
        f"Every day of {_count(len(found), 'project')} is on Drive, through {through(looked) or 'none yet'}"
    )
    if waiting:
        text += f", but {_count(waiting, 'day')} that {'has' if waiting == 1 else 'have'} time yet"
    text += "."
    if not all(one.drive_was_asked for one in looked):
        text += " Drive could not be asked: this is what was recorded."
    return Verdict(True, text)


def through(found: Sequence[Overview]) -> date | None:
    """Through which day all projects are archived; of one that has none nothing is said."""
    return min((one.last for one in found if one.last is not None), default=None)


def table(found: Overviews, now: datetime) -> str:
    """Through which day each project is archived, and what is not safe; those first that need somebody.

    Narrow: the UI leaves about 50 characters for it.
    """
    rows = [_row(project, one, now) for project, one in found.items()]
    rows.sort(key=lambda row: row[0] == _WELL)
    return markdown_table(["", "project", "archived through", "not safe"], "llll", rows)


def _row(project: str, one: Overview | None, now: datetime) -> list[str]:
    mark = "✗" if [*_urgent(project, one, now)] else _WELL
    if one is None:
        return [mark, in_markdown(project), "not looked at", ""]
    counts = ((how, len(one.days(how))) for how in (*_ORDER, "in time"))
    counted = ", ".join(f"{count:,} {how}" for how, count in counts if count)
    if one.next_expiry is not None:
        counted += f", the first until {one.next_expiry[1]:%Y-%m-%d}"
    return [mark, in_markdown(project), str(one.last or "none yet"), counted]


def storage_table(found: Overviews, price: float | None) -> str:
    """What each project takes, and how many of its days are on Drive. `price`: of a GB a month, in USD."""
    head, alignment = ["project", "days", "Drive", "disk"], "lrrr"
    if price is not None:
        head, alignment = [*head, "USD a month"], f"{alignment}r"
    rows = []
    for project, one in found.items():
        if one is not None:
            drive = size(one.drive_bytes) if one.drive_was_asked else "?"
            cost = [] if price is None else [_usd(one.drive_bytes / 1e9 * price)]
            numbers = (f"{one.on_drive:,}", drive, size(one.disk_bytes), *cost)
            rows.append([in_markdown(project), *(number.replace(" ", "&nbsp;") for number in numbers)])
    return markdown_table(head, alignment, rows)


def _usd(amount: float) -> str:
    return "< 0.01" if 0 < amount < 0.005 else f"{amount:,.2f}"


def size(count: int) -> str:
    """Bytes in the unit that people compare."""
    units = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"))
    factor, unit = next(((factor, unit) for factor, unit in units if count >= factor), (1e3, "kB"))
    return f"{count / factor:,.{0 if unit == 'kB' else 1}f} {unit}"


def is_current(one: Overview, now: datetime) -> bool:
    """Whether what a look found says something of now."""
    return now - one.looked_at <= _IS_CURRENT


def _urgent(project: str, one: Overview | None, now: datetime) -> Iterator[str]:
    if one is None or not is_current(one, now):
        since = "yet" if one is None else f"since {one.looked_at:%Y-%m-%d %H:%M} UTC"
        yield f"{project}: not looked at {since}. See why its sensor fails: `lse health`, or Automation here."
        return
    for how in _ORDER[:-1]:
        yield from _lines(one, [day for day in one.unsafe if day.standing == how])


def _forgotten(one: Overview) -> Iterator[str]:
    """Those of late: nobody can do anything about them, and somebody should have heard."""
    gone = [day for day in one.unsafe if day.standing == "forgotten" and day.day >= one.watched_from]
    return _lines(one, gone)


def _lines(one: Overview, unsafe: Sequence[Unsafe]) -> Iterator[str]:
    """A line for each command; none where nothing can be done any more."""
    for need, group in groupby(
        sorted(unsafe, key=lambda day: (day.need.value, day.day)), lambda day: day.need
    ):
        days = [*group]
        rows = in_rows(day.day for day in days)
        said = _SAID[days[0].standing][len(days) > 1]
        line = f"{one.project}: {_count(len(days), 'day')} {said} ({', '.join(rows)})."
        if days[0].standing != "forgotten":
            step = _COMMANDS.get(need, "archive")
            line += " " + "; ".join(f"`{lse_command(step, one.project, row)}`" for row in rows[:_MOST])
        yield line


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
