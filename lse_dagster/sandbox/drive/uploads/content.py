"""Bytes on their way to the disk: written as they come and hashed on the way, never held in memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

CHUNK = 256 * 1024
"""The unit of resumable uploads: every piece but the last is a multiple of it."""
_BUFFER = 1024 * 1024


@dataclass(frozen=True)
class Content:
    """A complete content: where it is (by revision id), and its size and checksums."""

    revision: str
    mime_type: str
    size: int
    md5: str
    sha1: str
    sha256: str


class Digests:
    """The three checksums of the first `size` bytes of a file."""

    def __init__(self) -> None:
        self.size = 0
        self._hashes = [
            hashlib.md5(usedforsecurity=False),
            hashlib.sha1(usedforsecurity=False),
            hashlib.sha256(),
        ]

    @classmethod
    def of(cls, path: Path) -> "Digests":
        """The checksums of a whole file."""
        digests = cls()
        with path.open("rb") as file:
            while data := file.read(_BUFFER):
                digests.update(data)
        return digests

    def update(self, data: bytes) -> None:
        """Go on with what follows."""
        for one in self._hashes:
            one.update(data)
        self.size += len(data)

    def content(self, revision: str, mime_type: str) -> Content:
        """These checksums as a finished content."""
        md5, sha1, sha256 = (one.hexdigest() for one in self._hashes)
        return Content(revision, mime_type, self.size, md5, sha1, sha256)


class Sink:
    """A content file under construction. Used by one upload request at a time."""

    def __init__(self, path: Path, digests: Digests | None = None) -> None:
        self.path = path
        path.touch(exist_ok=True)
        stored = path.stat().st_size
        self.digests = digests if digests is not None and digests.size == stored else Digests.of(path)

    @property
    def size(self) -> int:
        """How many bytes are stored."""
        return self.digests.size

    def append(self, data: bytes) -> None:
        """Store what follows."""
        with self.path.open("ab") as file:
            file.write(data)
        self.digests.update(data)

    def cut(self, size: int) -> None:
        """Forget everything from this offset on."""
        if size < self.size:
            with self.path.open("r+b") as file:
                file.truncate(size)
            self.digests = Digests.of(self.path)


async def drain(pieces: AsyncIterator[bytes], sink: Sink) -> None:
    """Store a stream. What arrived is stored even if the stream breaks off."""
    buffer = bytearray()
    writing: asyncio.Future[None] | None = None  # one buffer is written while the next one fills
    try:
        async for piece in pieces:
            buffer += piece
            if len(buffer) >= _BUFFER:
                if writing is not None:
                    await writing
                data, buffer = bytes(buffer), bytearray()
                writing = asyncio.ensure_future(run_in_threadpool(sink.append, data))
    finally:
        if writing is not None:
            await writing
        if buffer:
            await run_in_threadpool(sink.append, bytes(buffer))
