"""The test switches of the Drive server, over `/_control/settings`.

POST changes some and answers with all, GET shows them, DELETE puts them back. They live in memory: a
restarted server is well-behaved. The last three are actions: done at once, nothing to put back.
"""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from lse_dagster.sandbox.drive.errors import not_found
from lse_dagster.sandbox.drive.store import Store
from lse_dagster.sandbox.drive.uploads.content import CHUNK
from lse_dagster.sandbox.drive.world import SERVICE_ACCOUNT, known

_ODD = "odd-"


def is_odd_token(token: str | None) -> bool:
    """Whether the token leads to a page of `odd_pages`, which begins where the list does."""
    return token is not None and token.startswith(_ODD)


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """What the server does differently from a well-behaved one."""

    kept_after_drop: int = CHUNK
    """Of a dropped connection's bytes, keep a multiple of this many (the real Drive: 256 KiB)."""
    list_lag: int = 0
    """New files are missing from this many lists (of anyone) after they were made."""
    odd_pages: Literal["no", "same token", "two tokens", "empty", "same page"] = "no"
    """Lists never end: over empty pages the same token comes back, or two by turns, or ever new ones; or ever
    new ones come over the same page."""
    not_found: int = 0
    """New files and folders answer 404 to this many requests that name them by id after they were made."""
    omit_sha256: bool = False
    """Report neither sha1Checksum nor sha256Checksum."""
    omit_revision: bool = False
    """Name no head revision, as to somebody who may only read."""
    corrupt_uploads: int = 0
    """Flip a byte of the next so many finished uploads before their checksums are taken."""
    quota_full: bool = False
    """The person's My Drive is full."""
    refresh_token_revoked: bool = False
    """The stored OAuth token has been revoked (or died after its seven days in testing)."""
    consent: Literal["granted", "denied"] = "granted"
    """What the person answers on the consent screen."""
    consent_scope: str | None = None
    """What the person grants instead of what was asked for: somebody may untick a box."""
    offline_access: bool = True
    """Whether a consent gives a refresh token; Google leaves it out for an app that has one already."""
    service_account_role: Literal["organizer", "fileOrganizer", "writer", "reader"] = "organizer"
    """Manager, Content manager, Contributor or Viewer of the shared drive. Only a Manager can delete."""
    token_seconds: int = 3600
    """Access tokens issued from now on expire after so many seconds."""
    now: datetime | None = None
    """What the `Date` of answers says; the times of files are real ones."""


class Actions(msgspec.Struct, forbid_unknown_fields=True):
    """Things to do once."""

    kill_sessions: Literal[404, 410] | None = None
    """End every unfinished resumable upload: its URI answers with this status from now on."""
    corrupt_file: str | None = None
    """Flip a byte in the stored content of the file with this id; the reported checksums stay."""
    expire_tokens: bool = False
    """Expire every access token issued by the token endpoint so far."""


class Switches:
    """The current settings of one server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.now = Settings()
        self._unfound: dict[str, int] = {}

    def clock(self) -> datetime:
        """What time it is for the server."""
        return datetime.now(UTC) if self.now.now is None else self.now.now.astimezone(UTC)

    def odd_page(self, page: dict[str, Any], came_in: str | None) -> dict[str, Any]:
        """The page as `odd_pages` wants it: what it lists is under the one key whose value is a list."""
        kind = self.now.odd_pages
        if kind == "no":
            return page
        turn = int(came_in.removeprefix(_ODD)) if came_in is not None and is_odd_token(came_in) else 0
        following = {"same token": 1, "two tokens": 1 + turn % 2}.get(kind, turn + 1)
        emptied: dict[str, Any] = {
            name: [] for name, value in page.items() if kind != "same page" and isinstance(value, list)
        }
        return page | emptied | {"nextPageToken": f"{_ODD}{following}"}

    def made(self, file_id: str) -> None:
        """A file or folder was made: `not_found` is about it."""
        if self.now.not_found > 0:
            self._unfound[file_id] = self.now.not_found

    def refuse_unfound(self, file_id: str) -> None:
        """Answer 404 for what is not found yet; uses one up."""
        left = self._unfound.get(file_id, 0)
        if left > 0:
            self._unfound[file_id] = left - 1
            raise not_found(file_id)

    def change(self, body: bytes) -> Settings:
        """Apply a JSON object of settings and actions; unknown names are refused and change nothing."""
        wanted = msgspec.json.decode(body or b"{}", type=dict[str, object])
        names = set(Actions.__struct_fields__)
        actions = msgspec.convert({k: v for k, v in wanted.items() if k in names}, Actions)
        changes = {k: v for k, v in wanted.items() if k not in names}
        self._put(msgspec.convert(msgspec.to_builtins(self.now) | changes, Settings))
        self._act(actions)
        return self.now

    def reset(self) -> Settings:
        """Back to a well-behaved server."""
        self._put(Settings())
        return self.now

    def take_corruption(self) -> bool:
        """Whether this finished upload is one to corrupt; uses it up."""
        if self.now.corrupt_uploads <= 0:
            return False
        self.now.corrupt_uploads -= 1
        return True

    def _put(self, settings: Settings) -> None:
        self.now = settings
        self._unfound.clear()
        with self._store.transaction() as db:
            db.execute(
                "UPDATE grants SET role = ? WHERE realm = ? AND email = ?",
                (settings.service_account_role, known(db, "shared_drive"), SERVICE_ACCOUNT),
            )

    def _act(self, actions: Actions) -> None:
        with self._store.transaction() as db:
            if actions.kill_sessions is not None:
                db.execute(
                    "UPDATE sessions SET state = 'gone', gone = ? WHERE state = 'open'",
                    (actions.kill_sessions,),
                )
            if actions.expire_tokens:
                db.execute("UPDATE access_tokens SET expires = 0 WHERE expires IS NOT NULL")
            if actions.corrupt_file is not None:
                self._corrupt(db, actions.corrupt_file)

    def _corrupt(self, db: sqlite3.Connection, file_id: str) -> None:
        row = db.execute("SELECT revision FROM files WHERE id = ?", (file_id,)).fetchone()
        if row is None or row["revision"] is None:
            raise msgspec.ValidationError(f"no file {file_id} with content")
        flip_byte(self._store.content(row["revision"]))


def flip_byte(path: Path) -> None:
    """Change one byte in the middle of a stored content."""
    with path.open("r+b") as file:
        file.seek(0, 2)
        middle = file.tell() // 2
        file.seek(middle)
        byte = file.read(1)
        if byte:
            file.seek(middle)
            file.write(bytes([byte[0] ^ 0xFF]))
