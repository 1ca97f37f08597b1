"""Text of others as it may be shown: names and words of servers, files and runs can hold anything.

Every road out goes through here at its one place: the terminal (`cli/console.py`), errors (`errors.py`), the
verdicts and numbers of Dagster's checks and materializations, the webhook. What is archived stays.
"""

import re
from typing import Final

_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without line breaks and tabs, DEL, C1: they steer a terminal
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they turn what stands beside them around
    "\u2028\u2029"  # line ends that only some programs see
    "\ud800-\udfff]"  # halves of characters, which no stream takes
)


def printable(text: str) -> str:
    r"""The text; what steers, reorders or breaks a line is `\u001b` and the like, as JSON writes it, too."""
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
