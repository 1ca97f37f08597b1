"""The end of every upload: checks before the first byte, and the file or revision after the last one."""

import sqlite3
from typing import Any

from lse_dagster.sandbox.drive.call import Call, Drive
from lse_dagster.sandbox.drive.files.changes import check_create, check_update, create, update
from lse_dagster.sandbox.drive.files.metadata import Metadata
from lse_dagster.sandbox.drive.files.resource import shown
from lse_dagster.sandbox.drive.settings import flip_byte
from lse_dagster.sandbox.drive.uploads.content import Digests, Sink


def check_upload(drive: Drive, db: sqlite3.Connection, call: Call, metadata: Metadata) -> None:
    """Refuse an upload that would be refused at its end, before any content is sent."""
    check = check_update if "file_id" in call.path else check_create
    check(drive, db, call, metadata, with_content=True)


def finish_upload(
    drive: Drive, db: sqlite3.Connection, call: Call, metadata: Metadata, sink: Sink, mime_type: str
) -> dict[str, Any]:
    """Make the complete content a file, or a new head revision; the answer for the client."""
    digests = sink.digests
    if drive.switches.take_corruption():
        flip_byte(sink.path)
        digests = Digests.of(sink.path)
    act = update if "file_id" in call.path else create
    content = digests.content(sink.path.name, mime_type)
    return shown(drive, db, call, act(drive, db, call, metadata, content))
