"""`lse init`: asks for what `.env` needs, tests each answer at once, and writes the file at the very end."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lse_dagster.cli.terminal.console import can_ask, say
from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENV = Path(".env")
_TEMPLATE = Path(".env.example")


class NobodyToAsk(ArchiveError):
    """There is no terminal."""

    def __init__(self) -> None:
        super().__init__(
            "Asking for what .env needs",
            "Without a terminal nobody can be asked.",
            "install -m 600 .env.example .env, and fill it in; then lse doctor.",
        )


@click.command()
def init() -> None:
    """Ask for what .env needs, test each answer at once, and write the file.

    Lines of a .env that is there stay as they are, but for what you answer anew; nothing is written before
    the last question. What you type as a key is not shown.

    Example: lse init
    """
    if not can_ask():
        raise NobodyToAsk
    from lse_dagster.cli.init.env_file import read_variables, with_variables, write_env_file
    from lse_dagster.cli.init.questions import ask_for_everything

    before = _read(_ENV)
    known = read_variables(before)
    say(f"Enter keeps what stands in [brackets]. Nothing is written to {_ENV.absolute()} before the end.")
    answers = ask_for_everything(known)
    changed = {name: value for name, value in answers.items() if known.get(name) != value}
    if not changed:
        say(f"Nothing is different from {_ENV.absolute()}.")
    elif _may_write(known, changed):
        text = before if _ENV.exists() else _read(_TEMPLATE)
        after = with_variables(text, changed)
        write_env_file(_ENV, after, variables=changed, before=text)
        say(f"Wrote {_ENV.absolute()} (mode 0600).")
    _say_what_is_next(answers)


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
    say(f"New in {_ENV.absolute()}:")
    for name in changed:
        say(f"  {name}" + (" (changed)" if known.get(name) else " (added)"))
    if not click.confirm("Write it?", default=False):
        raise Declined(f"{_ENV.absolute()} is as it was.")
    return True


def _say_what_is_next(answers: "Mapping[str, str]") -> None:
    if answers.get("GOOGLE_DRIVE_AUTH_TYPE") == "oauth2":
        say("Next: lse auth login, then lse doctor, then lse archive --date yesterday")
    else:
        say("Next: lse doctor, then lse archive --date yesterday")
