"""What became of the days of a range in one line, and what a dry run says of each."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from lse_dagster.cli.archive.plan import LeftDay, Planned
from lse_dagster.cli.running.outcome import DayOutcome, DayPlan, Step
from lse_dagster.errors import ArchiveError
from lse_dagster.run.times import in_rows

_PAST: Final[Mapping[Step, str]] = {
    "fetch": "fetched",
    "zip": "zipped",
    "upload": "uploaded",
    "restore": "restored",
}
_LEFT: Final[Mapping[str, tuple[str, str]]] = {
    "whole": ("was whole", "were whole"),
    "short": ("is shorter than LangSmith", "are shorter than LangSmith"),
    "unfinished": ("had unfinished runs", "had unfinished runs"),
    "changed": ("is not the same everywhere", "are not the same everywhere"),
    "there": ("is there already", "are there already"),
    "declined": ("stays as it is", "stay as they are"),
    "before": ("is before LSE_START_DATE", "are before LSE_START_DATE"),
}
"""Of one day and of several, in the order in which they are told."""


def describe_planned(one: Planned, *, perhaps: bool) -> str:
    """What would become of a day that is done, or asked about. `perhaps`: LangSmith may have forgotten it."""
    if isinstance(one, LeftDay):
        return f"{one.day}  would be asked about: {one.why}"
    *others, last = (_PAST[step] for step in one.steps)
    steps = f"{', '.join(others)} and {last}" if others else last
    return f"{one.day}  would be {steps}{', if LangSmith has it still' if perhaps else ''}"


def describe_range(
    verb: str,
    plans: Sequence[DayPlan],
    outcomes: Sequence[DayOutcome] | None,
    left: Sequence[LeftDay],
    absent: Sequence[date],
    *,
    perhaps: Sequence[date] = (),
    not_sent: ArchiveError | None = None,
) -> str:
    """`12 archived, 18 were whole, 1 is shorter than LangSmith: 2025-08-13.`

    `outcomes`: None of a dry run. `perhaps`: the days that LangSmith may have forgotten by then.
    `not_sent`: why what was done is not on Drive.
    """
    words = []
    if outcomes is None:
        words += [f"{len(plans) - len(perhaps):,} would be {verb}"] if len(plans) > len(perhaps) else []
        if perhaps:
            words.append(f"{len(perhaps):,} if LangSmith has them still: {', '.join(in_rows(perhaps))}")
    else:
        waiting = sum(not_sent is not None and one.error is not_sent for one in outcomes)
        failed = sum(one.error is not None for one in outcomes) - waiting
        forgotten = [one.day for one in outcomes if one.is_forgotten]
        done = len(outcomes) - failed - waiting - len(forgotten)
        words += [f"{done:,} {verb}"] if (plans and not waiting) or absent else []
        words += [f"{waiting:,} fetched and zipped, not on Drive"] if waiting else []
        words += [f"{failed:,} failed"] if failed else []
        words += [f"{len(plans) - len(outcomes):,} not begun"] if len(plans) > len(outcomes) else []
        if forgotten:
            which = ", ".join(in_rows(forgotten))
            words.append(f"{len(forgotten):,} forgotten by LangSmith, nothing to fetch: {which}")
    for reason, (one, several) in _LEFT.items():
        days = [found.day for found in left if found.reason == reason]
        if days:
            which = "" if reason == "whole" else f": {', '.join(in_rows(days))}"
            words.append(f"{len(days):,} {one if len(days) == 1 else several}{which}")
    told = ", ".join(words)
    if absent:
        are = "is" if len(absent) == 1 else "are"
        told += f"; {len(absent):,} {are} not on Drive: {', '.join(in_rows(absent))}"
    return f"{told}."
