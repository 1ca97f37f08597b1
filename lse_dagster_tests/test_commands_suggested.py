"""Every `lse` command that a text suggests works on the project that the text is about, as it is pasted."""

import re
import shlex
from typing import Any, Final

import click
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.advice import lse_command
from lse_dagster.cli import main
from lse_dagster.cli.status.report import _COMMANDS as STATUS_COMMANDS
from lse_dagster.defs.check_table import CHECKS
from lse_dagster_tests.test_advice import PACKAGE, modules, texts

SUGGESTED: Final = sorted(
    {"archive", "archive fetch", "archive restore", "archive upload", "archive zip", "verify"}
    | set(STATUS_COMMANDS.values())
    | {check.repair for check in CHECKS if check.repair}
)
OF_A_PROJECT: Final = re.compile(r"\blse (archive|verify|migrate|free)\b(?!.*--project)")
REVIEWED: Final = {
    "One line of JSON per day: see `lse archive --help`.": "a manual",
    "lse dev or lse archive makes it.": "of a Dagster home, whichever project",
    "  Next: lse archive --date yesterday{}": "of all projects",
    "lse archive --date yesterday": "of a new `.env`",
}
"""Texts that name a command, and why they need no project."""


def understood(line: str) -> dict[str, Any]:
    """The options that `lse` reads in a line that was pasted into a shell."""
    program, *words = shlex.split(line)
    assert program == "lse"
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    return command.make_context(None, words, resilient_parsing=False).params


@given(
    command=st.sampled_from(SUGGESTED),
    project=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1),
)
def test_a_suggested_command_means_the_project_whatever_its_name_is(command: str, project: str) -> None:
    if not project.strip():
        return  # no project has such a name
    named = understood(lse_command(command, project, "2025-08-01..2025-08-29", default="another"))
    default = understood(lse_command(command, project, "2025-08-29", default=project))

    assert named["projects"] == (project,)
    assert str(named["dates"]) == "2025-08-01..2025-08-29"
    assert default["projects"] == ()


def test_no_text_writes_such_a_command_by_itself() -> None:
    by_hand = {
        f"{path.relative_to(PACKAGE)}: {text}"
        for path in modules()
        for text in texts(path)
        if OF_A_PROJECT.search(" ".join(text.split())) and text not in REVIEWED
    }

    assert by_hand == set()
