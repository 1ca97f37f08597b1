"""The archives directory: where each day's zip lies, and how a new one takes its place.

A zip is made from a day folder and replaced under the same overwrite policy: a day fetched again after
LangSmith forgot it must not cost the zip its runs or attachments. A zip that holds the day already is kept.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from lse_dagster.day.errors import BrokenZip, DiskError, NoSuchZip
from lse_dagster.day.first_system_zip import first_system_holdings, is_first_system_zip
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.holdings import Holdings
from lse_dagster.day.names import day_zip_name
from lse_dagster.day.overwrite.policy import Overwrite, refuse_existing, refuse_loss, refuse_unreadable
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.unzip import compare_with_day
from lse_dagster.day.zip_file import DayZip, publish_zip, read_zip, write_zip
from lse_dagster.day.zip_proof import prove_zip
from lse_dagster.day.zip_writer import DEFAULT_LEVEL, OnProgress


@dataclass(frozen=True)
class Zipped:
    """The zip of a day in its place, and whether it was built now or kept."""

    zip: DayZip
    action: Literal["built", "kept"]
    """`kept`: it was there with the same summary, and every member was inflated and had its CRC and hash."""
    sha256: str
    """Of the file, which is proved."""


class ZipStore:
    """All day zips of one archives directory; new ones are deflated at `level`, 1 to 9."""

    def __init__(self, root: Path, *, level: int = DEFAULT_LEVEL) -> None:
        self.root = root
        self._level = level

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

    def archive(
        self, day: DayFolder, overwrite: Overwrite, *, on_progress: OnProgress | None = None
    ) -> Zipped:
        """Zip a day and put the zip in its place. The caller holds the day's lock.

        Under `superset` a zip that holds the day already is verified and kept. `on_progress` is told the
        files done and the files in all. Raises `OverwriteRefused`, `BrokenDay` (a file of the day differs
        from its summary), `DiskError`.
        """
        place = self.zip_path(day.project, day.date)
        part = place.with_name(f".{place.name}.part")
        if overwrite != "always" and place.exists():
            kept = self._zip_to_keep(place, day, overwrite)
            if kept is not None:
                self._remove(part)
                return Zipped(kept, "kept", kept.sha256())
        written = write_zip(day, part, level=self._level, on_progress=on_progress)
        proved = prove_zip(part, project=day.project, day=day.date)
        return Zipped(publish_zip(written, place), "built", proved)

    def _zip_to_keep(self, place: Path, day: DayFolder, overwrite: Overwrite) -> DayZip | None:
        """The zip there if it is right, or None when it may be replaced. Raises `OverwriteRefused`."""
        what = f"Zipping the day {day.date} of {day.project!r}"
        if overwrite == "never":
            raise refuse_existing(what, str(place))
        try:
            if is_first_system_zip(place):
                old = first_system_holdings(place)
            else:
                zipped = read_zip(place, project=day.project, day=day.date)
                if zipped.summary == day.summary:
                    is_right = next(compare_with_day(place, day), None) is None
                    return zipped if is_right else None
                old = zipped.holdings()
            with Holdings(old) as held:
                replacement = held.replaced_by(day)
        except (BrokenZip, InvalidSummary) as error:
            raise refuse_unreadable(what, str(place), error) from error
        if replacement.loses_anything:
            raise refuse_loss(what, str(place), replacement)
        return None

    def _remove(self, part: Path) -> None:
        """Remove what a run that was killed left behind."""
        try:
            part.unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(f"Removing {part.name}", error) from error
