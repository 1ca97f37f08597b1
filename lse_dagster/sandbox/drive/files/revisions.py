"""revisions.list, get and delete: the contents that a file had before."""

import sqlite3
from typing import Any

from starlette.responses import Response

from lse_dagster.sandbox.drive.access import EDITORS, File, find, role
from lse_dagster.sandbox.drive.call import Call, Drive
from lse_dagster.sandbox.drive.errors import DriveError, forbidden, invalid
from lse_dagster.sandbox.drive.files.download import media_response
from lse_dagster.sandbox.drive.files.fields import below, project, select
from lse_dagster.sandbox.drive.files.resource import user
from lse_dagster.sandbox.drive.settings import is_odd_token

_DEFAULT_FIELDS = "kind,id,mimeType,modifiedTime"


def list_revisions(drive: Drive, db: sqlite3.Connection, call: Call) -> Any:
    """One page of revisions, oldest first."""
    selection = select(
        call.params.get("fields") or f"kind,nextPageToken,revisions({_DEFAULT_FIELDS})", "RevisionList"
    )
    file = _file(db, call)
    size = call.number("pageSize", 200, at_most=1000)
    token = call.params.get("pageToken") or "0"
    if not ((token.isascii() and token.isdigit()) or is_odd_token(token)):
        raise invalid("pageToken")
    after = 0 if is_odd_token(token) else int(token)
    rows = db.execute(
        "SELECT * FROM revisions WHERE file_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        (file.id, after, size + 1),
    ).fetchall()
    page: dict[str, Any] = {
        "kind": "drive#revisionList",
        "revisions": [
            project(_resource(row, file, call), below(selection, "revisions")) for row in rows[:size]
        ],
    }
    if len(rows) > size:
        page["nextPageToken"] = str(rows[size - 1]["seq"])
    page = drive.switches.odd_page(page, call.params.get("pageToken"))
    return project(page, {name: {"*": {}} for name in selection})


def get_revision(drive: Drive, db: sqlite3.Connection, call: Call) -> Any:
    """One revision, with alt=media its content."""
    file, row = _revision(db, call)
    if call.params.get("alt") == "media":
        return media_response(
            drive.store, row["id"], row["size"], row["mime_type"], call.headers.get("range")
        )
    return project(
        _resource(row, file, call), select(call.params.get("fields") or _DEFAULT_FIELDS, "Revision")
    )


def delete_revision(drive: Drive, db: sqlite3.Connection, call: Call) -> Response:
    """Delete an old revision for good; the newest one stays."""
    call.identity.must_write()
    file, row = _revision(db, call)
    if role(db, call.identity, file) not in EDITORS:
        raise forbidden()
    if row["id"] == file.revision:
        raise DriveError(403, "cannotDeleteOnlyRevision", "The head revision of a file cannot be deleted.")
    db.execute("DELETE FROM revisions WHERE id = ?", (row["id"],))
    return drive.store.removal([row["id"]])


def _file(db: sqlite3.Connection, call: Call) -> File:
    # The revisions API has no supportsAllDrives parameter.
    return find(db, call.identity, call.path["file_id"], all_drives=True)


def _revision(db: sqlite3.Connection, call: Call) -> tuple[File, sqlite3.Row]:
    file, wanted = _file(db, call), call.path["revision_id"]
    revision = file.revision if wanted == "head" else wanted
    row = db.execute("SELECT * FROM revisions WHERE id = ? AND file_id = ?", (revision, file.id)).fetchone()
    if row is None:
        message = f"Revision not found: {wanted}."
        raise DriveError(404, "notFound", message, location=("parameter", "revisionId"))
    return file, row


def _resource(row: sqlite3.Row, file: File, call: Call) -> dict[str, Any]:
    return {
        "kind": "drive#revision",
        "id": row["id"],
        "mimeType": row["mime_type"],
        "modifiedTime": row["modified_time"],
        "keepForever": False,
        "published": False,
        "lastModifyingUser": user(row["modified_by"], call),
        "originalFilename": row["original_name"] or file.name,
        "md5Checksum": row["md5"],
        "size": str(row["size"]),
    }
