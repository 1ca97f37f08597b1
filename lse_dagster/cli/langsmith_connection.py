"""LangSmith as the settings say, for commands that do not go through Dagster: somebody waits."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lse_dagster.langsmith.transport import Transport
    from lse_dagster.settings import Settings

_READ_SECONDS = 10.0


def connect_langsmith(settings: "Settings", *, patience_seconds: float = 10.0) -> "Transport":
    """A connection, to be used as a context manager. Raises `MissingApiKey`."""
    from lse_dagster.langsmith.transport import Transport

    return Transport(settings.langsmith(patience=patience_seconds, read_timeout=_READ_SECONDS))
