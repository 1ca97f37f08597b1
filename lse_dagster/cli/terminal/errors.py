"""How a command ends: its exit codes, and an error as three lines on stderr (what, why, next).

`Commands` (group.py) catches everything; a command only raises. `--debug` adds the traceback.
"""

import traceback
from enum import IntEnum
from typing import Final

import click

from lse_dagster.cli.terminal.console import say, stderr
from lse_dagster.errors import ArchiveError, printable

REPORT_IT: Final = "Run the same command with --debug and report what it prints."
"""What to do about an error that nobody foresaw."""


class ExitCode(IntEnum):
    """What the shell is told."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DECLINED = 3
    NEEDS_ATTENTION = 4
    INTERRUPTED = 130


class Declined(Exception):
    """Every question was answered with no, so nothing was done. Its text says what was kept."""


class EndsWith(Exception):
    """What there is to say has been said; the command only has to end with the code."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__(code)
        self.code = code


class StepsFailed(EndsWith):
    """What failed has been shown already."""

    def __init__(self) -> None:
        super().__init__(ExitCode.FAILED)


class Unexpected(ArchiveError):
    """An error that nobody foresaw: a bug."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            "Something went wrong that should not",
            f"{type(error).__name__}: {error}",
            REPORT_IT,
        )


def exit_code_of(error: BaseException, *, debug: bool) -> ExitCode:
    """Print an error that ends a command, and say with which code. Click's own errors pass through."""
    if isinstance(error, click.ClickException):
        shown = _as_click_shows_it(error.format_message())
        error.format_message = lambda: shown  # type: ignore[method-assign]
    if isinstance(error, click.ClickException | click.exceptions.Exit | SystemExit):
        raise error
    if debug:
        say("".join(traceback.format_exception(error)).rstrip("\n"), error=True)
    match error:
        case Declined():
            stderr().print(str(error), markup=False, soft_wrap=True)
            return ExitCode.DECLINED
        case KeyboardInterrupt() | click.Abort():
            otherwise = "Interrupted. What was complete is kept; run the same command again to go on."
            stderr().print(str(error) or otherwise)
            return ExitCode.INTERRUPTED
        case EndsWith():
            return error.code
        case ArchiveError():
            print_error(error)
        case _:
            print_error(Unexpected(error))
    return ExitCode.FAILED


def _as_click_shows_it(message: str) -> str:
    """It repeats what was typed, and stands behind `Error: `."""
    from rich.text import Text

    begin = "Error: "
    return stderr().fitted(Text(begin + printable(message))).plain.removeprefix(begin)


def error_document(error: ArchiveError) -> dict[str, str]:
    """An error as every JSON document of a command holds it."""
    return {"what": error.what, "why": error.why, "next": error.next_step}


def print_error(error: ArchiveError) -> None:
    """Three lines on stderr."""
    from rich.text import Text  # `lse --help` must not pay for it

    for label, style, text in (
        ("Error:", "bold red", error.what),
        ("Why:", "bold", error.why),
        ("Next:", "bold", error.next_step),
    ):
        stderr().print(Text.assemble((f"{label:<6} ", style), " ".join(text.split())))
