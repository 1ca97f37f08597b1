"""Rows of a terminal that end between words.

A row that the next word does not fit into is filled up with blanks, and no line break is sent: the terminal
goes on in the next row by itself. What is copied from there is one line, so that a command over two rows is
pasted as one command. With a line break its first half would be run alone: `lse archive restore`, without
its dates.
"""

import re
from collections.abc import Iterator
from typing import Final

from rich.cells import cell_len
from rich.text import Text

_HANGING: Final = re.compile(r"(?:Error: |.{0,32}\s{2}(?=\S)|\s*)")
"""What later rows are moved in by: as far as the text of a line that begins with a label."""


def wrapped(text: Text, width: int) -> Text:
    """The text for a terminal of so many columns. A word longer than a row is left to the terminal."""
    lines = (Text("").join(_rows(line, width)) for line in text.split(allow_blank=True))
    return Text("\n").join(lines)


def _rows(line: Text, width: int) -> Iterator[Text]:
    if cell_len(line.plain) <= width:
        yield line
        return
    hanging = _HANGING.match(line.plain)
    indent = min(cell_len(hanging[0]) if hanging else 0, width // 2)
    column = 0
    for part in re.finditer(r"(\s*)(\S+)", line.plain):
        word = cell_len(part[2])
        if column == 0 or column + cell_len(part[0]) <= width or word > width:
            yield line[part.start() : part.end()]
            column += cell_len(part[0])
        else:
            # One at least, also after a full row: what is copied needs it.
            blanks = max(1, width - column + min(indent, width - word))
            yield Text(" " * blanks)
            yield line[part.start(2) : part.end()]
            column = blanks - (width - column) + word
        column = column if column <= width else column % width or width
