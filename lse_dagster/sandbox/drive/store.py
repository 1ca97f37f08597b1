"""The state of the sandbox's Drive on disk: one SQLite database and a folder of contents.

A content file is written under its revision's id before any row mentions it, so a killed server leaves at
most an unused file. Content of an unfinished upload is simply the file's length: no bookkeeping can disagree.
"""

import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from starlette.background import BackgroundTask
from starlette.responses import Response

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS grants (realm TEXT, email TEXT, role TEXT, PRIMARY KEY (realm, email));
CREATE TABLE IF NOT EXISTS files (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, name TEXT NOT NULL,
  folded_name TEXT NOT NULL, mime_type TEXT NOT NULL, parent TEXT, drive_id TEXT, realm TEXT NOT NULL,
  owner TEXT NOT NULL, app TEXT NOT NULL, created_time TEXT NOT NULL, modified_time TEXT NOT NULL,
  explicitly_trashed INTEGER NOT NULL DEFAULT 0, trashed INTEGER NOT NULL DEFAULT 0,
  starred INTEGER NOT NULL DEFAULT 0, description TEXT, original_name TEXT, modified_by TEXT NOT NULL,
  revision TEXT, size INTEGER, md5 TEXT, sha1 TEXT, sha256 TEXT,
  version INTEGER NOT NULL DEFAULT 1, unlisted INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS files_by_name ON files (parent, folded_name);
CREATE INDEX IF NOT EXISTS files_unlisted ON files (unlisted) WHERE unlisted > 0;
CREATE TABLE IF NOT EXISTS properties (
  file_id TEXT, app TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (file_id, app, key));
CREATE TABLE IF NOT EXISTS revisions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, file_id TEXT NOT NULL,
  mime_type TEXT NOT NULL, original_name TEXT, modified_time TEXT NOT NULL, modified_by TEXT NOT NULL,
  size INTEGER NOT NULL, md5 TEXT NOT NULL, sha1 TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS revisions_by_file ON revisions (file_id);
CREATE TABLE IF NOT EXISTS ids (id TEXT PRIMARY KEY, used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY, revision TEXT NOT NULL, file_id TEXT, metadata TEXT NOT NULL, params TEXT NOT NULL,
  email TEXT NOT NULL, app TEXT NOT NULL, scopes TEXT NOT NULL, mime_type TEXT NOT NULL, length INTEGER,
  state TEXT NOT NULL, gone INTEGER, result TEXT);
CREATE TABLE IF NOT EXISTS access_tokens (
  token TEXT PRIMARY KEY, email TEXT NOT NULL, app TEXT NOT NULL, scopes TEXT NOT NULL, expires REAL,
  refresh_token TEXT);
CREATE TABLE IF NOT EXISTS refresh_tokens (
  token TEXT PRIMARY KEY, email TEXT NOT NULL, app TEXT NOT NULL, scopes TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS codes (
  code TEXT PRIMARY KEY, redirect_uri TEXT NOT NULL, challenge TEXT NOT NULL, scopes TEXT NOT NULL,
  offline INTEGER NOT NULL, expires REAL NOT NULL);
"""


class Store:
    """The database and the contents. One connection and one lock: transactions here take microseconds."""

    def __init__(self, directory: Path) -> None:
        home = directory / "drive"
        self._contents = home / "contents"
        self._contents.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            home / "drive.sqlite3", isolation_level=None, check_same_thread=False, timeout=30
        )
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.create_function("name_contains", 2, name_contains, deterministic=True)
        with self.transaction() as db:
            # Statement by statement: executescript would commit in the middle.
            for statement in _SCHEMA.split(";\n"):
                db.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, one at a time. Never hold it while waiting for a client."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def content(self, revision: str) -> Path:
        """Where the content of a revision is, or will be."""
        return self._contents / revision

    def removal(self, revisions: Iterable[str]) -> Response:
        """The answer to a delete. Contents go after the answer, so only once the deletion is stored."""
        paths = [self.content(revision) for revision in revisions]
        return Response(status_code=204, background=BackgroundTask(_unlink, paths))

    def remove_unused_contents(self) -> None:
        """Remove what uploads left behind that a killed server never finished."""
        with self.transaction() as db:
            rows = db.execute(
                "SELECT id FROM revisions UNION SELECT revision FROM sessions WHERE state = 'open'"
            )
            used = {row[0] for row in rows}
        for path in self._contents.iterdir():
            if path.name not in used:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def name_contains(name: str, wanted: str) -> bool:
    """Drive's `contains` on names: whole words and at the end a prefix of one, never the inside of a word."""
    words, parts = _words(name), _words(wanted)
    if not parts:
        return False
    *whole, last = parts
    return any(
        words[at : at + len(whole)] == whole and words[at + len(whole)].startswith(last)
        for at in range(len(words) - len(whole))
    )


def _words(text: str) -> list[str]:
    return "".join(char if char.isalnum() or char == "_" else " " for char in text.casefold()).split()


def new_id() -> str:
    """A file id as Drive makes them: 33 URL-safe characters."""
    return "1" + secrets.token_urlsafe(24)


def now() -> str:
    """The time as Drive writes it: RFC 3339 in UTC with milliseconds, so that text sorts like time."""
    return timestamp(datetime.now(UTC))


def timestamp(moment: datetime) -> str:
    """A moment as Drive writes it; one without a zone is UTC."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
