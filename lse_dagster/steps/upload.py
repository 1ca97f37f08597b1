"""Bringing a day's zip to Drive, whatever lies there: what that holds more goes on in the day first."""

from dataclasses import dataclass

from lse_dagster.day.overwrite.policy import HoldsMore, Overwrite
from lse_dagster.day.zip.file import DayZip
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.transfer.upload import Uploaded
from lse_dagster.drive.transfer.upload_session import OnProgress
from lse_dagster.steps.drive_copy import UnreadableCopy, upload_copy
from lse_dagster.steps.places import Places
from lse_dagster.steps.union import unite
from lse_dagster.steps.zip import zip_day


@dataclass(frozen=True)
class Sent:
    """What came of an upload: the zip on Drive, and the name that what could not be read has there now."""

    uploaded: Uploaded
    zip: DayZip
    set_aside: str | None


def upload_day(
    drive: DriveArchive,
    places: Places,
    zipped: DayZip,
    overwrite: Overwrite,
    *,
    recorded: str | None = None,
    on_progress: OnProgress | None = None,
) -> Sent:
    """Put the day's zip on Drive, verified; `recorded` is the sha256 of one that is proved.

    Raises `BrokenZip`, `InvalidSummary`, `OverwriteRefused` (under `never`), `BrokenDay`, `DayIsBusy`,
    `DiskError`, and Drive's errors.
    """
    set_aside, united = None, False
    while True:
        try:
            uploaded = upload_copy(
                drive, zipped, overwrite, recorded=recorded, free=places.free, on_progress=on_progress
            )
            return Sent(uploaded, zipped, set_aside)
        except HoldsMore as more:
            if united:
                raise
            united = True
            places.tell(f"{more.why} It goes on in the day.")
            united_day = unite(places, zipped.project, zipped.date, zipped.summary.project_id).day
            made = zip_day(places, united_day, "superset")
            zipped, recorded = made.zip, made.sha256
        except UnreadableCopy as unreadable:
            if set_aside is not None:
                raise
            set_aside = drive.set_aside(unreadable.file)
            places.tell(f"{unreadable.why} It is called {set_aside} now.")
