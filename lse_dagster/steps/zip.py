"""Zipping a day, whatever lies at its zip's place: what that holds more goes on in the day first."""

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.policy import HoldsMore, Overwrite
from lse_dagster.day.zip_store import Zipped
from lse_dagster.day.zip_writer import OnProgress
from lse_dagster.steps.places import Places
from lse_dagster.steps.union import unite


def zip_day(
    places: Places, day: DayFolder, overwrite: Overwrite, *, on_progress: OnProgress | None = None
) -> Zipped:
    """Make the day's zip, or keep the right one. The day's lock keeps it from being replaced meanwhile.

    Raises `OverwriteRefused` (under `never`), `BrokenDay`, `DayIsBusy`, `DiskError`.
    """

    def archive(day: DayFolder) -> Zipped:
        with places.days.locked(day.project, day.date):
            return places.zips.archive(day, overwrite, on_progress=on_progress)

    try:
        return archive(day)
    except HoldsMore as more:
        places.tell(f"{more.why} It goes on in the day.")
        return archive(unite(places, day.project, day.date, day.summary.project_id).day)
