"""What Dagster's databases are asked: on PostgreSQL each question is a connection of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy


@contextmanager
def queries() -> Iterator[list[str]]:
    """What the databases of this process are asked meanwhile."""
    asked: list[str] = []

    def note(*event: object) -> None:
        asked.append(str(event[2]))

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)
