"""files.create (without content), get, update, delete and generateIds as HTTP calls."""

import secrets
import sqlite3
from typing import Any

from starlette.responses import Response

from lse_dagster.sandbox.drive.access import find, role
from lse_dagster.sandbox.drive.call import Call, Drive
from lse_dagster.sandbox.drive.errors import DriveError, forbidden
from lse_dagster.sandbox.drive.files.changes import create, update
from lse_dagster.sandbox.drive.files.download import media_response
from lse_dagster.sandbox.drive.files.metadata import parse_metadata
from lse_dagster.sandbox.drive.files.resource import shown
from lse_dagster.sandbox.drive.files.tree import remove
from lse_dagster.sandbox.drive.store import new_id
from lse_dagster.sandbox.drive.uploads.content import Content, Digests
from lse_dagster.sandbox.drive.world import FOLDER


def create_file(drive: Drive, db: sqlite3.Connection, call: Call) -> Any:
    """files.create without content: a folder, or an empty file."""
    metadata = parse_metadata(call.body)
    content = None
    if metadata.mime_type != FOLDER:
        revision = secrets.token_hex(16)
        content = _empty(drive, revision, metadata.mime_type or "application/octet-stream")
    return shown(drive, db, call, create(drive, db, call, metadata, content))


def get_file(drive: Drive, db: sqlite3.Connection, call: Call) -> Any:
    """files.get, with alt=media for the content."""
    drive.switches.refuse_unfound(call.path["file_id"])
    file = find(db, call.identity, call.path["file_id"], all_drives=call.all_drives)
    if call.params.get("alt") != "media":
        return shown(drive, db, call, file)
    if file.revision is None or file.size is None:
        message = "Only files with binary content can be downloaded. Use Export with Docs Editors files."
        raise DriveError(403, "fileNotDownloadable", message, location=("parameter", "alt"))
    return media_response(drive.store, file.revision, file.size, file.mime_type, call.headers.get("range"))


def update_file(drive: Drive, db: sqlite3.Connection, call: Call) -> Any:
    """files.update without content."""
    return shown(drive, db, call, update(drive, db, call, parse_metadata(call.body), None))


def delete_file(drive: Drive, db: sqlite3.Connection, call: Call) -> Response:
    """files.delete: for good, past the trash."""
    call.identity.must_write()
    file = find(db, call.identity, call.path["file_id"], all_drives=call.all_drives)
    if role(db, call.identity, file) not in {"owner", "organizer"} or file.parent is None:
        raise forbidden()
    return drive.store.removal(remove(db, file))


def generate_ids(drive: Drive, db: sqlite3.Connection, call: Call) -> dict[str, Any]:
    """files.generateIds: ids for creates that can be repeated safely."""
    call.identity.must_write()
    ids = [new_id() for _ in range(call.number("count", 10, at_most=1000))]
    db.executemany("INSERT INTO ids (id) VALUES (?)", [(one,) for one in ids])
    return {"kind": "drive#generatedIds", "space": call.params.get("space", "drive"), "ids": ids}


def _empty(drive: Drive, revision: str, mime_type: str) -> Content:
    drive.store.content(revision).touch()
    return Digests().content(revision, mime_type)
