"""What lies on this disk for every day of a project: cheap to look at, also for a thousand days.

Of a summary only its beginning is kept, not its list of files. Of a zip only its size and its last bytes are
read: they are there when it is whole, and say how many files are in it. No content is verified here.
"""

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

from lse_dagster.day.foreign import holds_day_files
from lse_dagster.day.identity import beside_of, id_hash, lying_under, scan
from lse_dagster.day.names import (
    SUMMARY,
    parse_day_name,
    parse_day_zip_name,
    project_of_path_part,
    project_path_part,
    split_day_zip_name,
)
from lse_dagster.day.summary import (
    SummaryHead,
    read_any_head,
    read_head,
)
from lse_dagster.day.zip.file import summary_in_zip
from lse_dagster.day.zip.format import COUNT_NEEDS_64, END, END_SIGNATURE
from lse_dagster.run.times import parse_date


@dataclass(frozen=True)
class LocalZip:
    """A day zip. `files` is None where only opening it would tell."""

    path: Path
    bytes: int
    whole: bool
    """Whether it ends as a zip does; one that was cut off while it was copied does not."""
    files: int | None


@dataclass(frozen=True)
class LocalDay:
    """One day of a project on this disk. `broken`: there is a folder, and it holds no valid summary."""

    day: date
    summary: SummaryHead | None = None
    broken: bool = False
    zip: LocalZip | None = None
    said_id: str = ""
    """LangSmith's id of its project, or the short hash of it, where no summary here says it."""
    folder: Path | None = None
    others: tuple["LocalDay", ...] = ()
    """The days of other projects of the same name on this date, the latest first."""

    @property
    def project_id(self) -> str:
        """LangSmith's id of its project, or the short hash of it; empty where nothing read says it."""
        return self.summary.project_id if self.summary is not None else self.said_id

    @property
    def has_folder(self) -> bool:
        """Whether there is a day folder, good or broken."""
        return self.summary is not None or self.broken

    @property
    def is_readable(self) -> bool:
        """Whether there is a folder with a valid summary, or a zip that is whole."""
        return self.summary is not None or (self.zip is not None and self.zip.whole)

    @property
    def zip_is_of_folder(self) -> bool:
        """Whether nothing that is cheap to see says that the zip was not made of this folder."""
        if self.zip is None or not self.zip.whole:
            return False
        if self.summary is None or self.zip.files is None:
            return True
        return self.zip.files == self.summary.files + 1


def local_days(
    data_dir: Path, archives_dir: Path | None, project: str, only: Container[date] | None = None
) -> dict[date, LocalDay]:
    """Every day that has a folder or a zip, in order. Of days of several ids under one date the latest, with
    the `others`.

    `archives_dir`: None where folders are enough; it has the zips of all projects. `only`: the days that are
    looked at, all of them without.
    """
    folders = _by_day(_folders(data_dir / project_path_part(project)))
    zips: dict[date, dict[str, Path]] = {}
    if archives_dir is not None:
        zips = _by_day(scan(archives_dir, partial(parse_day_zip_name, project), os.DirEntry.is_file))
    return {
        day: _under_one_date(project, day, folders.get(day, {}), zips.get(day, {}))
        for day in sorted({*folders, *zips})
        if only is None or day in only
    }


def projects_here(data_dir: Path, archives_dir: Path) -> dict[str, date]:
    """The projects that have a day here, each with its oldest one. Opens one summary or zip of each.

    Of a name that is cut only a folder tells which it is.
    """
    found: dict[str, date] = {}
    for part, folder in scan(data_dir, str):
        heads = (read_any_head(path / SUMMARY, day) for (day, _), path in sorted(_folders(folder)))
        head = next(filter(None, heads), None)
        if head is not None and project_path_part(head.project) == part:
            found[head.project] = parse_date(head.date)
    parts = {project_path_part(project): project for project in found}
    all_zips = scan(archives_dir, split_day_zip_name, os.DirEntry.is_file)
    for day, part, path in sorted((day, part, path) for (part, (day, _)), path in all_zips):
        project = parts.get(part) or project_of_path_part(part)
        if project is not None and day < found.get(project, date.max) and _look_at(path).whole:
            found[project] = day
    return found


def _under_one_date(
    project: str, day: date, folders: Mapping[str, Path], zips: Mapping[str, Path]
) -> LocalDay:
    """The latest day, with the others. A zip is opened only where the names say that there are several."""
    several = len({*folders, *zips}) > 1
    inside = {
        beside: summary_in_zip(path, project=project, day=day) if several else None
        for beside, path in zips.items()
    }
    lying = [lying_under(beside, head) for beside, head in inside.items()]
    found, unpaired = [], dict(zips)
    for beside, folder in folders.items():
        head = read_head(folder / SUMMARY, project, day)
        hashed = id_hash(head.project_id) if several and head is not None else ""
        path = unpaired.pop(beside_of(lying, hashed) if hashed else beside, None)
        broken = head is None and holds_day_files(folder)
        zipped = _look_at(path) if path is not None else None
        found.append((True, head, LocalDay(day, head, broken, zipped, beside, folder)))
    for beside, path in unpaired.items():
        head = inside[beside]
        project_id = head.project_id if head is not None else beside
        found.append((False, head, LocalDay(day, zip=_look_at(path), said_id=project_id)))
    found.sort(key=lambda one: (one[0], one[1].fetched_at if one[1] is not None else ""), reverse=True)
    latest, *others = (one for _, _, one in found)
    return replace(latest, others=tuple(one for one in others if one.has_folder or one.zip is not None))


def _folders(folder: Path) -> Iterator[tuple[tuple[date, str], Path]]:
    return scan(folder, parse_day_name, os.DirEntry.is_dir)


def _by_day(found: Iterable[tuple[tuple[date, str], Path]]) -> dict[date, dict[str, Path]]:
    """The paths by what their names end in."""
    days: dict[date, dict[str, Path]] = {}
    for (day, beside), path in found:
        days.setdefault(day, {})[beside] = path
    return days


def _look_at(path: Path) -> LocalZip:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - END.size))
            ending = file.read()
    except OSError:
        return LocalZip(path, 0, whole=False, files=None)
    if len(ending) != END.size or not ending.startswith(END_SIGNATURE):
        return LocalZip(path, size, whole=False, files=None)
    files = int(END.unpack(ending)[4])
    return LocalZip(path, size, whole=True, files=None if files == COUNT_NEEDS_64 else files)
