"""The `lse` commands that errors, messages and reports suggest, each as it may be pasted: written here alone.

So none forgets the project, which is another one than the reader's default as often as not. And the names
that somebody may have meant.
"""

import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_MOST_NAMES: Final = 3


def lse_command(
    command: str, project: str, dates: object = None, *, default: str | None = None, project_id: str = ""
) -> str:
    """`lse <command>` for a project, and the days `dates`: one, or `A..B`.

    `default` is the project that the reader's command means by itself; who does not know it names the project
    always. `project_id` is LangSmith's, where several projects had one name.
    """
    words = ["lse", command]
    words += ["--date", str(dates)] if dates is not None else []
    words += ["--project", shlex.quote(project)] if project != default else []
    words += ["--project-id", shlex.quote(project_id)] if project_id else []
    return " ".join(words)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question with the known names that are like this one, capitals apart; empty where none is."""
    folded = {one.casefold(): one for one in reversed(list(known))}
    close = [repr(folded[one]) for one in get_close_matches(name.casefold(), folded, _MOST_NAMES)]
    return f"Did you mean {' or '.join(close)}? " if close else ""
