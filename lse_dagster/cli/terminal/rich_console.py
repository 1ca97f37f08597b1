"""Rich's console as all commands use it: no text of others steers the terminal or is read as markup."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lse_dagster.errors import printable


class TerminalConsole(Console):
    """Shows control characters instead of sending them; Rich's own sequences, which move bars, pass."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Everything that is printed comes through here, whatever it is made of."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))
