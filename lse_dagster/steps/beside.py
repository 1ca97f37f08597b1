"""The days of two projects of the same name under one date: neither is lost, and both go to Drive."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from lse_dagster.day.errors import BrokenDay, BrokenZip
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.identity import is_other
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.staging import SameDay, StagedDay
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.file import DayZip

_Day = TypeVar("_Day", DayFolder, DayZip)


def day_that_stays(staged: StagedDay, days: DayStore, tell: Callable[[str], object]) -> SameDay | None:
    """The day of another project at the place of a fetched one that has no run; else that will lie beside it.

    A project that was made again has nothing on the days before that: they stay what they were.
    """
    summary, staging = staged.day.summary, staged.staging
    try:
        there = days.find(staging.project, staging.date)
        own = days.find(staging.project, staging.date, summary.project_id)
    except InvalidSummary:
        return None  # it is set aside
    if there is None or not is_other(there.summary.project_id, summary.project_id):
        return None
    stays = own is None and not summary.files
    what = "It has no run on that day, which stays as it is." if stays else "Its day is put beside that one."
    tell(
        f"The day {staging.date} here is of {staging.project!r} with the id {there.summary.project_id}; "
        f"LangSmith has another project of that name now, with the id {summary.project_id}. {what}"
    )
    return SameDay(staging, there, summary.fetched_at) if stays else None


def bring_others(
    others: Iterable[_Day], bring: Callable[[_Day, Overwrite], object], tell: Callable[[str], object]
) -> None:
    """Zip, or upload, what lies beside a day: nobody else would ask for it any more.

    It may be damaged, for good, and holds up no other; the check of the copy tells.
    """
    for other in others:
        try:
            bring(other, "superset")
        except (BrokenDay, BrokenZip, InvalidSummary) as error:
            tell(f"{other.path} is of another project of the same name, and does not go to Drive. {error}")
