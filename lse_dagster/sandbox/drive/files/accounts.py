"""about.get and the shared drives: who I am and where I could put things."""

import sqlite3
from typing import Any

from lse_dagster.sandbox.drive.call import Call, Drive
from lse_dagster.sandbox.drive.errors import DriveError
from lse_dagster.sandbox.drive.files.fields import below, project, select
from lse_dagster.sandbox.drive.files.resource import user

_QUOTA = 15 * 1024**3
_DEFAULT_FIELDS = "kind,id,name"


def get_about(drive: Drive, db: sqlite3.Connection, call: Call) -> Any:
    """about.get; like the real one it insists on `fields`."""
    if not call.params.get("fields"):
        message = "The 'fields' parameter is required for this method."
        raise DriveError(400, "required", message, location=("parameter", "fields"))
    email = call.identity.email
    used = db.execute(
        "SELECT coalesce(sum(r.size), 0) FROM revisions r JOIN files f ON f.id = r.file_id"
        " WHERE f.owner = ? AND f.drive_id IS NULL",
        (email,),
    ).fetchone()[0]
    used = max(used, _QUOTA) if drive.switches.now.quota_full else used
    full = {
        "kind": "drive#about",
        "user": user(email, call),
        "storageQuota": {
            "limit": "0" if call.identity.is_service_account else str(_QUOTA),
            "usage": str(used),
            "usageInDrive": str(used),
            "usageInDriveTrash": "0",
        },
        "maxUploadSize": str(5 * 1024**4),
        "appInstalled": True,
        "canCreateDrives": False,
    }
    return project(full, select(call.params["fields"], "About"))


def list_drives(drive: Drive, db: sqlite3.Connection, call: Call) -> Any:
    """drives.list: the shared drives that the caller is a member of."""
    selection = select(
        call.params.get("fields") or f"kind,nextPageToken,drives({_DEFAULT_FIELDS})", "DriveList"
    )
    rows = db.execute(
        "SELECT f.*, g.role FROM files f JOIN grants g ON g.realm = f.id"
        " WHERE f.id = f.drive_id AND g.email = ?",
        (call.identity.email,),
    )
    drives = [project(_resource(row), below(selection, "drives")) for row in rows]
    return project({"kind": "drive#driveList", "drives": drives}, {name: {"*": {}} for name in selection})


def get_drive(drive: Drive, db: sqlite3.Connection, call: Call) -> Any:
    """drives.get."""
    drive_id = call.path["drive_id"]
    row = db.execute(
        "SELECT f.*, g.role FROM files f JOIN grants g ON g.realm = f.id"
        " WHERE f.id = ? AND f.id = f.drive_id AND g.email = ?",
        (drive_id, call.identity.email),
    ).fetchone()
    if row is None:
        message = f"Shared drive not found: {drive_id}"
        raise DriveError(404, "notFound", message, location=("parameter", "driveId"))
    return project(_resource(row), select(call.params.get("fields") or _DEFAULT_FIELDS, "Drive"))


def _resource(row: sqlite3.Row) -> dict[str, Any]:
    editor = row["role"] != "reader"
    return {
        "kind": "drive#drive",
        "id": row["id"],
        "name": row["name"],
        "createdTime": row["created_time"],
        "hidden": False,
        "capabilities": {"canAddChildren": editor, "canEdit": editor, "canListChildren": True},
    }
