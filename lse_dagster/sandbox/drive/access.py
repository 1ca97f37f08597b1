"""Who is calling, and what they may do to which file."""

import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from lse_dagster.sandbox.drive.errors import insufficient_scope, not_found, unauthenticated
from lse_dagster.sandbox.drive.world import (
    DRIVE_SCOPE,
    FILE_SCOPE,
    READ_SCOPE,
    SERVICE_ACCOUNT,
    known,
    root_key,
)

EDITORS = frozenset({"owner", "organizer", "fileOrganizer", "writer"})
"""The roles that may change a file."""


@dataclass(frozen=True)
class Identity:
    """An account, the app that acts for it, and what it was granted."""

    email: str
    app: str
    scopes: frozenset[str]

    @property
    def is_service_account(self) -> bool:
        """Whether this account has no storage of its own."""
        return self.email == SERVICE_ACCOUNT

    @property
    def own_files_only(self) -> bool:
        """Whether the token reaches nothing but what its app made (`drive.file`)."""
        return not self.scopes & {DRIVE_SCOPE, READ_SCOPE}

    def must_write(self) -> None:
        """Refuse a token that only reads."""
        if not self.scopes & {DRIVE_SCOPE, FILE_SCOPE}:
            raise insufficient_scope()


@dataclass(frozen=True)
class File:
    """A row of `files`: a file or a folder as it is now."""

    seq: int
    id: str
    name: str
    folded_name: str
    mime_type: str
    parent: str | None
    drive_id: str | None
    realm: str
    owner: str
    app: str
    created_time: str
    modified_time: str
    explicitly_trashed: int
    trashed: int
    starred: int
    description: str | None
    original_name: str | None
    modified_by: str
    revision: str | None
    size: int | None
    md5: str | None
    sha1: str | None
    sha256: str | None
    version: int
    unlisted: int

    @classmethod
    def of(cls, row: sqlite3.Row) -> "File":
        """The file in a row with all columns."""
        return cls(**dict(row))


def authenticate(db: sqlite3.Connection, authorization: str | None) -> Identity:
    """The caller behind an Authorization header."""
    kind, _, token = (authorization or "").partition(" ")
    row = db.execute("SELECT * FROM access_tokens WHERE token = ?", (token.strip(),)).fetchone()
    if kind.lower() != "bearer" or row is None:
        raise unauthenticated()
    if row["expires"] is not None and row["expires"] <= time.time():
        raise unauthenticated()
    return Identity(row["email"], row["app"], frozenset(row["scopes"].split()))


def find(db: sqlite3.Connection, identity: Identity, file_id: str, *, all_drives: bool) -> File:
    """The file, if this caller can see it in this call; otherwise it does not exist for them."""
    real_id = known(db, root_key(identity.email)) if file_id == "root" else file_id
    row = db.execute(
        "SELECT f.* FROM files f JOIN grants g ON g.realm = f.realm AND g.email = ? WHERE f.id = ?",
        (identity.email, real_id),
    ).fetchone()
    if row is None:
        raise not_found(file_id)
    file = File.of(row)
    if file.drive_id is not None and not all_drives:
        raise not_found(file_id)
    if identity.own_files_only and file.app != identity.app:
        raise not_found(file_id)
    return file


def role(db: sqlite3.Connection, identity: Identity, file: File) -> str:
    """What the caller is to the file: owner, organizer, fileOrganizer, writer or reader."""
    if file.drive_id is None and file.owner == identity.email:
        return "owner"
    row = db.execute(
        "SELECT role FROM grants WHERE realm = ? AND email = ?", (file.realm, identity.email)
    ).fetchone()
    granted = "reader" if row is None else str(row["role"])
    return "writer" if granted == "owner" else granted  # of the folder around it, not of this file


def capabilities(role: str, *, folder: bool, has_content: bool) -> dict[str, Any]:
    """What that role may do, as Drive tells it."""
    edit, remove = role in EDITORS, role in {"owner", "organizer"}
    return {
        "canAddChildren": folder and edit,
        "canDelete": remove,
        "canDownload": has_content,
        "canEdit": edit,
        "canListChildren": folder,
        "canModifyContent": edit,
        "canReadRevisions": has_content and edit,
        "canRename": edit,
        "canTrash": remove or role == "fileOrganizer",
        "canUntrash": remove or role == "fileOrganizer",
    }
