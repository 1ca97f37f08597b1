"""The checksum that proves a content: the strongest one that Drive tells of a file, computed on our side.

One checksum is enough and computing a second one costs: md5 alone runs slower than a fast network.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from lse_dagster.drive.file import DriveFile

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
