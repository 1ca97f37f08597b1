"""The one set-up of the terminal: two consoles, and what may be drawn on them.

Rich honours NO_COLOR, TERM=dumb and the terminal's width; without a terminal nothing is coloured, moved or
wrapped, so that a log keeps whole lines.
"""

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_WITHOUT_TERMINAL = 200


def stdout() -> "Console":
    """What a command says: results, progress, plain log lines without a terminal."""
    return _console(error=False)


def stderr() -> "Console":
    """Errors and warnings."""
    return _console(error=True)


def can_ask() -> bool:
    """Whether someone is there to answer: both ends are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def can_draw() -> bool:
    """Whether bars can move on stdout."""
    return stdout().is_terminal and not stdout().is_dumb_terminal


def _console(*, error: bool) -> "Console":
    # Made anew each time, as the stream may have been replaced meanwhile. Imported here, because
    # `lse --help` must not pay for it.
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # a ✓ or a name that the terminal cannot show must end nothing
    width = None if stream.isatty() or "COLUMNS" in os.environ else _WIDTH_WITHOUT_TERMINAL
    return Console(file=stream, width=width, highlight=False, emoji=False)
