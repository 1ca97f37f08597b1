"""The options that several commands share, `--project` among them; `--debug` is in group.py."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from lse_dagster.cli.terminal.dates import PastDates
from lse_dagster.cli.terminal.names import local_projects

_Command = TypeVar("_Command", bound=Callable[..., Any])

date_option = click.option(
    "--date",
    "dates",
    type=PastDates(),
    required=True,
    help="A UTC day (YYYY-MM-DD or `yesterday`), a month (2025-08), or a range A..B.",
)

force_option = click.option(
    "--force",
    is_flag=True,
    help="Ask nothing and replace whatever is there, even if runs are lost by it.",
)

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Only say what would become of each day; ask and do nothing."
)

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One line of JSON per day: see `lse archive --help`.",
)

quiet_option = click.option("--quiet", is_flag=True, help="Say nothing but errors.")


class ProjectName(click.ParamType[str]):
    """A LangSmith project, capitals count."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Any name but an empty one."""
        text = str(value)
        if not text.strip():
            self.fail("A project has a name: write --project my-project.", param, ctx)
        if not _is_unicode(text):
            self.fail(f"{text!r} is no UTF-8, as the names of all projects are.", param, ctx)
        return text

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The projects of `LSE_PROJECTS` and those on this disk."""
        return [CompletionItem(name) for name in local_projects() if name.startswith(incomplete)]


def _is_unicode(text: str) -> bool:
    """Whether every byte that was typed is part of a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


project_option = click.option(
    "--project",
    type=ProjectName(),
    help="Any project that LangSmith has. Default: the first of LSE_PROJECTS.",
)


def projects_option(command: _Command) -> _Command:
    """`--project` as often as one likes, or `--all-projects`; `terminal.projects` says which those are."""
    one = click.option(
        "--project",
        "projects",
        type=ProjectName(),
        multiple=True,
        help="Any project that LangSmith has; may be given several times. Default: the first of "
        "LSE_PROJECTS.",
    )
    every = click.option("--all-projects", is_flag=True, help="Every project of LSE_PROJECTS.")
    return one(every(command))
