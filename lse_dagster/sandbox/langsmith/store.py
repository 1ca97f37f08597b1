"""The SQLite file behind the LangSmith server: projects, runs, attachments, feedback.

A run is the JSON object that the client sent, piece by piece (`msgspec.Raw`), so numbers and key order
survive exactly; what queries need stands beside it in columns. Used on the server's event loop only.
"""

import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lse_dagster.sandbox.langsmith import times
from lse_dagster.sandbox.langsmith.run import Document, RunColumns, columns_of, merged

_SCHEMA = """
CREATE TABLE IF NOT EXISTS projects (
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_us INTEGER NOT NULL, doc BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
  id TEXT PRIMARY KEY, project_id TEXT, trace_id TEXT, parent_id TEXT, is_root INTEGER,
  posted INTEGER NOT NULL, name TEXT, run_type TEXT, status TEXT, error TEXT, tags TEXT,
  start_us INTEGER, end_us INTEGER, latency REAL, dotted_order TEXT,
  received_us INTEGER NOT NULL, doc BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS runs_by_start ON runs (project_id, start_us, id);
CREATE INDEX IF NOT EXISTS runs_by_trace ON runs (trace_id);
CREATE TABLE IF NOT EXISTS attachments (
  run_id TEXT NOT NULL, name TEXT NOT NULL, mime_type TEXT NOT NULL, content BLOB NOT NULL,
  PRIMARY KEY (run_id, name));
CREATE TABLE IF NOT EXISTS feedback (
  id TEXT PRIMARY KEY, run_id TEXT, trace_id TEXT, project_id TEXT, key TEXT NOT NULL,
  created_us INTEGER NOT NULL, doc BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS feedback_by_run ON feedback (run_id);
"""


class Store:
    """One open database. Writes happen inside `with store.transaction:`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The app is made in one thread and served in another, but never used by two at a time.
        self.transaction = sqlite3.connect(path, check_same_thread=False)
        self.transaction.execute("PRAGMA journal_mode = WAL")
        self.transaction.execute("PRAGMA synchronous = NORMAL")
        self.transaction.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database."""
        self.transaction.close()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.transaction.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query."""
        found: tuple[Any, ...] | None = self.transaction.execute(sql, parameters).fetchone()
        return found

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement; the number of rows it changed."""
        return self.transaction.execute(sql, parameters).rowcount

    def project_id(self, name: str) -> str:
        """The id of the project with this name, made on demand as tracing does."""
        found = self.row("SELECT id FROM projects WHERE name = ?", [name])
        return found[0] if found else self.create_project(name)

    def create_project(self, name: str, *, project_id: str | None = None, doc: bytes = b"{}") -> str:
        """Add a project; raises sqlite3.IntegrityError if the name is taken."""
        new_id = project_id or str(uuid.uuid4())
        self.execute("INSERT INTO projects VALUES (?, ?, ?, ?)", [new_id, name, times.now(), doc])
        return new_id

    def post_run(self, run_id: str, posted: Document) -> None:
        """A run as it starts. A patch that came first, or an earlier copy of this post, keeps its values."""
        existing = self._document(run_id)
        document = posted if existing is None else merged(posted, existing)
        self._put_run(run_id, document, posted=True)

    def patch_run(self, run_id: str, patch: Document) -> None:
        """Later news of a run. Without its post it waits, unseen by queries."""
        existing = self._document(run_id)
        found = self.row("SELECT posted FROM runs WHERE id = ?", [run_id])
        document = patch if existing is None else merged(existing, patch)
        self._put_run(run_id, document, posted=bool(found and found[0]))

    def put_attachment(self, run_id: str, name: str, mime_type: str, content: bytes) -> None:
        """Keep a file of a run."""
        self.execute(
            "INSERT OR REPLACE INTO attachments VALUES (?, ?, ?, ?)", [run_id, name, mime_type, content]
        )

    def put_feedback(self, feedback_id: str, document: Document) -> None:
        """Keep a feedback record; a second one with the same id replaces the first."""
        keys = msgspec.convert(
            {name: msgspec.json.decode(value) for name, value in document.items() if name in _FEEDBACK_KEYS},
            _FeedbackKeys,
        )
        run = self.row("SELECT project_id, trace_id FROM runs WHERE id = ?", [keys.run_id or keys.trace_id])
        project_id = keys.session_id or (run[0] if run else None)
        created = times.parse_time(keys.created_at) if keys.created_at else times.now()
        self.execute(
            "INSERT OR REPLACE INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                feedback_id,
                keys.run_id or keys.trace_id,
                keys.trace_id or (run[1] if run else None),
                project_id,
                keys.key,
                created,
                msgspec.json.encode(document),
            ],
        )

    def delete_runs(self, run_ids: Iterable[str]) -> None:
        """Remove runs and what hangs on them, as LangSmith's retention does."""
        for run_id in run_ids:
            self.execute("DELETE FROM runs WHERE id = ?", [run_id])
            self.execute("DELETE FROM attachments WHERE run_id = ?", [run_id])
            self.execute("DELETE FROM feedback WHERE run_id = ?", [run_id])

    def _document(self, run_id: str) -> Document | None:
        found = self.row("SELECT doc FROM runs WHERE id = ?", [run_id])
        return msgspec.json.decode(found[0], type=Document) if found else None

    def _put_run(self, run_id: str, document: Document, *, posted: bool) -> None:
        columns: RunColumns = columns_of(run_id, document)
        project_id = columns.session_id
        if project_id is None and (posted or columns.session_name is not None):
            project_id = self.project_id(columns.session_name or "default")
        self.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET project_id = COALESCE(excluded.project_id, project_id),"
            " trace_id = excluded.trace_id, parent_id = excluded.parent_id, is_root = excluded.is_root,"
            " posted = excluded.posted, name = excluded.name, run_type = excluded.run_type,"
            " status = excluded.status, error = excluded.error, tags = excluded.tags,"
            " start_us = excluded.start_us, end_us = excluded.end_us, latency = excluded.latency,"
            " dotted_order = excluded.dotted_order, doc = excluded.doc",
            [
                run_id,
                project_id,
                columns.trace_id,
                columns.parent_run_id,
                columns.parent_run_id is None,
                posted and columns.start_us is not None,
                columns.name,
                columns.run_type,
                columns.status,
                columns.error,
                msgspec.json.encode(columns.tags).decode(),
                columns.start_us,
                columns.end_us,
                columns.latency,
                columns.dotted_order,
                times.now(),
                msgspec.json.encode(document),
            ],
        )


class _FeedbackKeys(msgspec.Struct):
    key: str
    run_id: str | None = None
    trace_id: str | None = None
    session_id: str | None = None
    created_at: str | None = None


_FEEDBACK_KEYS = set(_FeedbackKeys.__struct_fields__)
