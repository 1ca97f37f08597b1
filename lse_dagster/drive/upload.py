"""A verified upload: counted as done only when Drive's size and checksums equal the local ones.

Decides between create, update and nothing to do; settles twins; cleans up what came out wrong. How the bytes
travel is `session.py`'s matter.
"""

import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lse_dagster.drive.errors import AlreadyExists, DriveError, LocalFileChanged, UploadCorrupted
from lse_dagster.drive.file import FIELDS, DriveFile, drive_file, is_complete
from lse_dagster.drive.folder import (
    RootFolder,
    ensure_folder,
    files_in,
    folders_named,
    move_to_trash,
    new_id,
    only_file,
    twin_files,
)
from lse_dagster.drive.local_file import LocalFile
from lse_dagster.drive.operation import Operation
from lse_dagster.drive.session import Progress, Target, UploadSession

MayReplace = Callable[[DriveFile], None]
"""Called with the file that has other content; raises to refuse."""


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """What an upload came to.

    `unchanged`: the same content was there and nothing was sent, or another writer put it there at the same
    moment. `bytes_sent` counts bytes of content, those sent twice too; `requests` all HTTP requests but those
    for tokens; `retries` the tries after a fault.
    """

    file: DriveFile
    action: Literal["created", "updated", "unchanged"]
    bytes_sent: int
    requests: int
    retries: int


def upload(
    operation: Operation,
    root: RootFolder,
    path: Path,
    *,
    folder: str,
    name: str,
    may_replace: MayReplace,
    on_progress: Progress | None,
) -> Uploaded:
    """Bring the file to Drive; see `DriveArchive.upload`."""
    with LocalFile(path, what=operation.what) as local:
        folder_ids = folders_named(operation, root, folder)
        existing = only_file(operation, root, folder_ids, name)
        sent = 0
        action: Literal["created", "updated", "unchanged"]
        if existing is None:
            folder_id = folder_ids[0] if folder_ids else ensure_folder(operation, root, folder)
            file, sent = _create(operation, local, folder_id, name, on_progress)
            file, action = _settle_twins(operation, root, local, folder, file)
        elif local.size == existing.size and local.checksums().match(existing):
            local.check_unchanged()
            file, action = existing, "unchanged"
        else:
            may_replace(existing)
            file, sent = _update(operation, local, existing, on_progress)
            action = "updated"
    return Uploaded(
        file=file, action=action, bytes_sent=sent, requests=operation.requests, retries=operation.retries
    )


def _create(
    operation: Operation, local: LocalFile, folder_id: str, name: str, on_progress: Progress | None
) -> tuple[DriveFile, int]:
    file_id = new_id(operation)
    target = Target(
        method="POST",
        url=operation.service.upload_url(None, fields=FIELDS),
        metadata={"id": file_id, "name": name, "parents": [folder_id]},
        media_type=_media_type(name),
    )
    session = UploadSession(operation, local, target, on_progress)
    try:
        described = operation.again(session.step)
    except AlreadyExists:
        described = {}  # an earlier session of ours had finished and only its answer was lost: look by id
    except LocalFileChanged:
        _remove(operation, file_id)  # the session may have finished before the change was noticed
        raise
    file = drive_file(described) if is_complete(described) else _look(operation, file_id)
    try:
        matches = _matches(local, file)
    except LocalFileChanged:
        _remove(operation, file_id)
        raise
    if not matches:
        removed = _remove(operation, file_id)
        raise UploadCorrupted(
            operation.what, f"{_difference(local, file)} {removed}", "run the same step again"
        )
    return file, session.bytes_sent


def _update(
    operation: Operation, local: LocalFile, existing: DriveFile, on_progress: Progress | None
) -> tuple[DriveFile, int]:
    target = Target(
        method="PATCH",
        url=operation.service.upload_url(existing.id, fields=FIELDS),
        metadata={},
        media_type=_media_type(existing.name),
    )
    session = UploadSession(operation, local, target, on_progress)
    described = operation.again(session.step)
    file = drive_file(described) if is_complete(described) else _look(operation, existing.id)
    if not _matches(local, file):
        raise UploadCorrupted(
            operation.what,
            f"{_difference(local, file)} The content before is intact as revision "
            f"{existing.head_revision_id} of file {existing.id}.",
            "run the same step again, or restore that revision in Google Drive (Manage versions): "
            f"{existing.web_view_link}",
        )
    return file, session.bytes_sent


def _matches(local: LocalFile, file: DriveFile) -> bool:
    checksums = local.checksums()
    local.check_unchanged()  # a changed file explains other checksums, and is no success with equal ones
    return checksums.match(file)


def _difference(local: LocalFile, file: DriveFile) -> str:
    ours = local.checksums()
    return (
        f"Drive stored {file.size} bytes with md5 {file.md5} and sha256 {file.sha256 or 'not given'}; the "
        f"local file has {ours.size} bytes, md5 {ours.md5}, sha256 {ours.sha256}."
    )


def _remove(operation: Operation, file_id: str) -> str:
    """Take our own bad file away, and say in a sentence how that went: the error at hand matters more."""
    try:
        move_to_trash(operation, file_id)
    except DriveError as error:
        return f"The bad copy {file_id} could not be removed and must be removed by hand: {error.why}"
    return "The bad copy was moved to the trash."


def _settle_twins(
    operation: Operation, root: RootFolder, local: LocalFile, folder: str, ours: DriveFile
) -> tuple[DriveFile, Literal["created", "unchanged"]]:
    """Two writers may have made the file at once. Two of the same content are one too many, others an error.

    The loser of the fixed rule removes its own file. The winner leaves the other's alone: its writer may
    still be at work, and a file that was reported as made must not vanish.
    """
    found = files_in(operation, root, folders_named(operation, root, folder), name=ours.name)
    # The list can lag behind the create, so ours is put in whether it shows or not.
    candidates = sorted(
        [ours, *(file for file in found if file.id != ours.id)], key=lambda file: file.age_order
    )
    winner = candidates[0]
    if any(not local.checksums().match(file) for file in candidates):
        raise twin_files(operation, ours.name, candidates)
    if winner.id == ours.id:
        return ours, "created"
    move_to_trash(operation, ours.id)
    return winner, "unchanged"


def _look(operation: Operation, file_id: str) -> DriveFile:
    files = operation.service.files
    described = operation.call(files.get(fileId=file_id, fields=FIELDS, supportsAllDrives=True))
    if not is_complete(described):
        raise operation.unavailable("Drive has not finished taking the file")
    return drive_file(described)


def _media_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
