"""Zipping a day, whatever lies at its zip's place: what that holds more goes on in the day first.

A zip that holds the day already is kept, one that cannot be read whole is set aside.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lse_dagster.day.disk import path_aside
from lse_dagster.day.errors import DiskError
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.identity import id_hash
from lse_dagster.day.overwrite.difference import Difference
from lse_dagster.day.overwrite.old_day import OldDay
from lse_dagster.day.overwrite.policy import HoldsMore, Overwrite, UnreadableDay, decide
from lse_dagster.day.space import FreeBytes, expect_room, free_bytes, needed_by_zip
from lse_dagster.day.zip.file import DayZip, publish_zip, write_zip
from lse_dagster.day.zip.store import ZipStore
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


def zip_day(
    places: Places, day: DayFolder, overwrite: Overwrite, *, on_progress: OnProgress | None = None
) -> Zipped:
    """Make the day's zip, or keep the right one. The day's lock keeps it from being replaced meanwhile.

    Raises `OverwriteRefused` (under `never`), `BrokenDay`, `DayIsBusy`, `DiskError`.
    """

    def archive(day: DayFolder) -> Zipped:
        with places.days.locked(day.project, day.date):
            return make_zip(places.zips, day, overwrite, free=places.free, on_progress=on_progress)

    try:
        return archive(day)
    except HoldsMore as more:
        places.tell(f"{more.why} It goes on in the day.")
        return archive(unite(places, day.project, day.date, day.summary.project_id).day)


def make_zip(
    zips: ZipStore,
    day: DayFolder,
    overwrite: Overwrite,
    *,
    free: FreeBytes = free_bytes,
    on_progress: OnProgress | None = None,
) -> Zipped:
    """Zip a day and put the zip in its place. The caller holds the day's lock.

    Under `superset` a zip that holds the day already is verified and kept. `on_progress` is told the
    files done and the files in all. Raises `HoldsMore`, `OverwriteRefused`, `BrokenDay` (a file of the
    day differs from its summary), `NoRoom`, `DiskError`.
    """
    place = zips.zip_path(day.project, day.date, day.summary.project_id)
    part = place.with_name(f".{place.name}.part")
    _remove(part)
    what = f"Zipping the day {day.date} of {day.project!r}"
    proved, difference = None, None
    damaged = place.is_dir()  # no zip can take the place of a folder

    @contextmanager
    def there() -> Iterator[OldDay]:
        nonlocal proved
        with open_old_zip(place, project=day.project, day=day.date) as old:
            proved = old.proved_zip_of(day) if overwrite == "superset" else None
            yield old

    if os.path.lexists(place) and not damaged:
        hashed = id_hash(day.summary.project_id)
        try:
            replaces = decide(day, there(), overwrite, what=what, where=str(place), id_there=hashed)
        except UnreadableDay:
            damaged = True
        else:
            difference = replaces.difference
    if proved is not None:
        return Zipped(DayZip(place, day.summary), "kept", proved)
    expect_room(place.parent, needed_by_zip(day.summary), what, free)
    written = write_zip(day, part, level=zips.level, on_progress=on_progress)
    proved = prove_zip(part, project=day.project, day=day.date)
    aside = _set_aside(place) if damaged else None
    return Zipped(publish_zip(written, place), "built", proved, difference, aside)


def _set_aside(place: Path) -> Path:
    """Keep what cannot be read whole under another name. Raises `DiskError`."""
    aside = path_aside(place, place.suffix)
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
