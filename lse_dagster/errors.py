"""The base of every error a person sees: what failed, why, and what to do next; and text as it may be shown.

One subclass per cause lives in the room that raises it. Dagster shows the three parts as a
`Failure`, the command line as three lines on stderr.
"""

import re
from collections.abc import Callable
from typing import ClassVar, Final

_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without line breaks and tabs, DEL, C1: they steer a terminal
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they turn what stands beside them around
    "\u2028\u2029"  # line ends that only some programs see
    "\ud800-\udfff]"  # halves of characters, which no stream takes
)


def printable(text: str) -> str:
    r"""The text; what steers, reorders or breaks a line is `\u001b` and the like, as JSON writes it, too."""
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class ArchiveError(Exception):
    """An error in three parts. None of them may hold a secret: they are logged, stored and shown.

    `what` names the project, the date and the step as far as they are known; `why` is the cause in the
    server's words, shortened; `next_step` is the exact command to run or variable to set.
    """

    transient: ClassVar[bool] = False
    """Whether the same call may succeed later without anyone changing anything."""

    def __init__(self, what: str, why: str, next_step: str) -> None:
        # Names and servers' words are in them.
        self.what, self.why, self.next_step = map(printable, (what, why, next_step))
        super().__init__(self.what, self.why, self.next_step)

    def __str__(self) -> str:
        return f"{self.what}: {self.why} Next: {self.next_step}"


OnRetry = Callable[[ArchiveError, float], object]
"""Told why a request failed, and in how many seconds it is sent again. From any thread."""


def without_a_word(error: ArchiveError, seconds: float) -> None:
    """For who does not want to be told of retries."""
