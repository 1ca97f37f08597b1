"""A file on Drive as the other rooms see it: an immutable value, read from Drive's own description."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

FIELDS = (
    "id,name,parents,trashed,size,md5Checksum,sha256Checksum,headRevisionId,createdTime,modifiedTime,"
    "webViewLink"
)
"""What every call asks for. `sha256Checksum` comes "if available"; the rest every binary file has."""


@dataclass(frozen=True)
class DriveFile:
    """A binary file as Drive described it once. `size` in bytes, checksums in lower-case hex, times aware."""

    id: str
    name: str
    size: int
    md5: str
    sha256: str | None
    web_view_link: str
    head_revision_id: str
    created_time: datetime
    modified_time: datetime
    is_trashed: bool
    """In the trash, by itself or with its folder: gone in 30 days."""
    parents: tuple[str, ...] = ()
    """The ids of the folders that it is in, as far as the account may know them."""

    @property
    def age_order(self) -> tuple[datetime, str]:
        """The fixed rule between twins: the oldest wins, then the smaller id."""
        return (self.created_time, self.id)


def is_complete(described: Mapping[str, Any]) -> bool:
    """Whether this is a file with bytes of its own: documents, folders and shortcuts have no checksum."""
    return {
        "id",
        "name",
        "size",
        "md5Checksum",
        "headRevisionId",
        "createdTime",
        "modifiedTime",
    } <= described.keys()


def lacks_checksum(described: Mapping[str, Any]) -> bool:
    """Whether this is such a file, and Drive has not come to tell its checksum yet."""
    return "headRevisionId" in described and not is_complete(described)


def drive_file(described: Mapping[str, Any]) -> DriveFile:
    """The value for a description with `FIELDS`; it must be complete."""
    return DriveFile(
        id=described["id"],
        name=described["name"],
        size=int(described["size"]),
        md5=described["md5Checksum"].lower(),
        sha256=described["sha256Checksum"].lower() if described.get("sha256Checksum") else None,
        web_view_link=described.get("webViewLink", ""),
        head_revision_id=described["headRevisionId"],
        created_time=datetime.fromisoformat(described["createdTime"]),
        modified_time=datetime.fromisoformat(described["modifiedTime"]),
        is_trashed=bool(described.get("trashed")),
        parents=tuple(described.get("parents", ())),
    )
