"""Which projects a command is about; and work on several: all are done, the worst code ends the command."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from lse_dagster.cli.terminal.errors import EndsWith, ExitCode, exit_code_of
from lse_dagster.cli.terminal.group import debug_wanted

if TYPE_CHECKING:
    from lse_dagster.settings import Settings

_FROM_BAD_TO_GOOD = (ExitCode.FAILED, ExitCode.DECLINED, ExitCode.NEEDS_ATTENTION, ExitCode.DONE)


def choose_project(settings: "Settings", name: str | None) -> "tuple[str, Settings]":
    """One project, and settings whose definitions have it: as `choose_projects`."""
    (chosen,), settings = choose_projects(settings, () if name is None else (name,))
    return chosen, settings


def choose_projects(
    settings: "Settings", names: Sequence[str], *, every: bool = False
) -> "tuple[tuple[str, ...], Settings]":
    """The projects' names, each once, and settings whose definitions have them.

    The named ones; else `every` one of LSE_PROJECTS, or the first. One that is not configured is added last:
    its events lie where they will when it is configured.

    Raises `MissingSetting`, and `ImpossibleProject` for a name that no definitions can have.
    """
    if every and names:
        raise click.UsageError("Give --project or --all-projects, not both.")
    if not (names or settings.projects):
        from lse_dagster.settings import no_project

        raise no_project()
    chosen = tuple(dict.fromkeys(names or (settings.projects if every else settings.projects[:1])))
    settings = dataclasses.replace(settings, projects=tuple(dict.fromkeys((*settings.projects, *chosen))))
    for impossible in settings.impossible_projects():
        if impossible.name in chosen:
            raise impossible
    return chosen, settings


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
