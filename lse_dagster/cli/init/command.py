"""`lse init`: asks for what `.env` needs, tests each answer at once, and writes the file at the very end."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lse_dagster.cli.terminal.console import can_ask, stdout
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lse_dagster.cli.init.answers import Answers

_ENV = Path(".env")
_TEMPLATE = Path(".env.example")
_OURS = re.compile(r"LANGSMITH_(API_KEY|ENDPOINT|WORKSPACE_ID)$|LSE_|GOOGLE_DRIVE_|DAGSTER_HOME$")
_OF_THE_SDK = {
    "LANGSMITH_API_KEY": "LANGCHAIN_API_KEY",
    "LANGSMITH_ENDPOINT": "LANGCHAIN_ENDPOINT",
    "LSE_PROJECTS": "LANGSMITH_PROJECT",
}
"""Which of the `langsmith` SDK's other variables say the same."""


class NobodyToAsk(ArchiveError):
    """There is no terminal."""

    def __init__(self) -> None:
        super().__init__(
            "Asking for what .env needs",
            "Without a terminal nobody can be asked.",
            "Run this in a terminal; or install -m 600 .env.example .env, and fill it in; then lse doctor.",
        )


@click.command()
@click.option("--no-test", is_flag=True, help="Ask neither LangSmith nor Drive whether an answer works.")
def init(no_test: bool) -> None:
    """Ask for what .env needs, test each answer at once, and write the file.

    What .env or the environment says already is offered: Enter takes it. Lines of a .env that is there stay
    as they are, but for what you answer anew; nothing is written before the last question. What you type as
    a key is not shown.

    Example: lse init
    """
    if not can_ask():
        raise NobodyToAsk
    from lse_dagster.cli.init.answers import Answers
    from lse_dagster.cli.init.env_file import read_variables
    from lse_dagster.cli.init.questions import ask_for_everything

    before = _read(_ENV)
    known = read_variables(before)
    stdout().print(f"Enter takes what stands in [brackets]. {_ENV.absolute()} is written at the very end.")
    answers = Answers(known, _offered(os.environ), tested=not no_test)
    try:
        drive_works = ask_for_everything(answers)
        _write(before, known, answers.to_write())
    except (KeyboardInterrupt, click.Abort):
        stdout().print()  # a question stands in this row
        raise KeyboardInterrupt(f"Interrupted. {_as_it_was()}") from None
    _say_what_is_next(answers, drive_works=drive_works)


def _offered(environment: "Mapping[str, str]") -> dict[str, str]:
    """Our variables, and the SDK's own, as far as they are set."""
    ours = {name: value for name, value in environment.items() if _OURS.match(name)}
    of_the_sdk = {name: environment.get(other, "") for name, other in _OF_THE_SDK.items()}
    return {**{name: value for name, value in of_the_sdk.items() if value}, **ours}


def _write(before: str, known: "Mapping[str, str]", answers: "Mapping[str, str]") -> None:
    """Raises `Declined`, `CannotWriteEnvFile`."""
    from lse_dagster.cli.init.env_file import with_variables, write_env_file

    changed = {name: value for name, value in answers.items() if known.get(name) != value}
    if not changed:
        stdout().print(f"Nothing is different from {_ENV.absolute()}.")
    elif _may_write(known, changed):
        text = before if _ENV.exists() else _read(_TEMPLATE)
        after = with_variables(text, changed)
        write_env_file(_ENV, after, variables=changed, before=text)
        stdout().print(f"Wrote {_ENV.absolute()} (mode 0600).")


def _read(path: Path) -> str:
    from lse_dagster.cli.environment import UnreadableEnvFile

    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableEnvFile(error) from error


def _may_write(known: "Mapping[str, str]", changed: "Mapping[str, str]") -> bool:
    """Asks only where a file is there. Raises `Declined`."""
    from lse_dagster.cli.terminal.errors import Declined

    if not _ENV.exists():
        return True
    stdout().print(f"New in {_ENV.absolute()}:")
    for name in changed:
        stdout().print(f"  {name}" + (" (changed)" if known.get(name) else " (added)"))
    if not click.confirm("Write it?", default=False):
        raise Declined(_as_it_was())
    return True


def _as_it_was() -> str:
    where = _ENV.absolute()
    return f"Nothing was written: {f'{where} is as it was' if _ENV.exists() else f'there is no {where}'}."


def _say_what_is_next(answers: "Answers", *, drive_works: bool) -> None:
    from lse_dagster.cli.init.drive_questions import has_token

    if answers.current("GOOGLE_DRIVE_AUTH_TYPE") == "oauth2" and not has_token(answers):
        command = "lse auth login"
    else:
        works = drive_works and not answers.settings().invalid
        command = "lse archive --date yesterday" if works else "lse doctor"
    stdout().print(f"Next: {command}")
