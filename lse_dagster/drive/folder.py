"""The archive's folder on Drive and the folders in it: found, made, and told apart from their twins.

Names are not unique on Drive. Two writers can make the same folder at the same moment, so a name stands for
all live folders that carry it: reading looks into all of them, writing goes to the oldest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, Protocol, TypeVar

import msgspec

from lse_dagster.drive.errors import (
    AlreadyExists,
    DriveError,
    DriveUnavailable,
    FileMissing,
    FolderNotReachable,
    FolderTrashed,
    NotAFolder,
    PermissionMissing,
)
from lse_dagster.drive.file import FIELDS, AwareTime, DriveFile, FileDescription, drive_file, lacks_checksum
from lse_dagster.drive.folder_url import FolderAddress
from lse_dagster.drive.known_ids import KnownId
from lse_dagster.drive.operation import Operation

PAGE_SIZE = 1000
"""The largest page that Drive gives (November 2026)."""


class _Listed(Protocol):
    @property
    def id(self) -> str: ...


Described = TypeVar("Described", bound=_Listed)


def quoted(text: str) -> str:
    """A string literal of the query language."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class _Page(msgspec.Struct, Generic[Described], rename="camel"):
    files: list[Described] | None = None
    incomplete_search: bool = False
    next_page_token: str | None = None


def search(
    operation: Operation, query: str, kind: type[Described], *, fields: str, drive_id: str | None
) -> Iterator[Described]:
    """What matches the query and is not in the trash. `drive_id`: the shared drive, None for My Drive.

    `kind` is what Drive's answer is of when it is asked for these fields.
    """
    # Without its drive named, a list of a shared drive's items holds only what the account has opened before.
    where: dict[str, Any] = {"corpora": "drive", "driveId": drive_id} if drive_id else {}
    trail = operation.trail()
    token: str | None = None
    while True:
        request = operation.service.files.list(
            q=f"({query}) and trashed = false",
            fields=f"nextPageToken,incompleteSearch,files({fields})",
            pageSize=PAGE_SIZE,
            pageToken=token,
            supportsAllDrives=True,
            includeItemsFromAllDrives=True,
            **where,
        )
        page: _Page[Described] = operation.call(request, _Page[kind])  # type: ignore[valid-type]
        if page.files is None:  # an empty list would be there; to take this for one could make a twin
            raise operation.unavailable("the answer was no list of files")
        if page.incomplete_search:
            raise DriveUnavailable(
                operation.what,
                "Drive could not search everywhere this time.",
                "run the same step again later",
            )
        yield from page.files
        if not (token := trail.after(page.next_page_token, (found.id for found in page.files))):
            return


T = TypeVar("T")

FOLDER_TYPE = "application/vnd.google-apps.folder"


@dataclass(frozen=True)
class RootFolder:
    """The folder that GOOGLE_DRIVE_FOLDER_URL names. `drive_id` is its shared drive, None in My Drive."""

    id: str
    link: str
    drive_id: str | None


class _Root(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    mime_type: str
    trashed: bool = False
    web_view_link: str = ""
    drive_id: str | None = None


class Folder(msgspec.Struct, frozen=True, rename="camel"):
    """A folder below the root."""

    id: str
    created_time: AwareTime
    name: str = ""
    description: str = ""
    trashed: bool = False
    parents: tuple[str, ...] = ()

    @property
    def age_order(self) -> tuple[datetime, str]:
        """The oldest is written to; then the smaller id decides."""
        return (self.created_time, self.id)


class _Item(msgspec.Struct, frozen=True):
    id: str


class _Named(msgspec.Struct):
    name: str


class _Ids(msgspec.Struct, frozen=True):
    ids: Annotated[list[str], msgspec.Meta(min_length=1)]


def root_folder(operation: Operation, address: FolderAddress) -> RootFolder:
    """Ask Drive about the configured folder. Raises `FolderNotReachable`, `NotAFolder` or `FolderTrashed`."""
    account = operation.service.account.name
    unreachable: DriveError | None = None
    try:
        found = operation.call(
            operation.service.files.get(
                fileId=address.id, fields="id,mimeType,trashed,webViewLink,driveId", supportsAllDrives=True
            ),
            _Root,
            known=False,
        )
    except (FileMissing, PermissionMissing) as error:
        unreachable = error
    if unreachable is not None:
        raise FolderNotReachable(
            operation.what,
            f"It does not exist, or {account} may not see it. {unreachable.why}",
            f"check GOOGLE_DRIVE_FOLDER_URL, and share the folder with {account} as Editor",
        )
    if found.mime_type != FOLDER_TYPE:
        raise NotAFolder(
            operation.what,
            f"The id belongs to something of type {found.mime_type}, not to a folder.",
            "open the folder itself in Google Drive and set GOOGLE_DRIVE_FOLDER_URL to its address",
        )
    if found.trashed:
        raise FolderTrashed(
            operation.what,
            "The folder is in the trash.",
            "restore it in Google Drive, or set GOOGLE_DRIVE_FOLDER_URL to another folder",
        )
    return RootFolder(found.id, found.web_view_link, found.drive_id)


def folders_named(operation: Operation, root: RootFolder, name: str) -> list[str]:
    """The ids of all live folders of exactly this name in the root, the oldest first; usually one or none."""
    return [found.id for found in find_folders(operation, root, name)]


def ensure_folder(operation: Operation, root: RootFolder, name: str) -> str:
    """The id of the folder of this name, made if it is not there."""
    with operation.service.making_folders:
        found = folders_named(operation, root, name)
        return found[0] if found else _make_only(operation, root, name)


def _make_only(operation: Operation, root: RootFolder, name: str) -> str:
    service = operation.service
    ours = _make_folder(operation, root, name)
    service.known.remember(root.id, name, ours.id, now=service.backoff.now())
    # Another writer may have done the same a moment ago.
    winner = find_folders(operation, root, name)[0]
    if winner.id != ours.id and not _holds_anything(operation, root, ours.id):
        service.known.remember(root.id, name, winner.id, now=service.backoff.now())
        move_to_trash(operation, ours.id)
    return winner.id


def files_in(
    operation: Operation, root: RootFolder, folder_ids: list[str], *, name: str | None = None
) -> Iterator[DriveFile]:
    """The live binary files in these folders; with a name, only those that are called exactly so.

    What was put there lately is asked for by its id where the list lacks it or its checksum, and always
    where a name is given: lists lag behind. Raises `DriveUnavailable` for one of that name whose checksum is
    not known yet: to overlook it would make a twin of it.
    """
    if not folder_ids:
        return
    query = "(" + " or ".join(f"{quoted(folder)} in parents" for folder in folder_ids) + ")"
    query += f" and mimeType != {quoted(FOLDER_TYPE)}"
    if name is not None:
        query += f" and name = {quoted(name)}"
    known = _known_in(operation, folder_ids, name)
    for found in search(operation, query, FileDescription, fields=FIELDS, drive_id=root.drive_id):
        if found.id in known:
            if name is not None or lacks_checksum(found):
                continue
            del known[found.id]
        if name is None or found.name == name:  # Drive compares names loosely
            yield from _binary(operation, found, name)
    for one in known.values():
        described = _by_id(operation, one, FileDescription, fields=FIELDS)
        if described is None or described.trashed or not set(folder_ids) & set(described.parents):
            operation.service.known.forget(one)
        elif name is None or described.name == name:
            yield from _binary(operation, described, name)


def _known_in(operation: Operation, folder_ids: list[str], name: str | None) -> dict[str, KnownId]:
    known, now = operation.service.known, operation.service.backoff.now()
    if name is None:
        return {one.id: one for folder in folder_ids for one in known.all_in(folder, now=now)}
    named = (known.named(folder, name, now=now) for folder in folder_ids)
    return {one.id: one for one in named if one is not None}


def _by_id(operation: Operation, known: KnownId, kind: type[T], *, fields: str) -> T | None:
    """What Drive says of it now; None if it is gone."""
    request = operation.service.files.get(fileId=known.id, fields=fields, supportsAllDrives=True)
    try:
        return operation.call(request, kind, known=known.is_fresh(operation.service.backoff.now()))
    except FileMissing:
        return None


def _binary(operation: Operation, found: FileDescription, name: str | None) -> Iterator[DriveFile]:
    if (file := drive_file(found)) is not None:
        yield file
    elif name is not None and lacks_checksum(found):
        raise without_checksum(operation, found.id)
    # What is left are documents without content of their own, which are never ours.


def without_checksum(operation: Operation, file_id: str) -> DriveUnavailable:
    """The fault of a file that Drive has not finished taking."""
    return DriveUnavailable(
        operation.what,
        f"Drive does not tell the checksum of the file {file_id} yet.",
        "run the same step again later",
    )


def new_id(operation: Operation) -> str:
    """An id for a file to be made: a create that is repeated with it answers 409 instead of making a twin."""
    request = operation.service.files.generateIds(count=1, space="drive", type="files")
    return operation.call(request, _Ids).ids[0]


def rename(operation: Operation, file_id: str, name: str) -> str:
    """Give a file or folder another name; the name that it has then. Raises `FileMissing`."""
    request = operation.service.files.update(
        fileId=file_id, body={"name": name}, fields="name", supportsAllDrives=True
    )
    return operation.call(request, _Named).name


def move_to_trash(operation: Operation, file_id: str) -> None:
    """Take a file or folder out of sight; Drive keeps it for 30 days. One that is gone already is fine."""
    request = operation.service.files.update(fileId=file_id, body={"trashed": True}, supportsAllDrives=True)
    try:
        operation.call(request, dict)
    except FileMissing:
        return


def _make_folder(operation: Operation, root: RootFolder, name: str) -> Folder:
    wanted_id = new_id(operation)
    body: Any = {"id": wanted_id, "name": name, "mimeType": FOLDER_TYPE, "parents": [root.id]}
    files = operation.service.files
    fields = "id,createdTime"
    operation.service.wait_to_create()
    try:
        return operation.call(files.create(body=body, fields=fields, supportsAllDrives=True), Folder)
    except AlreadyExists:  # an earlier try had landed, only its answer was lost
        return operation.call(files.get(fileId=wanted_id, fields=fields, supportsAllDrives=True), Folder)


def find_folders(operation: Operation, root: RootFolder, name: str) -> list[Folder]:
    """All live folders of exactly this name in the root, the oldest first; usually one or none."""
    query = f"{quoted(root.id)} in parents and mimeType = {quoted(FOLDER_TYPE)} and name = {quoted(name)}"
    listed = search(
        operation, query, Folder, fields="id,name,createdTime,description", drive_id=root.drive_id
    )
    found = {folder.id: folder for folder in listed if folder.name == name}
    service = operation.service
    known = service.known.named(root.id, name, now=service.backoff.now())
    if known is not None and known.id not in found:
        ours = _by_id(operation, known, Folder, fields="id,name,createdTime,description,trashed,parents")
        if ours is None or ours.trashed or ours.name != name or root.id not in ours.parents:
            service.known.forget(known)
        else:
            found[ours.id] = ours
    return sorted(found.values(), key=lambda folder: folder.age_order)


def _holds_anything(operation: Operation, root: RootFolder, folder_id: str) -> bool:
    query = f"{quoted(folder_id)} in parents"
    return any(True for _ in search(operation, query, _Item, fields="id", drive_id=root.drive_id))
