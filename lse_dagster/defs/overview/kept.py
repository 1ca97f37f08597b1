"""What the last look at each project found, left for who tells of all of them: one query for hundreds."""

from collections.abc import Iterable

import dagster as dg

from lse_dagster.calendar.overview import Overview
from lse_dagster.day.names import project_path_part
from lse_dagster.defs.alerts.kept import keep, kept

_KEY = "lse/overview/"


def keep_overview(instance: dg.DagsterInstance, found: Overview) -> None:
    """Leave what a look found of its project until the next one."""
    keep(instance, _key(found.project), found)


def kept_overviews(instance: dg.DagsterInstance, projects: Iterable[str]) -> dict[str, Overview | None]:
    """What was found last of each project, in their order; None of one at which nobody has looked."""
    names = [*projects]
    found = kept(instance, {*map(_key, names)}, Overview)
    return {name: found.get(_key(name)) for name in names}


def _key(project: str) -> str:
    return _KEY + project_path_part(project)
