"""A file on Drive as the other rooms see it: an immutable value, and the checksum that proves its content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import msgspec

FIELDS = (
    "id,name,parents,trashed,size,md5Checksum,sha256Checksum,headRevisionId,createdTime,modifiedTime,"
    "webViewLink,appProperties"
)
"""What every call asks for. `sha256Checksum` comes "if available", `headRevisionId` perhaps not to one
who may only read (users of Google's client report so of revisions); the rest every binary file has."""

_md5 = partial(hashlib.md5, usedforsecurity=False)

AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]


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
    """The md5 where Drive names no revision: it changes with the content as well."""
    created_time: datetime
    modified_time: datetime
    is_trashed: bool
    """In the trash, by itself or with its folder: gone in 30 days."""
    parents: tuple[str, ...] = ()
    """The ids of the folders that it is in, as far as the account may know them."""
    app_properties: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What this app has written down with the file; nobody else can read or change it."""

    @property
    def age_order(self) -> tuple[datetime, str]:
        """The fixed rule between twins: the oldest wins, then the smaller id."""
        return (self.created_time, self.id)

    @property
    def state(self) -> tuple[str, str, str]:
        """What tells one content of one file from all others."""
        return (self.id, self.head_revision_id, self.md5)

    def holds(self, path: Path, sha256: str) -> bool:
        """Whether a local file of this sha256 has the same content. Raises `OSError`."""
        if self.sha256 is not None:
            return self.sha256 == sha256
        with path.open("rb") as local:
            return self.md5 == hashlib.file_digest(local, _md5).hexdigest()


class FileDescription(msgspec.Struct, frozen=True, rename="camel"):
    """Drive's answer when it is asked for `FIELDS`. Documents, folders and shortcuts have no checksum."""

    id: str
    name: str
    parents: tuple[str, ...] = ()
    trashed: bool = False
    size: int | None = None
    md5_checksum: str | None = None
    sha256_checksum: str | None = None
    head_revision_id: str | None = None
    created_time: AwareTime | None = None
    modified_time: AwareTime | None = None
    web_view_link: str = ""
    app_properties: dict[str, str] = {}


def lacks_checksum(described: FileDescription) -> bool:
    """Whether this is a file with bytes of its own, and Drive has not come to tell its checksum yet."""
    return described.head_revision_id is not None and drive_file(described) is None


def drive_file(described: FileDescription) -> DriveFile | None:
    """The file if the description is complete: what has no bytes of its own has none."""
    if (
        described.size is None
        or described.md5_checksum is None
        or described.created_time is None
        or described.modified_time is None
    ):
        return None
    return DriveFile(
        id=described.id,
        name=described.name,
        size=described.size,
        md5=described.md5_checksum.lower(),
        sha256=described.sha256_checksum.lower() if described.sha256_checksum else None,
        web_view_link=described.web_view_link,
        head_revision_id=described.head_revision_id or described.md5_checksum.lower(),
        created_time=described.created_time,
        modified_time=described.modified_time,
        is_trashed=described.trashed,
        parents=described.parents,
        app_properties=described.app_properties,
    )


Algorithm = Literal["sha256", "md5"]


@dataclass(frozen=True)
class Content:
    """Size in bytes and a checksum in lower-case hex of one content."""

    size: int
    algorithm: Algorithm
    checksum: str

    def __str__(self) -> str:
        return f"{self.size} bytes with {self.algorithm} {self.checksum}"


def told_by(file: DriveFile) -> Content:
    """The content that Drive says the file has: by its sha256, and by its md5 where Drive gives no sha256."""
    if file.sha256 is not None:
        return Content(file.size, "sha256", file.sha256)
    return Content(file.size, "md5", file.md5)


class Hasher:
    """Takes a content piece by piece. One thread at a time."""

    def __init__(self, algorithm: Algorithm) -> None:
        self._algorithm = algorithm
        self.size = 0
        """Bytes so far."""
        self._digest = hashlib.new(algorithm, usedforsecurity=False)

    def update(self, piece: bytes | memoryview) -> None:
        """The next piece; the interpreter lock is free meanwhile."""
        self.size += len(piece)
        self._digest.update(piece)

    def content(self) -> Content:
        """Everything so far."""
        return Content(self.size, self._algorithm, self._digest.hexdigest())
