"""What others did to a file while it was compared or uploaded: told, never passed over as a success.

Drive knows no conditional update, so what happens after the last look shows only afterwards. Old contents
stay as revisions for 30 days.
"""

from collections.abc import Iterator

import msgspec

from lse_dagster.drive.errors import FileMissing, FileMoved, FileReplaced, FileTrashed, PermissionMissing
from lse_dagster.drive.file import DriveFile
from lse_dagster.drive.operation import Operation

_PAGE_SIZE = 1000


class _Revision(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    md5_checksum: str = ""


class _Page(msgspec.Struct, frozen=True, rename="camel"):
    revisions: list[_Revision] = []
    next_page_token: str | None = None


def refuse_undecided(operation: Operation, existing: DriveFile, replacing: DriveFile | None) -> None:
    """A file is left alone that is not, as it is now, the one that was decided on."""
    if replacing is None or existing.state != replacing.state:
        raise FileReplaced(
            operation.what,
            f"The file {existing.id} came there, or got other content, after it was decided upon: "
            f"{existing.web_view_link}",
            "run the same step again: it looks at what is there now",
        )


def refuse_elsewhere(operation: Operation, file: DriveFile, name: str, folder_ids: list[str]) -> None:
    """An upload to what somebody put elsewhere meanwhile succeeds, and nobody finds it there.

    What is in the trash is gone in 30 days.
    """
    if file.name != name or (file.parents and not set(folder_ids) & set(file.parents)):
        raise FileMoved(
            operation.what,
            f'The file was renamed or moved meanwhile; it is called "{file.name}" now: {file.web_view_link}',
            "run the same step again to make a new copy, or put the file back in Google Drive",
        )
    if file.is_trashed:
        raise FileTrashed(
            operation.what,
            f"The file, or the folder around it, was put into the trash meanwhile: {file.web_view_link}",
            "run the same step again to make a new copy, or take it out of the trash in Google Drive",
        )


def refuse_unseen(operation: Operation, existing: DriveFile, file: DriveFile) -> None:
    """Say so when another writer's content was replaced that the policy was never asked about."""
    if unseen := _revisions_between(operation, existing, file):
        raise FileReplaced(
            operation.what,
            "Somebody put other content into the file meanwhile, and it was replaced unseen. It is intact as "
            f"revision {', '.join(unseen)} of file {file.id} for 30 days; the file holds this upload now.",
            f"compare the two in Google Drive (Manage versions): {file.web_view_link}",
        )


def _revisions_between(operation: Operation, before: DriveFile, after: DriveFile) -> list[str]:
    """The ids of other contents that the file had between two states of it; none where Drive does not tell.

    A content that was sent twice, because an answer was lost, is not another one.
    """
    try:
        revisions = list(_revisions(operation, after.id))
    except (FileMissing, PermissionMissing):
        return []
    ids = [revision.id for revision in revisions]
    if before.head_revision_id not in ids or after.head_revision_id not in ids:
        return []
    between = revisions[ids.index(before.head_revision_id) + 1 : ids.index(after.head_revision_id)]
    return [revision.id for revision in between if revision.md5_checksum.lower() != after.md5]


def _revisions(operation: Operation, file_id: str) -> Iterator[_Revision]:
    """The oldest first."""
    trail = operation.trail()
    token: str | None = None
    while True:
        request = operation.service.revisions.list(
            fileId=file_id,
            fields="nextPageToken,revisions(id,md5Checksum)",
            pageSize=_PAGE_SIZE,
            **({"pageToken": token} if token else {}),
        )
        page = operation.call(request, _Page)
        yield from page.revisions
        if not (token := trail.after(page.next_page_token, (revision.id for revision in page.revisions))):
            return
