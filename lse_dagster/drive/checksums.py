"""The checksums that Drive keeps of a file, computed on our side and compared."""

import hashlib
from dataclasses import dataclass

from lse_dagster.drive.file import DriveFile


@dataclass(frozen=True)
class Checksums:
    """Size in bytes and checksums in lower-case hex of one content."""

    size: int
    md5: str
    sha256: str

    def match(self, file: DriveFile) -> bool:
        """Whether Drive has exactly this content, as far as it says; it has not always a sha256."""
        return (
            file.size == self.size
            and file.md5 == self.md5
            and (file.sha256 is None or file.sha256 == self.sha256)
        )


class Hasher:
    """Takes a content piece by piece. One thread at a time."""

    def __init__(self) -> None:
        self._size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    def update(self, piece: bytes) -> None:
        """The next piece; the interpreter lock is free meanwhile."""
        self._size += len(piece)
        self._md5.update(piece)
        self._sha256.update(piece)

    def result(self) -> Checksums:
        """The checksums of everything so far."""
        return Checksums(self._size, self._md5.hexdigest(), self._sha256.hexdigest())
