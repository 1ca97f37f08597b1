"""The one set-up of the terminal: two consoles, plain lines, and what may be drawn.

Nothing else writes to stdout or stderr: control characters in names and words of others are shown, not sent.
Rich honours NO_COLOR, TERM=dumb and the terminal's width; without a terminal nothing is coloured, moved or
wrapped, so that a log keeps whole lines.
"""

import io
import os
import sys
from typing import TYPE_CHECKING

import click

from lse_dagster.errors import printable

if TYPE_CHECKING:
    from lse_dagster.cli.terminal.rich_console import TerminalConsole

_WIDTH_WITHOUT_TERMINAL = 200


def stdout() -> "TerminalConsole":
    """What a command says: results, progress, plain log lines without a terminal."""
    return _console(error=False)


def stderr() -> "TerminalConsole":
    """Errors and warnings."""
    return _console(error=True)


def say(text: str, *, error: bool = False) -> None:
    """A line, or a document, as it is: never wrapped, coloured or read as markup. Needs no Rich."""
    click.echo(printable(text), err=error)


def can_ask() -> bool:
    """Whether someone is there to answer: both ends are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def can_draw() -> bool:
    """Whether bars can move on stdout."""
    return stdout().is_terminal and not stdout().is_dumb_terminal


def _console(*, error: bool) -> "TerminalConsole":
    # Made anew each time, as the stream may have been replaced meanwhile. Imported here, because
    # `lse --help` must not pay for it.
    from lse_dagster.cli.terminal.rich_console import TerminalConsole

    stream = sys.stderr if error else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # a ✓ or a name that the terminal cannot show must end nothing
    width = None if stream.isatty() or "COLUMNS" in os.environ else _WIDTH_WITHOUT_TERMINAL
    return TerminalConsole(file=stream, width=width, highlight=False, emoji=False, markup=False)
