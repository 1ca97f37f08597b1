"""Drive's file search, page by page: the query language, and who may be asked about what.

Trashed files are in every list unless the query says otherwise, so every query here does.
"""

from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from lse_dagster.drive.errors import DriveUnavailable
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
