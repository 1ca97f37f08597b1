"""Looking at a project's days wherever they are: this disk, Drive, Dagster's results, LangSmith's counts.

Gathers, prints nothing. A place that does not answer is a `problem` and leaves its part unknown; it never
hides what the others say.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from lse_dagster.calendar.days import CalendarDay, CheckResults, DriveCopy, Findings
from lse_dagster.calendar.inventory import LocalDay, local_days
from lse_dagster.calendar.scope import early_start
from lse_dagster.errors import ArchiveError
from lse_dagster.run.times import utc_now

if TYPE_CHECKING:
    from lse_dagster.settings import Settings


@dataclass(frozen=True)
class Survey:
    """What was seen of several projects, by name, and what could not be looked at."""

    projects: Mapping[str, Findings]
    problems: tuple[ArchiveError, ...] = ()

    def early_start(self, start: date) -> ArchiveError | None:
        """What is said of a start date long before the archive, if all places were looked at."""
        found = [*self.projects.values()]
        if any(one.on_drive is None for one in found) or not found:
            return None
        began = min((one.known_days[0] for one in found if one.known_days), default=None)
        return early_start(start, began, found[0].rule, found[0].now)


def look_here(settings: "Settings", projects: Sequence[str]) -> Survey:
    """At this disk only, and by this machine's clock."""
    return Survey({name: _findings(settings, name) for name in projects}, tuple(_closed_places(settings)))


def _closed_places(settings: "Settings") -> Iterator[ArchiveError]:
    """Folders that are there and cannot be looked into: they would pass for empty ones."""
    places = {"LSE_DATA_DIR": settings.data_dir, "LSE_ARCHIVES_DIR": settings.archives_dir}
    for variable, path in places.items():
        try:
            os.scandir(path).close()
        except FileNotFoundError:
            continue
        except OSError as error:
            why = f"{path.absolute()}: {error.strerror}. What lies there is not shown."
            next_step = f"Run this as the user who archives, or set {variable} to another folder."
            yield ArchiveError(f"Looking into {variable}", why, next_step)


def _findings(settings: "Settings", project: str) -> Findings:
    here = local_days(settings.data_dir, settings.archives_dir, project)
    return Findings(here, utc_now(), settings.reconciliation)


def look_everywhere(settings: "Settings", projects: Sequence[str]) -> Survey:
    """At this disk, at Drive with one list for each project, and at Dagster's check results.

    By LangSmith's clock while it can be asked. That this machine's is wrong is a problem, too.
    """
    from lse_dagster.cli.environment import langsmith_clock

    clock = langsmith_clock(settings)
    now, here = clock.now(), look_here(settings, projects)
    problems = [*here.problems, *([wrong] if (wrong := clock.problem()) is not None else [])]
    on_drive: Mapping[str, Mapping[date, DriveCopy]] = {}
    checks: Mapping[str, Mapping[date, CheckResults]] = {}
    try:
        on_drive = drive_copies(settings, projects)
    except ArchiveError as error:
        problems.append(error)
    try:
        checks = _check_results(settings, {name: found.local for name, found in here.projects.items()})
    except ArchiveError as error:
        problems.append(error)
    return Survey(
        {
            name: replace(found, now=now, on_drive=on_drive.get(name), checks=checks.get(name))
            for name, found in here.projects.items()
        },
        tuple(problems),
    )


def look_at_days(
    settings: "Settings", project: str, days: Sequence[date], *, local_only: bool
) -> list[CalendarDay]:
    """At some days, for what works on day folders: Drive is asked only about days that have none.

    Of several projects of the name that of now comes last in each date. Raises Drive's errors.
    """
    found = _findings(settings, project)
    absent = any(day not in found.local or not found.local[day].has_folder for day in days)
    on_drive = drive_copies(settings, [project])[project] if absent and not local_only else None
    found = replace(found, on_drive=on_drive)
    return [one for day in days for one in reversed(found.each_day(day))]


def drive_copies(settings: "Settings", projects: Iterable[str]) -> dict[str, dict[date, DriveCopy]]:
    """The day zips of each project on Drive; none without GOOGLE_DRIVE_FOLDER_URL. Raises Drive's errors."""
    if settings.drive.folder_url is None:
        return {project: {} for project in projects}
    from lse_dagster.drive.archive import DriveArchive
    from lse_dagster.net.backoff import IN_PASSING
    from lse_dagster.steps.drive_copy import described_copies

    with DriveArchive.connect(settings.drive, backoff=IN_PASSING, timeout=30) as drive:
        return {project: described_copies(drive, project) for project in projects}


def langsmith_totals(
    settings: "Settings", project: str, days: Sequence[date], on_day: Callable[[], object]
) -> dict[date, int]:
    """LangSmith's count of each day now; `on_day` is called after each. Raises LangSmith's errors."""
    from lse_dagster.cli.environment import connect_langsmith
    from lse_dagster.langsmith.queries import count_runs
    from lse_dagster.langsmith.scope import started_in
    from lse_dagster.langsmith.server import project_id
    from lse_dagster.run.times import DayInterval

    totals = {}
    with connect_langsmith(settings, patience_seconds=60) as transport:
        found = project_id(transport, project)
        for day in days:
            totals[day] = count_runs(transport, started_in(found, DayInterval.of(day)))
            on_day()
    return totals


def _check_results(
    settings: "Settings", here: Mapping[str, Mapping[date, LocalDay]]
) -> Mapping[str, Mapping[date, CheckResults]]:
    """Nothing where Dagster has no home yet: then nobody has run a check."""
    from lse_dagster.cli.running.instance import dagster_home, open_instance

    if not dagster_home().exists():
        return {project: {} for project in here}
    from lse_dagster.defs.upkeep.check_results import latest_checks

    with open_instance() as instance:
        return latest_checks(instance, settings, here)
