"""Dagster's SQLite storages as they are, without the work that they do again for each access.

Each access makes a new SQLAlchemy engine, which compiles every statement anew, and whenever a storage is
opened all of Dagster's migrations are read from disk: two fifths of what a test that runs `lse` does. Here
the engines and the list of migrations are kept. Connections are not; what is written and read is the same.
"""

from functools import lru_cache
from typing import Any

import sqlalchemy
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage

STORAGES = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)


def keep_what_storages_make() -> None:
    """For all instances of this process."""
    for module in STORAGES:
        module.create_engine = _create_engine  # type: ignore[attr-defined]
    ScriptDirectory.from_config = lru_cache(ScriptDirectory.from_config)  # type: ignore[method-assign]


def _create_engine(
    url: str, *, connect_args: dict[str, Any] | None = None, **options: Any
) -> sqlalchemy.Engine:
    return _kept(url, tuple((connect_args or {}).items()), **options)


@lru_cache(maxsize=32)
def _kept(url: str, connect_args: tuple[tuple[str, Any], ...], **options: Any) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url, connect_args=dict(connect_args), **options)
