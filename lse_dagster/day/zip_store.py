"""The archives directory: where each day's zip lies, and how a new one takes its place.

A zip is made from a day folder and replaced under the same overwrite policy, only by what holds all of it. A
zip that holds the day already is kept, one that cannot be read whole is set aside.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path
from typing import Literal

from lse_dagster.day.errors import BrokenZip, DiskError, NoSuchZip
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.identity import beside_of, id_hash
from lse_dagster.day.inventory import lying_under, summary_in_zip
from lse_dagster.day.names import day_zip_name, parse_day_zip_name
from lse_dagster.day.overwrite.decision import may_replace
from lse_dagster.day.overwrite.old_zip import open_old_zip
from lse_dagster.day.overwrite.policy import Difference, Overwrite, refuse_existing
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
    difference: Difference | None = None
    """How the day differs from what the zip in its place held."""
    set_aside: Path | None = None
    """Where that lies now which lay in its place and could not be read whole."""


@dataclass(frozen=True)
class _Found:
    difference: Difference | None = None
    right: DayZip | None = None
    damaged: bool = False


class ZipStore:
    """All day zips of one archives directory; new ones are deflated at `level`, 1 to 9."""

    def __init__(self, root: Path, *, level: int = DEFAULT_LEVEL) -> None:
        self.root = root
        self._level = level

    def zip_path(self, project: str, day: date, project_id: str = "") -> Path:
        """`<root>/<project>_<YYYY-MM-DD>.zip`, or beside it where a zip of another id lies there.

        Without an id the latest of what lies there is meant.
        """
        hashed = id_hash(project_id)
        besides = [self.root / day_zip_name(project, day, hashed)] if hashed else self._besides(project, day)
        if not besides:
            return self.root / day_zip_name(project, day)
        lying = [
            lying_under(name[1], summary_in_zip(path, project=project, day=day))
            for path in (self.root / day_zip_name(project, day), *besides)
            if (name := parse_day_zip_name(project, path.name)) is not None and os.path.lexists(path)
        ]
        return self.root / day_zip_name(project, day, beside_of(lying, hashed))

    def others(self, zipped: DayZip) -> Iterator[DayZip]:
        """The zips of other projects of the same name that lie beside this one, and can be read."""
        project, day = zipped.project, zipped.date
        for path in (self.root / day_zip_name(project, day), *self._besides(project, day)):
            if path != zipped.path and path.is_file():
                with suppress(BrokenZip, InvalidSummary):
                    yield read_zip(path, project=project, day=day)

    def _besides(self, project: str, day: date) -> list[Path]:
        found = self.root.glob(day_zip_name(project, day, "*"))
        return sorted(path for path in found if parse_day_zip_name(project, path.name) is not None)

    def load(self, project: str, day: date, project_id: str = "") -> DayZip:
        """The day's zip. Raises `NoSuchZip`, `BrokenZip`, `InvalidSummary`."""
        return read_zip(self.existing_path(project, day, project_id), project=project, day=day)

    def existing_path(self, project: str, day: date, project_id: str = "") -> Path:
        """Where the day's zip lies, whatever is in it. Raises `NoSuchZip`."""
        path = self.zip_path(project, day, project_id)
        if not path.exists():
            raise NoSuchZip(project, day, path)
        return path

    def archive(
        self, day: DayFolder, overwrite: Overwrite, *, on_progress: OnProgress | None = None
    ) -> Zipped:
        """Zip a day and put the zip in its place. The caller holds the day's lock.

        Under `superset` a zip that holds the day already is verified and kept. `on_progress` is told the
        files done and the files in all. Raises `HoldsMore`, `OverwriteRefused`, `BrokenDay` (a file of the
        day differs from its summary), `DiskError`.
        """
        place = self.zip_path(day.project, day.date, day.summary.project_id)
        part = place.with_name(f".{place.name}.part")
        found = _Found(damaged=place.is_dir())  # no zip can take the place of a folder
        if overwrite != "always" and os.path.lexists(place):
            found = self._look_at(place, day, overwrite)
            if found.right is not None:
                self._remove(part)
                return Zipped(found.right, "kept", found.right.sha256())
        written = write_zip(day, part, level=self._level, on_progress=on_progress)
        proved = prove_zip(part, project=day.project, day=day.date)
        aside = self._set_aside(place) if found.damaged else None
        return Zipped(publish_zip(written, place), "built", proved, found.difference, aside)

    def _look_at(self, place: Path, day: DayFolder, overwrite: Overwrite) -> "_Found":
        """What lies there. Raises `OverwriteRefused` when it must not be replaced."""
        what = f"Zipping the day {day.date} of {day.project!r}"
        if overwrite == "never":
            raise refuse_existing(what, str(place))
        try:
            with open_old_zip(place, project=day.project, day=day.date) as old:
                if old.summary == day.summary and not old.damaged:
                    is_right = next(compare_with_day(place, day), None) is None
                    return _Found(right=DayZip(place, day.summary) if is_right else None)
                difference = may_replace(day, old, what=what)
                return _Found(difference, damaged=bool(old.damaged))
        except (BrokenZip, InvalidSummary, DiskError):
            return _Found(damaged=True)

    def _set_aside(self, place: Path) -> Path:
        """Keep what cannot be read whole under another name. Raises `DiskError`."""
        names = (f"{place.stem}.damaged" + (f"-{number}" if number else "") for number in count())
        aside = next(
            path for name in names if not os.path.lexists(path := place.with_name(name + place.suffix))
        )
        try:
            place.rename(aside)
        except OSError as error:
            raise DiskError(f"Setting {place.name} aside", error) from error
        return aside

    def _remove(self, part: Path) -> None:
        """Remove what a run that was killed left behind."""
        try:
            part.unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(f"Removing {part.name}", error) from error
