"""Who and what is there from the start: a person, a service account, their drives, and the shared drive.

Rights come from realms: a root or a shared folder with its members. Every file carries its realm.
"""

import secrets
import sqlite3
from typing import Final

from lse_dagster.sandbox.drive.store import Store, new_id, now

USER: Final = "archivist@example.com"
SERVICE_ACCOUNT: Final = "lse-archive@sandbox-drive.iam.gserviceaccount.com"
FOLDER: Final = "application/vnd.google-apps.folder"
WEB_APP: Final = "drive.google.com"
"""The app of what a person made in the browser: `drive.file` does not reach it."""

DRIVE_SCOPE: Final = "https://www.googleapis.com/auth/drive"
FILE_SCOPE: Final = "https://www.googleapis.com/auth/drive.file"
READ_SCOPE: Final = "https://www.googleapis.com/auth/drive.readonly"
SCOPES: Final = frozenset({DRIVE_SCOPE, FILE_SCOPE, READ_SCOPE})


def prepare(store: Store) -> None:
    """Make the world in a new directory; in an old one it is there already."""
    with store.transaction() as db:
        if fact(db, "archive_folder") is None:
            _make(db)


def fact(db: sqlite3.Connection, key: str) -> str | None:
    """A remembered id or secret."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def known(db: sqlite3.Connection, key: str) -> str:
    """A fact that is there since the world was made."""
    value = fact(db, key)
    if value is None:
        raise KeyError(key)
    return value


def remember(db: sqlite3.Connection, key: str, value: str) -> None:
    """Keep an id or a secret."""
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def root_key(email: str) -> str:
    """The name of the fact that holds the id of someone's My Drive."""
    return f"my_drive:{email}"


def _make(db: sqlite3.Connection) -> None:
    for email in (USER, SERVICE_ACCOUNT):
        root = "0A" + secrets.token_urlsafe(10)[:14] + "PVA"
        _folder(db, root, "My Drive", parent=None, realm=root, owner=email)
        db.execute("INSERT INTO grants VALUES (?, ?, 'owner')", (root, email))
        remember(db, root_key(email), root)
    shared = new_id()
    _folder(db, shared, "Shared archives", parent=known(db, root_key(USER)), realm=shared, owner=USER)
    db.executemany(
        "INSERT INTO grants VALUES (?, ?, ?)",
        [(shared, USER, "owner"), (shared, SERVICE_ACCOUNT, "writer")],
    )
    drive = "0A" + secrets.token_urlsafe(9)[:11] + "Uk9PVA"
    _folder(db, drive, "Sandbox drive", parent=None, realm=drive, owner=USER, drive_id=drive)
    db.executemany("INSERT INTO grants VALUES (?, ?, 'organizer')", [(drive, USER), (drive, SERVICE_ACCOUNT)])
    archives = new_id()
    _folder(db, archives, "LangSmith archives", parent=drive, realm=drive, owner=USER, drive_id=drive)
    remember(db, "my_drive_folder", shared)
    remember(db, "shared_drive", drive)
    remember(db, "archive_folder", archives)
    client = f"{secrets.randbelow(10**12):012d}-{secrets.token_hex(16)}.apps.googleusercontent.com"
    refresh_token = "1//" + secrets.token_urlsafe(48)
    token = "ya29.sandbox-" + secrets.token_urlsafe(48)
    remember(db, "client_id", client)
    remember(db, "client_secret", "GOCSPX-" + secrets.token_urlsafe(21))
    remember(db, "refresh_token", refresh_token)
    remember(db, "long_lived_token", token)
    remember(db, "service_account_client", str(10**20 + secrets.randbelow(9 * 10**20)))
    db.execute(
        "INSERT INTO refresh_tokens VALUES (?, ?, ?, ?)",
        (refresh_token, USER, client, " ".join(sorted(SCOPES))),
    )
    db.execute(
        "INSERT INTO access_tokens VALUES (?, ?, ?, ?, NULL, NULL)", (token, USER, client, DRIVE_SCOPE)
    )


def _folder(
    db: sqlite3.Connection,
    folder_id: str,
    name: str,
    *,
    parent: str | None,
    realm: str,
    owner: str,
    drive_id: str | None = None,
) -> None:
    moment = now()
    db.execute(
        "INSERT INTO files (id, name, folded_name, mime_type, parent, drive_id, realm, owner, app,"
        " created_time, modified_time, modified_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            folder_id,
            name,
            name.casefold(),
            FOLDER,
            parent,
            drive_id,
            realm,
            owner,
            WEB_APP,
            moment,
            moment,
            owner,
        ),
    )
