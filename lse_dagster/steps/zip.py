"""Zipping a day, whatever lies at its zip's place: what that holds more goes on in the day first.

A zip that holds the day already is kept, one that cannot be read whole is set aside.
"""

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

from lse_dagster.day.errors import BrokenZip, DiskError
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.decision import may_replace
from lse_dagster.day.overwrite.policy import Difference, HoldsMore, Overwrite, refuse_existing
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.file import DayZip, publish_zip, write_zip
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.day.zip.verify import compare_with_day
from lse_dagster.day.zip.writer import OnProgress
from lse_dagster.steps.open_zip import open_old_zip
from lse_dagster.steps.places import Places
from lse_dagster.steps.union import unite
from lse_dagster.steps.zip_proof import prove_zip


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


def zip_day(
    places: Places, day: DayFolder, overwrite: Overwrite, *, on_progress: OnProgress | None = None
) -> Zipped:
    """Make the day's zip, or keep the right one. The day's lock keeps it from being replaced meanwhile.

    Raises `OverwriteRefused` (under `never`), `BrokenDay`, `DayIsBusy`, `DiskError`.
    """

    def archive(day: DayFolder) -> Zipped:
        with places.days.locked(day.project, day.date):
            return make_zip(places.zips, day, overwrite, on_progress=on_progress)

    try:
        return archive(day)
    except HoldsMore as more:
        places.tell(f"{more.why} It goes on in the day.")
        return archive(unite(places, day.project, day.date, day.summary.project_id).day)


def make_zip(
    zips: ZipStore, day: DayFolder, overwrite: Overwrite, *, on_progress: OnProgress | None = None
) -> Zipped:
    """Zip a day and put the zip in its place. The caller holds the day's lock.

    Under `superset` a zip that holds the day already is verified and kept. `on_progress` is told the
    files done and the files in all. Raises `HoldsMore`, `OverwriteRefused`, `BrokenDay` (a file of the
    day differs from its summary), `DiskError`.
    """
    place = zips.zip_path(day.project, day.date, day.summary.project_id)
    part = place.with_name(f".{place.name}.part")
    found = _Found(damaged=place.is_dir())  # no zip can take the place of a folder
    if overwrite != "always" and os.path.lexists(place):
        found = _look_at(place, day, overwrite)
        if found.right is not None:
            _remove(part)
            return Zipped(found.right, "kept", found.right.sha256())
    written = write_zip(day, part, level=zips.level, on_progress=on_progress)
    proved = prove_zip(part, project=day.project, day=day.date)
    aside = _set_aside(place) if found.damaged else None
    return Zipped(publish_zip(written, place), "built", proved, found.difference, aside)


def _look_at(place: Path, day: DayFolder, overwrite: Overwrite) -> _Found:
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


def _set_aside(place: Path) -> Path:
    """Keep what cannot be read whole under another name. Raises `DiskError`."""
    names = (f"{place.stem}.damaged" + (f"-{number}" if number else "") for number in count())
    aside = next(path for name in names if not os.path.lexists(path := place.with_name(name + place.suffix)))
    try:
        place.rename(aside)
    except OSError as error:
        raise DiskError(f"Setting {place.name} aside", error) from error
    return aside


def _remove(part: Path) -> None:
    """Remove what a run that was killed left behind."""
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        raise DiskError(f"Removing {part.name}", error) from error
