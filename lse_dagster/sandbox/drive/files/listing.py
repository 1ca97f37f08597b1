"""files.list: search, order, pages."""

import base64
import hashlib
import json
import sqlite3
from typing import Any

from lse_dagster.sandbox.drive.access import File, find
from lse_dagster.sandbox.drive.call import Call, Drive
from lse_dagster.sandbox.drive.errors import DriveError, invalid, not_found
from lse_dagster.sandbox.drive.files.fields import below, project, select
from lse_dagster.sandbox.drive.files.query import compile_query
from lse_dagster.sandbox.drive.files.resource import DEFAULT_FIELDS, resource
from lse_dagster.sandbox.drive.settings import is_odd_token
from lse_dagster.sandbox.drive.world import FOLDER, known, root_key

_DEFAULT_FIELDS = f"kind,incompleteSearch,nextPageToken,files({DEFAULT_FIELDS})"
_MANY = 2**53
_ORDERS = {
    "createdTime": "f.created_time",
    "folder": f"f.mime_type != '{FOLDER}'",
    "modifiedTime": "f.modified_time",
    "modifiedByMeTime": "f.modified_time",
    "name": "f.folded_name",
    "name_natural": "f.folded_name",
    "quotaBytesUsed": "coalesce(f.size, 0)",
    "recency": "f.modified_time",
    "starred": "f.starred",
}


def list_files(drive: Drive, db: sqlite3.Connection, call: Call) -> dict[str, Any]:
    """One page of the files that the caller can see and the query wants."""
    selection = select(call.params.get("fields") or _DEFAULT_FIELDS, "FileList")
    size = call.number("pageSize", 100, at_most=1000)
    where, values = _where(drive, db, call)
    offset, newest = _position(call, db)
    rows = db.execute(
        f"SELECT f.* FROM files f WHERE {where} AND f.seq <= ? AND f.unlisted = 0"
        f" ORDER BY {_order(call.params.get('orderBy', ''))} LIMIT ? OFFSET ?",
        (*values, newest, size + 1, offset),
    ).fetchall()
    db.execute("UPDATE files SET unlisted = unlisted - 1 WHERE unlisted > 0")
    inner = below(selection, "files")
    page: dict[str, Any] = {
        "kind": "drive#fileList",
        "incompleteSearch": False,
        "files": [resource(drive, db, call, File.of(row), inner) for row in rows[:size]],
    }
    if len(rows) > size:
        page["nextPageToken"] = _token(call, offset + size, newest)
    page = drive.switches.odd_page(page, call.params.get("pageToken"))
    cut: dict[str, Any] = project(page, {name: {"*": {}} for name in selection})
    return cut


def _where(drive: Drive, db: sqlite3.Connection, call: Call) -> tuple[str, tuple[object, ...]]:
    identity = call.identity
    root = known(db, root_key(identity.email))
    wanted = compile_query(call.params.get("q", ""), email=identity.email, app=identity.app, root=root)
    for parent in wanted.parents:
        try:
            drive.switches.refuse_unfound(parent)
            find(db, identity, parent, all_drives=True)
        except DriveError:
            raise not_found("") from None  # Drive's own words for an unknown folder in a query
    # Roots of My Drive and of shared drives are no items of any list.
    clauses = ["f.parent IS NOT NULL", "f.realm IN (SELECT realm FROM grants WHERE email = ?)", wanted.sql]
    values: list[object] = [identity.email, *wanted.values]
    if identity.own_files_only:
        clauses.append("f.app = ?")
        values.append(identity.app)
    drive_id = _drives(db, call)
    if drive_id is not None:
        clauses.append("f.drive_id = ?")
        values.append(drive_id)
    elif not _with_shared_drives(call):
        clauses.append("f.drive_id IS NULL")
    return " AND ".join(f"({clause})" for clause in clauses), tuple(values)


def _with_shared_drives(call: Call) -> bool:
    return call.flag("includeItemsFromAllDrives") or call.flag("includeTeamDriveItems")


def _drives(db: sqlite3.Connection, call: Call) -> str | None:
    """The one shared drive to look in, if the caller named one; and the rules between these parameters."""
    corpora = call.params.get("corpora", "user")
    drive_id = call.params.get("driveId") or call.params.get("teamDriveId")
    if corpora not in {"user", "drive", "teamDrive", "allDrives", "allTeamDrives", "domain"}:
        raise invalid("corpora")
    if _with_shared_drives(call) and not call.all_drives:
        raise _refused(
            "The supportsAllDrives parameter must be set to true when includeItemsFromAllDrives is true."
        )
    if (drive_id or corpora not in {"user", "domain"}) and not _with_shared_drives(call):
        raise _refused(
            "The includeItemsFromAllDrives parameter must be set to true when driveId is specified or corpora"
            " contains drive or allDrives."
        )
    if corpora in {"drive", "teamDrive"} and not drive_id:
        raise _refused("The driveId parameter must be specified if and only if corpora is set to drive.")
    if drive_id and corpora not in {"drive", "teamDrive"}:
        raise _refused("The driveId parameter must be specified if and only if corpora is set to drive.")
    if drive_id:
        row = db.execute(
            "SELECT 1 FROM files f JOIN grants g ON g.realm = f.id WHERE f.id = ? AND f.drive_id = f.id"
            " AND g.email = ?",
            (drive_id, call.identity.email),
        ).fetchone()
        if row is None:
            message = f"Shared drive not found: {drive_id}"
            raise DriveError(404, "notFound", message, location=("parameter", "driveId"))
    return drive_id


def _refused(message: str) -> DriveError:
    return DriveError(403, "teamDrivesParameterRequired", message)


def _order(text: str) -> str:
    parts = []
    for key in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, direction = key.partition(" ")
        if name not in _ORDERS or direction.strip() not in {"", "desc"}:
            raise invalid("orderBy")
        parts.append(f"{_ORDERS[name]} {'DESC' if direction.strip() else 'ASC'}")
    return ", ".join([*parts, "f.seq DESC"])


def _position(call: Call, db: sqlite3.Connection) -> tuple[int, int]:
    """Where the page starts, and the newest file of the first page: later ones do not shift the pages."""
    token = call.params.get("pageToken")
    if not token or is_odd_token(token):
        newest = db.execute("SELECT coalesce(max(seq), 0) FROM files").fetchone()[0]
        return 0, int(newest)
    try:
        offset, newest, query = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        raise invalid("pageToken") from None
    numbers = (
        isinstance(offset, int) and isinstance(newest, int) and 0 < offset < _MANY and 0 <= newest < _MANY
    )
    if query != _fingerprint(call) or not numbers:
        raise invalid("pageToken")
    return offset, newest


def _token(call: Call, offset: int, newest: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([offset, newest, _fingerprint(call)]).encode()).decode()


def _fingerprint(call: Call) -> str:
    """A page token belongs to one caller and one query; page size and fields may change between pages."""
    free = {"pageToken", "pageSize", "fields", "alt", "prettyPrint", "key", "quotaUser"}
    parts = sorted((k, v) for k, v in call.params.items() if k not in free)
    return hashlib.sha256(repr((call.identity.email, parts)).encode()).hexdigest()[:16]
