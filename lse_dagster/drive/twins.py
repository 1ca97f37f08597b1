"""Files of one name in one place, of which Drive allows any number: which is meant, what becomes of the rest.

The same content twice (a create that a list did not show, two machines) is no question for a person: the
oldest is kept, and whoever writes there moves the others to the trash. Different contents are one.
"""

from lse_dagster.drive.errors import DriveError, TwinFiles
from lse_dagster.drive.file import FIELDS, DriveFile, FileDescription, drive_file
from lse_dagster.drive.folder import RootFolder, files_in, move_to_trash, without_checksum
from lse_dagster.drive.operation import Operation


def only_file(operation: Operation, root: RootFolder, folder_ids: list[str], name: str) -> DriveFile | None:
    """The oldest file of this name, None if there is none. Raises `TwinFiles` if others differ from it."""
    found = _oldest_first(operation, root, folder_ids, name)
    return found[0] if found else None


def keep_one(
    operation: Operation, root: RootFolder, folder_ids: list[str], name: str
) -> tuple[DriveFile | None, tuple[str, ...]]:
    """As `only_file`, and the ids of the others, which are in the trash now.

    One that this account may not remove stays: it harms nobody.
    """
    found = _oldest_first(operation, root, folder_ids, name)
    removed = []
    for twin in found[1:]:
        now = look(operation, twin.id)  # a list may show what the file was
        if not _same_content([found[0], now]):
            raise twin_files(operation, name, [found[0], now])
        try:
            move_to_trash(operation, twin.id)
        except DriveError:
            continue
        removed.append(twin.id)
    return (found[0] if found else None), tuple(removed)


def twin_files(operation: Operation, name: str, twins: list[DriveFile]) -> TwinFiles:
    """The error that names them all."""
    listed = ", ".join(
        f"{file.id} ({file.size} bytes, created {file.created_time:%Y-%m-%dT%H:%M:%SZ})" for file in twins
    )
    return TwinFiles(
        operation.what,
        f'Drive has {len(twins)} files called "{name}" there: {listed}.',
        f"open them (https://drive.google.com/file/d/ID), move the wrong ones to the trash, and run again; "
        f"the oldest is {twins[0].id}",
    )


def look(operation: Operation, file_id: str) -> DriveFile:
    """The file as it is now. Raises `DriveUnavailable` while Drive does not tell its checksum."""
    request = operation.service.files.get(fileId=file_id, fields=FIELDS, supportsAllDrives=True)
    file = drive_file(operation.call(request, FileDescription))
    if file is None:
        raise without_checksum(operation, file_id)
    return file


def _oldest_first(
    operation: Operation, root: RootFolder, folder_ids: list[str], name: str
) -> list[DriveFile]:
    found = sorted(files_in(operation, root, folder_ids, name=name), key=lambda file: file.age_order)
    if not _same_content(found):
        raise twin_files(operation, name, found)
    return found


def _same_content(files: list[DriveFile]) -> bool:
    """By size, md5, and sha256 where Drive tells it."""
    contents = {(file.size, file.md5) for file in files}
    return len(contents) <= 1 and len({file.sha256 for file in files if file.sha256 is not None}) <= 1
