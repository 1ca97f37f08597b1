"""Which projects a command is about; and work on several: all are done, the worst code ends the command."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import click

from lse_dagster.advice import did_you_mean
from lse_dagster.cli.environment import connect_langsmith
from lse_dagster.cli.terminal.errors import EndsWith, ExitCode, exit_code_of
from lse_dagster.cli.terminal.group import debug_wanted
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from lse_dagster.settings import Settings

_FROM_BAD_TO_GOOD = (ExitCode.FAILED, ExitCode.DECLINED, ExitCode.NEEDS_ATTENTION, ExitCode.DONE)


class UnknownProject(ArchiveError):
    """A project that was named is nowhere: most likely it is misspelled."""

    def __init__(self, project: str, why: str, known: Iterable[str]) -> None:
        super().__init__(
            f"Looking for the project {project!r}",
            f"LSE_PROJECTS does not name it, no day of it is on this disk{why}",
            f"{did_you_mean(project, known)}Check the spelling; capitals count.",
        )


def choose_project(
    settings: "Settings", name: str | None, *, must_exist: bool = True
) -> "tuple[str, Settings]":
    """One project, and settings whose definitions have it: as `choose_projects`."""
    names = () if name is None else (name,)
    (chosen,), settings = choose_projects(settings, names, must_exist=must_exist)
    return chosen, settings


def choose_projects(
    settings: "Settings",
    names: Sequence[str],
    *,
    every: bool = False,
    local_only: bool = False,
    must_exist: bool = True,
) -> "tuple[tuple[str, ...], Settings]":
    """The projects' names, each once, and settings whose definitions have them.

    The named ones; else `every` one of LSE_PROJECTS, or the first. One that is not configured is added last:
    its events lie where they will when it is configured. So it must be somewhere: here, on LangSmith or on
    Drive, which are not asked if `local_only`; unless who asks knows it from elsewhere (`must_exist`).

    Raises `MissingSetting`, `ImpossibleProject` for a name that no definitions can have, `UnknownProject`.
    """
    if every and names:
        raise click.UsageError("Give --project or --all-projects, not both.")
    if not (names or settings.projects):
        from lse_dagster.settings import no_project

        raise no_project()
    chosen = tuple(dict.fromkeys(names or (settings.projects if every else settings.projects[:1])))
    with_them = dataclasses.replace(settings, projects=tuple(dict.fromkeys((*settings.projects, *chosen))))
    for impossible in with_them.impossible_projects():
        if impossible.name in chosen:
            raise impossible
    for name in chosen if must_exist else ():
        if name not in settings.projects:
            _expect_somewhere(settings, name, local_only=local_only)
    return chosen, with_them


def expect_on_langsmith(settings: "Settings", project: str) -> None:
    """Raises `ProjectNotFound` of one that has no day here yet; that LangSmith is silent, its fetch tells."""
    from lse_dagster.calendar.inventory import local_days
    from lse_dagster.langsmith.errors import ProjectNotFound
    from lse_dagster.langsmith.server import find_project

    if local_days(settings.data_dir, settings.archives_dir, project):
        return
    try:
        with connect_langsmith(settings, patience_seconds=1) as transport:
            find_project(transport, project)
    except ProjectNotFound:
        raise
    except ArchiveError:
        return


def _expect_somewhere(settings: "Settings", project: str, *, local_only: bool) -> None:
    """Nothing may be defined or launched under a misspelled name. Raises `UnknownProject`."""
    from lse_dagster.calendar.inventory import local_days, projects_here
    from lse_dagster.langsmith.errors import ProjectNotFound
    from lse_dagster.langsmith.server import find_project

    if local_days(settings.data_dir, settings.archives_dir, project):
        return
    known = [*settings.projects, *projects_here(settings.data_dir, settings.archives_dir)]
    if local_only:
        raise UnknownProject(project, ", and nobody else was asked.", known)
    try:
        with connect_langsmith(settings) as transport:
            find_project(transport, project)
            return
    except ProjectNotFound as error:
        why, known = ", and LangSmith has no project of this name.", [*known, *error.there]
    except ArchiveError as error:
        why = f", and LangSmith could not be asked: {error.why}"
    if not _is_on_drive(settings, project):
        raise UnknownProject(project, why, known)


def _is_on_drive(settings: "Settings", project: str) -> bool:
    """Whether Drive has a day of it, as far as can be seen: of one that was deleted nothing else is left."""
    from lse_dagster.drive.archive import DriveArchive
    from lse_dagster.net.backoff import IN_PASSING
    from lse_dagster.steps.drive_copy import list_copies

    try:
        with DriveArchive.connect(settings.drive, backoff=IN_PASSING) as drive:
            return bool(list_copies(drive, project))
    except ArchiveError:
        return False


def on_each(prepare: Sequence[Callable[[], Callable[[], object]]]) -> None:
    """Prepare the work of every project, then do it, in order.

    Who is asked anything is asked before any work begins. What fails one project keeps no other from its
    turn: it is printed, and the command ends with the worst of the codes. An interrupt ends it at once.
    """
    codes = [ExitCode.DONE]

    def attempt(step: Callable[[], object]) -> object:
        try:
            return step()
        except (KeyboardInterrupt, click.ClickException, click.Abort):
            raise
        except Exception as error:
            if len(prepare) == 1:
                raise
            codes.append(exit_code_of(error, debug=debug_wanted()))
            return None

    for work in [attempt(one) for one in prepare]:
        if callable(work):
            attempt(work)
    if (worst := min(codes, key=_FROM_BAD_TO_GOOD.index)) is not ExitCode.DONE:
        raise EndsWith(worst)
