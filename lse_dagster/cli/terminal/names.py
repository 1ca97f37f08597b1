"""The projects and days that lie on this disk, for the shell's completion: fast, and never an error."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from lse_dagster.cli.environment import load_settings
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from lse_dagster.settings import Settings

_DATE_LENGTH = len("2025-08-29")


def local_projects() -> list[str]:
    """The projects of `LSE_PROJECTS`, then those that have a folder in the data directory."""
    settings = _settings()
    if settings is None:
        return []
    from lse_dagster.day.names import project_of_path_part

    found = (project_of_path_part(path.name) for path in _entries(settings.data_dir) if path.is_dir())
    return list(dict.fromkeys([*settings.projects, *sorted(filter(None, found))]))


def local_dates(project: str | None) -> list[date]:
    """The days of a project (the first of `LSE_PROJECTS` by default) with a day folder or a zip, in order."""
    settings = _settings()
    if settings is None:
        return []
    project = project or next(iter(settings.projects), None)
    if project is None:
        return []
    return sorted({*_folder_dates(settings, project), *_zip_dates(settings, project)})


def _folder_dates(settings: "Settings", project: str) -> Iterator[date]:
    from lse_dagster.day.names import project_path_part

    for path in _entries(settings.data_dir / project_path_part(project)):
        yield from _read(path.name)


def _zip_dates(settings: "Settings", project: str) -> Iterator[date]:
    from lse_dagster.day.names import day_zip_name

    for path in _entries(settings.archives_dir):
        for day in _read(path.stem[-_DATE_LENGTH:]):
            if path.name == day_zip_name(project, day):
                yield day


def _read(text: str) -> Iterator[date]:
    from lse_dagster.run.times import InvalidDate, parse_date

    with suppress(InvalidDate):
        yield parse_date(text)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _settings() -> "Settings | None":
    try:
        return load_settings()
    except ArchiveError:
        return None
