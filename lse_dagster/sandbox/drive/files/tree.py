"""Folders as a tree: trashing, moving and deleting reach everything below."""

import sqlite3

from lse_dagster.sandbox.drive.access import File
from lse_dagster.sandbox.drive.errors import DriveError, bad_request
from lse_dagster.sandbox.drive.world import FOLDER

_BELOW = (
    "WITH RECURSIVE tree(id) AS (SELECT ? UNION ALL"
    " SELECT f.id FROM files f JOIN tree ON f.parent = tree.id) "
)


def set_trashed(db: sqlite3.Connection, file: File, *, trashed: bool) -> None:
    """Put a file or folder into the trash or take it out; what is below follows."""
    db.execute("UPDATE files SET explicitly_trashed = ? WHERE id = ?", (int(trashed), file.id))
    refresh_trashed(db, file.id)


def refresh_trashed(db: sqlite3.Connection, file_id: str) -> None:
    """Work out again what is in the trash from here downwards."""
    db.execute(
        "WITH RECURSIVE tree(id, trashed) AS ("
        " SELECT f.id, f.explicitly_trashed OR coalesce(p.trashed, 0)"
        " FROM files f LEFT JOIN files p ON p.id = f.parent WHERE f.id = ?"
        " UNION ALL SELECT f.id, f.explicitly_trashed OR tree.trashed"
        " FROM files f JOIN tree ON f.parent = tree.id)"
        " UPDATE files SET trashed = (SELECT trashed FROM tree WHERE tree.id = files.id)"
        " WHERE id IN (SELECT id FROM tree)",
        (file_id,),
    )


def move(db: sqlite3.Connection, file: File, parent: File) -> None:
    """Put a file or folder below another folder, with everything below it."""
    if parent.mime_type != FOLDER:
        raise DriveError(403, "parentNotAFolder", "The specified parent is not a folder.")
    below = {row["id"] for row in db.execute(_BELOW + "SELECT id FROM tree", (file.id,))}
    if parent.id in below:
        raise bad_request("A folder cannot be moved into itself.")
    db.execute("UPDATE files SET parent = ? WHERE id = ?", (parent.id, file.id))
    db.execute(
        _BELOW + "UPDATE files SET realm = ?, drive_id = ? WHERE id IN (SELECT id FROM tree)",
        (file.id, parent.realm, parent.drive_id),
    )
    refresh_trashed(db, file.id)


def remove(db: sqlite3.Connection, file: File) -> list[str]:
    """Delete for good, with everything below. Returns the revisions whose contents are no longer needed."""
    rows = db.execute(_BELOW + "SELECT id FROM tree", (file.id,)).fetchall()
    revisions: list[str] = []
    for (file_id,) in rows:
        found = db.execute("SELECT id FROM revisions WHERE file_id = ?", (file_id,))
        revisions += [row["id"] for row in found]
        db.execute("DELETE FROM revisions WHERE file_id = ?", (file_id,))
        db.execute("DELETE FROM properties WHERE file_id = ?", (file_id,))
        db.execute("DELETE FROM files WHERE id = ?", (file_id,))
    return revisions
