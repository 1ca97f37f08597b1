"""The archives directory: where each day's zip lies, and how a new one takes its place.

A zip is made from a day folder and replaced under the same overwrite policy: a day fetched again after
LangSmith forgot it must not cost the zip its runs or attachments.
"""

from datetime import date
from pathlib import Path

from lse_dagster.day.errors import BrokenZip, NoSuchZip
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import day_zip_name
from lse_dagster.day.overwrite import Overwrite, compare_days, refuse_existing, refuse_loss, refuse_unreadable
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip_file import DayZip, publish_zip, read_zip, write_zip


class ZipStore:
    """All day zips of one archives directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def zip_path(self, project: str, day: date) -> Path:
        """`<root>/<project>_<YYYY-MM-DD>.zip`."""
        return self.root / day_zip_name(project, day)

    def load(self, project: str, day: date) -> DayZip:
        """The day's zip. Raises `NoSuchZip`, `BrokenZip`, `InvalidSummary`."""
        return read_zip(self.existing_path(project, day), project=project, day=day)

    def existing_path(self, project: str, day: date) -> Path:
        """Where the day's zip lies, whatever is in it. Raises `NoSuchZip`."""
        path = self.zip_path(project, day)
        if not path.exists():
            raise NoSuchZip(project, day, path)
        return path

    def archive(self, day: DayFolder, overwrite: Overwrite) -> DayZip:
        """Zip a day and put the zip in its place. The caller holds the day's lock.

        Raises `OverwriteRefused`, `BrokenDay` (a file of the day differs from its summary), `DiskError`.
        """
        place = self.zip_path(day.project, day.date)
        self._refuse_loss(place, day, overwrite)
        day.verify_files()
        return publish_zip(write_zip(day, place.with_name(f".{place.name}.part")), place)

    def _refuse_loss(self, place: Path, day: DayFolder, overwrite: Overwrite) -> None:
        if overwrite == "always" or not place.exists():
            return
        what = f"Zipping the day {day.date} of {day.project!r}"
        if overwrite == "never":
            raise refuse_existing(what, str(place))
        try:
            old = read_zip(place, project=day.project, day=day.date)
            replacement = compare_days(old.holdings(), day.holdings()) if old.summary != day.summary else None
        except (BrokenZip, InvalidSummary) as error:
            raise refuse_unreadable(what, str(place), error) from error
        if replacement is not None and replacement.loses_anything:
            raise refuse_loss(what, str(place), replacement)
