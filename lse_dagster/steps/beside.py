"""A fetched day, where a day of another project of the same name lies at its place."""

from collections.abc import Callable

from lse_dagster.day.identity import is_other
from lse_dagster.day.staging import SameDay, StagedDay
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary


def beside_another_project(
    staged: StagedDay, days: DayStore, tell: Callable[[str], object]
) -> StagedDay | SameDay:
    """The day, which will lie beside the other one; or that one, as it is, where this one has no run.

    A project that was made again has nothing on the days before that: they stay what they were.
    """
    summary, staging = staged.day.summary, staged.staging
    try:
        there = days.find(staging.project, staging.date)
        own = days.find(staging.project, staging.date, summary.project_id)
    except InvalidSummary:
        return staged  # it is set aside
    if there is None or not is_other(there.summary.project_id, summary.project_id):
        return staged
    stays = own is None and not summary.files
    what = "It has no run on that day, which stays as it is." if stays else "Its day is put beside that one."
    tell(
        f"The day {staging.date} here is of {staging.project!r} with the id {there.summary.project_id}; "
        f"LangSmith has another project of that name now, with the id {summary.project_id}. {what}"
    )
    return SameDay(staging, there, summary.fetched_at) if stays else staged
