"""Rich's console as all commands use it: no text of others steers the terminal or is read as markup.

On a terminal no row ends inside a word, also of a table that is too wide for it; elsewhere lines are whole.
"""

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from lse_dagster.cli.terminal.wrapping import wrapped
from lse_dagster.errors import printable

_AMPLE: Final = 1_000
"""Columns that no table needs."""


class TerminalConsole(Console):
    """Shows control characters instead of sending them; Rich's own sequences, which move bars, pass."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Everything that is printed comes through here, whatever it is made of."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))

    def print(self, *objects: Any, sep: str = " ", **options: Any) -> None:
        """Rows of texts and tables break between words, whatever `soft_wrap` says. Bars are Rich's own."""
        options["soft_wrap"] = True
        if objects and all(isinstance(one, str | Text | Table) for one in objects):
            parts = (self._lines_of(one) if isinstance(one, Table) else _text(one) for one in objects)
            objects = (self.fitted(Text(sep).join(parts)),)
        super().print(*objects, **options)

    def fitted(self, text: Text) -> Text:
        """The text as a terminal of this width needs it; any other text is as it was."""
        return wrapped(text, self.width) if self.is_terminal and not self.is_dumb_terminal else text

    def _lines_of(self, table: Table) -> Text:
        """The last column wraps, where that helps; Rich would break the words of all to fit a table in."""
        ample = self.options.update_width(_AMPLE)
        for column in table.columns[:-1]:
            cells = (Measurement.get(self, ample, cell) for cell in (column.header, *column.cells))
            column.no_wrap, column.min_width = True, max(cell.maximum for cell in cells)
        measured = Measurement.get(self, ample, table)
        fits = self.is_terminal and measured.minimum <= self.width
        widest = self.width if fits else max(self.width, measured.maximum)
        lines = self.render_lines(table, self.options.update_width(widest), pad=False)
        texts = (Text.assemble(*((segment.text, segment.style or "") for segment in line)) for line in lines)
        return Text("\n").join(texts)


def _text(value: str | Text) -> Text:
    shown = printable(str(value))
    return value if isinstance(value, Text) and value.plain == shown else Text(shown)
