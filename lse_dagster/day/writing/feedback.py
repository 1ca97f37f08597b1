"""The feedback records of a day, on disk until the traces are written: often more than runs."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from lse_dagster.day.disk import private_database, sqlite_as_os_error
from lse_dagster.run.feedback import FeedbackRecord

_CACHE_KIB: Final = 4096
_TABLE: Final = """
    CREATE TABLE feedback (run_id TEXT, key TEXT, raw BLOB, PRIMARY KEY (run_id, key)) WITHOUT ROWID
"""


class FeedbackSpool:
    """For any number of threads. A record that comes twice counts once, as it came last."""

    def __init__(self, path: Path) -> None:
        """A new spool in place of what lies there. Raises `OSError`."""
        self._database = private_database(path, _TABLE, cache_kib=_CACHE_KIB)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        count: int = self._ask("SELECT count(*) FROM feedback")[0][0]
        return count

    def add(self, records: Iterable[FeedbackRecord]) -> None:
        """Keep records. Raises `OSError`."""
        with self._lock, sqlite_as_os_error("written"):
            self._database.executemany("INSERT OR REPLACE INTO feedback VALUES (?, ?, ?)", records)

    def of_run(self, run_id: str) -> list[bytes]:
        """The records of a run, sorted by their keys. Raises `OSError`."""
        return [raw for (raw,) in self._ask("SELECT raw FROM feedback WHERE run_id = ? ORDER BY key", run_id)]

    def close(self) -> None:
        """Close the file; who owns its folder removes it."""
        self._database.close()

    def _ask(self, query: str, *parameters: str) -> list[Any]:
        with self._lock, sqlite_as_os_error("read"):
            return self._database.execute(query, parameters).fetchall()
