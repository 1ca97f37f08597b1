"""Making and changing files: the rules, and the rows that they lead to.

Every change is checked twice where content follows: before its first byte and, in the transaction that
stores it, after its last one.
"""

import sqlite3
from typing import Any

from lse_dagster.sandbox.drive.access import EDITORS, File, find, role
from lse_dagster.sandbox.drive.call import Call, Drive
from lse_dagster.sandbox.drive.errors import DriveError, forbidden, id_in_use, invalid, no_storage
from lse_dagster.sandbox.drive.files.metadata import PROPERTIES, Metadata, not_writable
from lse_dagster.sandbox.drive.files.resource import properties
from lse_dagster.sandbox.drive.files.tree import move, set_trashed
from lse_dagster.sandbox.drive.store import new_id, now
from lse_dagster.sandbox.drive.uploads.content import Content
from lse_dagster.sandbox.drive.world import FOLDER, SERVICE_ACCOUNT, known, root_key


def check_create(
    drive: Drive, db: sqlite3.Connection, call: Call, metadata: Metadata, *, with_content: bool
) -> File:
    """Refuse what cannot be created; the parent otherwise. Asked again when an upload ends."""
    call.identity.must_write()
    for named in metadata.parents or ():
        drive.switches.refuse_unfound(named)
    parent = _parent(db, call, metadata.parents)
    if with_content and parent.drive_id is None:
        _check_quota(drive, call.identity.email)
    if metadata.id is not None:
        row = db.execute("SELECT used FROM ids WHERE id = ?", (metadata.id,)).fetchone()
        exists = db.execute("SELECT 1 FROM files WHERE id = ?", (metadata.id,)).fetchone()
        if exists or (row and row["used"]):
            raise id_in_use()
        if row is None:
            raise DriveError(
                400, "invalid", "The provided file ID is not usable.", location=("other", "file.id")
            )
    return parent


def create(
    drive: Drive, db: sqlite3.Connection, call: Call, metadata: Metadata, content: Content | None
) -> File:
    """Make the file or folder."""
    with_content = content is not None and content.size > 0
    parent = check_create(drive, db, call, metadata, with_content=with_content)
    if content is not None and metadata.mime_type == FOLDER:
        raise invalid("file", "A folder has no content.")
    moment = now()
    name = metadata.name if metadata.name is not None else "Untitled"
    mime_type = metadata.mime_type or (content.mime_type if content else FOLDER)
    row = {
        "id": metadata.id or new_id(),
        "name": name,
        "folded_name": name.casefold(),
        "mime_type": mime_type,
        "parent": parent.id,
        "drive_id": parent.drive_id,
        "realm": parent.realm,
        "owner": call.identity.email,
        "app": call.identity.app,
        "created_time": metadata.created_time or moment,
        "modified_time": metadata.modified_time or moment,
        "trashed": parent.trashed,
        "starred": int(metadata.starred or False),
        "description": metadata.description,
        "original_name": metadata.original_filename,
        "modified_by": call.identity.email,
        "unlisted": drive.switches.now.list_lag,
    }
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO files ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    db.execute("UPDATE ids SET used = 1 WHERE id = ?", (row["id"],))
    file_id = str(row["id"])
    _put_properties(db, file_id, call.identity.app, metadata)
    if content is not None:
        _put_content(db, call, file_id, content, mime_type, metadata.original_filename)
    drive.switches.made(file_id)
    return _reload(db, file_id)


def check_update(
    drive: Drive, db: sqlite3.Connection, call: Call, metadata: Metadata, *, with_content: bool
) -> File:
    """Refuse what cannot be updated; the file as it is otherwise. Asked again when an upload ends."""
    call.identity.must_write()
    drive.switches.refuse_unfound(call.path["file_id"])
    file = find(db, call.identity, call.path["file_id"], all_drives=call.all_drives)
    if metadata.parents is not None:
        raise not_writable(
            "The parents field is not directly writable in update requests."
            " Use the addParents and removeParents parameters instead."
        )
    if metadata.id is not None and metadata.id != file.id:
        raise not_writable("The resource body includes fields which are not directly writable.")
    mine = role(db, call.identity, file)
    if mine not in EDITORS:
        raise forbidden()
    if metadata.trashed is not None and mine == "writer":
        raise forbidden()
    if with_content and file.mime_type == FOLDER:
        raise invalid("file", "A folder has no content.")
    if with_content and file.drive_id is None:
        _check_quota(drive, file.owner)
    return file


def update(
    drive: Drive, db: sqlite3.Connection, call: Call, metadata: Metadata, content: Content | None
) -> File:
    """Change metadata, place and content; a new content becomes the head revision."""
    file = check_update(drive, db, call, metadata, with_content=content is not None)
    _move(db, call, file)
    changes: dict[str, Any] = {"modified_by": call.identity.email, "version": file.version + 1}
    if metadata.name is not None:
        changes |= {"name": metadata.name, "folded_name": metadata.name.casefold()}
    for column in ("description", "mime_type", "created_time"):
        if (value := getattr(metadata, column)) is not None:
            changes[column] = value
    if metadata.starred is not None:
        changes["starred"] = int(metadata.starred)
    if metadata.modified_time or content or metadata.name is not None:
        changes["modified_time"] = metadata.modified_time or now()
    assignments = ", ".join(f"{column} = ?" for column in changes)
    db.execute(f"UPDATE files SET {assignments} WHERE id = ?", (*changes.values(), file.id))
    _put_properties(db, file.id, call.identity.app, metadata)
    if metadata.trashed is not None:
        set_trashed(db, file, trashed=metadata.trashed)
    if content is not None:
        mime_type = metadata.mime_type or content.mime_type
        _put_content(db, call, file.id, content, mime_type, metadata.original_filename)
    return _reload(db, file.id)


def _parent(db: sqlite3.Connection, call: Call, parents: list[str] | None) -> File:
    if not parents:
        # Everyone's own root, also for tokens that could not see it.
        return _reload(db, known(db, root_key(call.identity.email)))
    if len(parents) > 1:
        raise invalid("file.parents", "A file cannot be created in more than one folder.")
    parent = find(db, call.identity, parents[0], all_drives=call.all_drives)
    if parent.mime_type != FOLDER:
        raise DriveError(403, "parentNotAFolder", "The specified parent is not a folder.")
    if role(db, call.identity, parent) not in EDITORS:
        raise forbidden("Insufficient permissions for the specified parent.")
    return parent


def _move(db: sqlite3.Connection, call: Call, file: File) -> None:
    added, removed = call.params.get("addParents"), call.params.get("removeParents")
    if not added:
        return
    if added == file.parent:
        return
    if file.parent is not None and file.parent not in (removed or "").split(","):
        raise DriveError(403, "cannotAddParent", "Increasing the number of parents is not allowed")
    move(db, file, _parent(db, call, added.split(",")))


def _check_quota(drive: Drive, owner: str) -> None:
    if owner == SERVICE_ACCOUNT or drive.switches.now.quota_full:
        raise no_storage(service_account=owner == SERVICE_ACCOUNT)


def _put_properties(db: sqlite3.Connection, file_id: str, app: str, metadata: Metadata) -> None:
    for owner, changes in ((app, metadata.app_properties), ("", metadata.properties)):
        for key, value in (changes or {}).items():
            if value is None:
                db.execute(
                    "DELETE FROM properties WHERE file_id = ? AND app = ? AND key = ?", (file_id, owner, key)
                )
            else:
                db.execute(
                    "INSERT OR REPLACE INTO properties VALUES (?, ?, ?, ?)", (file_id, owner, key, value)
                )
        if len(properties(db, file_id, owner)) > PROPERTIES:
            raise invalid("file", f"A file has at most {PROPERTIES} properties of one app.")


def _put_content(
    db: sqlite3.Connection, call: Call, file_id: str, content: Content, mime_type: str, original: str | None
) -> None:
    db.execute(
        "INSERT INTO revisions (id, file_id, mime_type, original_name, modified_time, modified_by, size, md5,"
        " sha1, sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(content.revision, file_id, mime_type, original, now(), call.identity.email),
            *(content.size, content.md5, content.sha1, content.sha256),
        ),
    )
    db.execute(
        "UPDATE files SET revision = ?, size = ?, md5 = ?, sha1 = ?, sha256 = ?, mime_type = ? WHERE id = ?",
        (content.revision, content.size, content.md5, content.sha1, content.sha256, mime_type, file_id),
    )


def _reload(db: sqlite3.Connection, file_id: str) -> File:
    return File.of(db.execute("SELECT * FROM files WHERE id = ?", (file_id,)).fetchone())
