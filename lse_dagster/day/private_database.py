"""A SQLite file of one process: nobody else reads it, and a crash makes it worthless."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def private_database(path: Path | None, tables: str, *, cache_kib: int) -> sqlite3.Connection:
    """A new database in place of what lies there; without a path a temporary one.

    What it holds beyond the cache is on disk. Any thread may use it, one at a time. Raises `OSError`.
    """
    if path is not None:
        path.unlink(missing_ok=True)
    with sqlite_as_os_error("made"):
        connection = sqlite3.connect(path or "", isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        connection.executescript(tables)
        connection.execute("BEGIN")  # never committed
    return connection


@contextmanager
def sqlite_as_os_error(what: str) -> Iterator[None]:
    """Raise SQLite's errors, most of them of the disk, as `OSError`: it cannot be made, written, used."""
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(errno.EIO, f"a temporary database cannot be {what}: {error}") from error
