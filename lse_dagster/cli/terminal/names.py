"""The projects and days that lie on this disk, for the shell's completion: fast, and never an error."""

import os
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from lse_dagster.cli.environment import load_settings
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from lse_dagster.settings import Settings


def local_projects() -> list[str]:
    """The projects of `LSE_PROJECTS`, then those that have a folder in the data directory."""
    settings = _settings()
    if settings is None:
        return []
    from lse_dagster.day.identity import scan
    from lse_dagster.day.names import project_of_path_part

    found = (project for project, _ in scan(settings.data_dir, project_of_path_part, os.DirEntry.is_dir))
    return list(dict.fromkeys([*settings.projects, *sorted(filter(None, found))]))


def local_dates(project: str | None) -> list[date]:
    """The days of a project (the first of `LSE_PROJECTS` by default) with a day folder or a zip, in order."""
    settings = _settings()
    if settings is None:
        return []
    project = project or next(iter(settings.projects), None)
    if project is None:
        return []
    from lse_dagster.day.identity import scan
    from lse_dagster.day.names import parse_day_name, parse_day_zip_name, project_path_part

    folders = scan(settings.data_dir / project_path_part(project), parse_day_name)
    zips = scan(settings.archives_dir, partial(parse_day_zip_name, project))
    return sorted({day for (day, _), _ in (*folders, *zips)})


def _settings() -> "Settings | None":
    try:
        return load_settings()
    except ArchiveError:
        return None
