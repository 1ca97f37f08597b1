"""A verified upload: counted as done only when Drive's size and checksum equal the local ones.

Decides between create, update and nothing to do; settles twins; cleans up what came out wrong. How the bytes
travel is `upload_session.py`'s matter, how an upload goes on in a new process `kept_session.py`'s.
"""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from lse_dagster.drive.errors import (
    AlreadyExists,
    DriveError,
    DriveUnavailable,
    LocalFileChanged,
    UploadCorrupted,
)
from lse_dagster.drive.file import FIELDS, DriveFile, FileDescription, drive_file, told_by
from lse_dagster.drive.folder import (
    RootFolder,
    ensure_folder,
    files_in,
    folders_named,
    move_to_trash,
    new_id,
)
from lse_dagster.drive.holder import folders_to_write
from lse_dagster.drive.operation import Operation
from lse_dagster.drive.transfer.conflict import refuse_elsewhere, refuse_undecided, refuse_unseen
from lse_dagster.drive.transfer.kept_session import KeptSession, SessionFile, SessionKey, session_file
from lse_dagster.drive.transfer.local_file import LocalFile
from lse_dagster.drive.transfer.upload_session import OnProgress, Target, UploadSession
from lse_dagster.drive.twins import keep_one, look, twin_files


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """What an upload came to.

    `unchanged`: the same content was there and nothing was sent, or another writer put it there at the same
    moment. `bytes_sent` counts bytes of content, those sent twice too, those that an earlier process has sent
    not; `requests` all HTTP requests but those
    for tokens; `retries` the tries after a fault.
    """

    file: DriveFile
    action: Literal["created", "updated", "unchanged"]
    bytes_sent: int
    twins_removed: tuple[str, ...]
    """The ids of files of the same name and content that are in the trash now."""
    requests: int
    retries: int


def upload(
    operation: Operation,
    root: RootFolder,
    path: Path,
    *,
    folder: str,
    name: str,
    replacing: DriveFile | None,
    sha256: str | None,
    properties: Mapping[str, str],
    session_path: Path | None,
    on_progress: OnProgress | None,
) -> Uploaded:
    """Bring the file to Drive; see `DriveArchive.upload`."""
    with (
        session_file(session_path, what=operation.what) as kept,
        LocalFile(path, what=operation.what) as local,
    ):
        sending = _Sending(operation, local, kept, properties, on_progress)
        folder_ids = folders_to_write(operation, root, folder)
        existing, twins_removed = keep_one(operation, root, folder_ids, name)
        if sha256 is not None:
            local.expect(sha256)
        action: Literal["created", "updated", "unchanged"]
        if existing is None:
            folder_id = folder_ids[0] if folder_ids else ensure_folder(operation, root, folder)
            file = _create(sending, folder_id, name)
            file, action = _settle_twins(operation, root, local, folder, file)
        elif local.is_content_of(existing):
            local.check_unchanged()
            kept.forget()
            file, action = existing, "unchanged"
        else:
            refuse_undecided(operation, existing, replacing)
            file, action = _update(sending, existing, folder_ids), "updated"
        file = _with_properties(operation, file, properties)
        for parent in file.parents:
            operation.service.known.remember(parent, name, file.id, now=operation.service.backoff.now())
    return Uploaded(
        file=file,
        action=action,
        bytes_sent=sending.bytes_sent,
        twins_removed=twins_removed,
        requests=operation.requests,
        retries=operation.retries,
    )


class _Sending:
    """What creating and updating share: one session that may have begun earlier, and its end."""

    def __init__(
        self,
        operation: Operation,
        local: LocalFile,
        kept: SessionFile,
        properties: Mapping[str, str],
        on_progress: OnProgress | None,
    ) -> None:
        self.operation = operation
        self.local = local
        self.properties = dict(properties)
        self.bytes_sent = 0
        self._kept = kept
        self._on_progress = on_progress

    def begun(self, *, folder_id: str, name: str, replaces: str) -> tuple[SessionKey, KeptSession | None]:
        """The key of an upload, and the session that was begun for it if there is one."""
        service = self.operation.service
        key = SessionKey(
            endpoint=service.root_url,
            account=service.account.name,
            folder_id=folder_id,
            name=name,
            replaces=replaces,
            local=self.local.identity,
            sha256=self.local.expected,
        )
        return key, self._kept.load(key, now=service.backoff.now())

    def send(
        self, target: Target, *, key: SessionKey, begun: KeptSession | None, file_id: str
    ) -> DriveFile | None:
        """The file that Drive has now, as it describes it; None if that got lost."""
        now = self.operation.service.backoff.now

        def keep(address: str | None) -> None:
            if address is None:
                self._kept.forget()
            else:
                self._kept.keep(KeptSession(key=key, file_id=file_id, began=now(), address=address))

        session = UploadSession(
            self.operation,
            self.local,
            target,
            on_progress=self._on_progress,
            address=begun.address if begun is not None else None,
            on_address=keep,
        )
        try:
            return _described(self.operation.again(session.step))
        except LocalFileChanged:
            self._kept.forget()  # what it holds so far may be what changed
            raise
        except DriveUnavailable:
            if begun is not None and session.is_stuck:
                self._kept.forget()  # it would keep every later process from its work, for a week
            raise
        finally:
            self.bytes_sent = session.bytes_sent


def _create(sending: _Sending, folder_id: str, name: str) -> DriveFile:
    operation, local = sending.operation, sending.local
    key, begun = sending.begun(folder_id=folder_id, name=name, replaces="")
    file_id = begun.file_id if begun is not None else new_id(operation)
    target = Target(
        method="POST",
        url=operation.service.upload_url(None, fields=FIELDS),
        metadata={
            "id": file_id,
            "name": name,
            "parents": [folder_id],
            "appProperties": sending.properties,
        },
        media_type=_media_type(name),
    )
    try:
        sent = sending.send(target, key=key, begun=begun, file_id=file_id)
    except AlreadyExists:
        sent = None  # an earlier session of ours had finished and only its answer was lost: look by id
    except LocalFileChanged:
        _remove(operation, file_id)  # the session may have finished before the change was noticed
        raise
    file = sent or look(operation, file_id)
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
    refuse_elsewhere(operation, file, name, [folder_id])
    return file


def _update(sending: _Sending, existing: DriveFile, folder_ids: list[str]) -> DriveFile:
    operation, local = sending.operation, sending.local
    replaces = f"{existing.id} {existing.head_revision_id}"
    key, begun = sending.begun(folder_id="", name=existing.name, replaces=replaces)
    target = Target(
        method="PATCH",
        url=operation.service.upload_url(existing.id, fields=FIELDS),
        metadata={"appProperties": sending.properties},
        media_type=_media_type(existing.name),
    )
    sent = sending.send(target, key=key, begun=begun, file_id=existing.id)
    file = sent or look(operation, existing.id)
    if not _matches(local, file):
        raise UploadCorrupted(
            operation.what,
            f"{_difference(local, file)} The content before is intact as revision "
            f"{existing.head_revision_id} of file {existing.id}.",
            "run the same step again, or restore that revision in Google Drive (Manage versions): "
            f"{existing.web_view_link}",
        )
    refuse_elsewhere(operation, file, existing.name, folder_ids)
    refuse_unseen(operation, existing, file)
    return file


def _with_properties(operation: Operation, file: DriveFile, properties: Mapping[str, str]) -> DriveFile:
    """The file with these among its properties, whoever put its content there and when."""
    if properties.items() <= file.app_properties.items():
        return file
    request = operation.service.files.update(
        fileId=file.id, body={"appProperties": dict(properties)}, fields=FIELDS, supportsAllDrives=True
    )
    return drive_file(operation.call(request, FileDescription)) or file


def _matches(local: LocalFile, file: DriveFile) -> bool:
    matches = local.is_content_of(file)
    local.check_unchanged()  # a changed file explains another checksum, and is no success with an equal one
    return matches


def _difference(local: LocalFile, file: DriveFile) -> str:
    told = told_by(file)
    return f"Drive stored {told}; the local file has {local.content(told.algorithm)}."


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
    if not all(local.is_content_of(file) for file in candidates):
        raise twin_files(operation, ours.name, candidates)
    if winner.id == ours.id:
        return ours, "created"
    move_to_trash(operation, ours.id)
    return winner, "unchanged"


def _described(answer: bytes) -> DriveFile | None:
    try:
        return drive_file(msgspec.json.decode(answer, type=FileDescription, strict=False))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _media_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
