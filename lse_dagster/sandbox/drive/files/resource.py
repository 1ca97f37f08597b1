"""A file as the API shows it: the row turned into Drive's JSON, cut to the selected fields."""

import sqlite3
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from lse_dagster.sandbox.drive.access import File, capabilities, role
from lse_dagster.sandbox.drive.call import Call, Drive
from lse_dagster.sandbox.drive.files.fields import Selection, project, select, wants
from lse_dagster.sandbox.drive.world import FOLDER, USER

DEFAULT_FIELDS = "kind,id,name,mimeType"


def shown(drive: Drive, db: sqlite3.Connection, call: Call, file: File) -> dict[str, Any]:
    """The answer of get, create and update."""
    selection = select(call.params.get("fields") or DEFAULT_FIELDS, "File")
    return resource(drive, db, call, file, selection)


def resource(
    drive: Drive, db: sqlite3.Connection, call: Call, file: File, selection: Selection
) -> dict[str, Any]:
    """The selected fields of one file."""
    full = {
        "kind": "drive#file",
        "id": file.id,
        "name": file.name,
        "mimeType": file.mime_type,
        "starred": bool(file.starred),
        "trashed": bool(file.trashed),
        "explicitlyTrashed": bool(file.explicitly_trashed),
        "spaces": ["drive"],
        "version": str(file.version),
        "createdTime": file.created_time,
        "modifiedTime": file.modified_time,
        "lastModifyingUser": user(file.modified_by, call),
        "ownedByMe": file.drive_id is None and file.owner == call.identity.email,
        "isAppAuthorized": file.app == call.identity.app,
        "writersCanShare": True,
        **_place(file, call),
        **(_folder_links(file, call) if file.mime_type == FOLDER else _content(drive, file, call)),
    }
    if file.description is not None:
        full["description"] = file.description
    if wants(selection, "capabilities"):
        mine = role(db, call.identity, file)
        full["capabilities"] = capabilities(
            mine, folder=file.mime_type == FOLDER, has_content=file.revision is not None
        )
    if wants(selection, "appProperties") and (own := properties(db, file.id, call.identity.app)):
        full["appProperties"] = own
    if wants(selection, "properties") and (public := properties(db, file.id, "")):
        full["properties"] = public
    cut: dict[str, Any] = project(full, selection)
    return cut


def properties(db: sqlite3.Connection, file_id: str, app: str) -> dict[str, str]:
    """The properties of a file that belong to one app; the public ones belong to ''."""
    rows = db.execute("SELECT key, value FROM properties WHERE file_id = ? AND app = ?", (file_id, app))
    return {row["key"]: row["value"] for row in rows}


def user(email: str, call: Call) -> dict[str, Any]:
    """An account as Drive shows it."""
    return {
        "kind": "drive#user",
        "displayName": "Sandbox archivist" if email == USER else email,
        "me": email == call.identity.email,
        "permissionId": str(int.from_bytes(email.encode()[:8], "big")),
        "emailAddress": email,
    }


def _place(file: File, call: Call) -> dict[str, Any]:
    place: dict[str, Any] = {} if file.parent is None else {"parents": [file.parent]}
    if file.drive_id is not None:
        # Items of a shared drive belong to the drive: they have no owners.
        return place | {"driveId": file.drive_id, "teamDriveId": file.drive_id, "shared": True}
    return place | {"owners": [user(file.owner, call)], "shared": file.realm != file.parent}


def _folder_links(file: File, call: Call) -> dict[str, Any]:
    return {"webViewLink": f"{call.base_url}/drive/folders/{quote(file.id)}", "quotaBytesUsed": "0"}


def _content(drive: Drive, file: File, call: Call) -> dict[str, Any]:
    links = {
        "webViewLink": f"{call.base_url}/file/d/{quote(file.id)}/view?usp=drivesdk",
        "webContentLink": f"{call.base_url}/uc?id={quote(file.id)}&export=download",
    }
    checksums = {"md5Checksum": file.md5}
    if not drive.switches.now.omit_sha256:
        checksums |= {"sha1Checksum": file.sha1, "sha256Checksum": file.sha256}
    extension = "".join(PurePosixPath(file.name).suffixes).lstrip(".")
    return {
        **links,
        **checksums,
        **({} if drive.switches.now.omit_revision else {"headRevisionId": file.revision}),
        "size": str(file.size),
        "quotaBytesUsed": str(file.size),
        "originalFilename": file.original_name or file.name,
        "fileExtension": extension.rpartition(".")[2],
        "fullFileExtension": extension,
    }
