"""The local side of an upload: one open file, hashed in a second thread, watched for changes.

The hash thread reads the file by itself, so that an upload may go back and send a part again, or begin in the
middle. Both read at given offsets of one descriptor, so both see the same file whatever happens to its name.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from lse_dagster.drive.errors import LocalFileChanged, LocalFileUnreadable
from lse_dagster.drive.file import Algorithm, Content, DriveFile, Hasher, told_by

PIECE = 1 << 20
"""Bytes per read: 1 MiB keeps memory flat and is as fast as larger pieces."""


class LocalFile:
    """A file as it was when it was opened. A context manager, because it holds a descriptor and a thread."""

    def __init__(self, path: Path, *, what: str) -> None:
        self._path = path
        self._what = what
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise self._unreadable(error) from None
        status = os.fstat(self._descriptor)
        self.size = status.st_size
        """Bytes."""
        self.identity = _identity(status)
        """Device, inode, size in bytes and mtime in nanoseconds: tells one state of a file from another."""
        self.expected: str | None = None
        """The sha256 that the content must have, if anybody said one."""
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="drive-checksums")
        # At once, beside everything else. An md5 is only wanted where Drive gives no sha256.
        self._contents: dict[Algorithm, Future[Content]] = {"sha256": self._pool.submit(self._hash, "sha256")}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._pool.shutdown()
        os.close(self._descriptor)

    def pieces_to_send(self, offset: int) -> Iterator[memoryview]:
        """As `pieces`, but the last one only when the whole content has the hash that is expected, if one is.

        An upload that lacks its last bytes is none, so what rots while it is sent never arrives.
        """
        if self.expected is None:
            yield from self.pieces(offset)
            return
        hasher = Hasher("sha256")
        for piece in self.pieces(0, end=offset):
            hasher.update(piece)
        for piece in self.pieces(offset):
            hasher.update(piece)
            if hasher.size == self.size and hasher.content().checksum != self.expected:
                raise self._changed()
            yield piece

    def pieces(self, offset: int, *, end: int | None = None) -> Iterator[memoryview]:
        """The content from the offset to the end; each piece is good until the next one is asked for.

        Raises `LocalFileChanged` if the file got shorter.
        """
        buffer = memoryview(bytearray(PIECE))
        end = self.size if end is None else end
        while offset < end:
            try:
                length = os.preadv(self._descriptor, [buffer[: end - offset]], offset)
            except OSError as error:
                raise self._unreadable(error) from None
            if not length:
                raise self._changed()
            offset += length
            yield buffer[:length]

    def content(self, algorithm: Algorithm) -> Content:
        """Size and checksum of the whole content; waits for the hash thread. Raises as `pieces` does."""
        if algorithm not in self._contents:
            self._contents[algorithm] = self._pool.submit(self._hash, algorithm)
        return self._contents[algorithm].result()

    def expect(self, sha256: str) -> None:
        """Raise `LocalFileChanged` unless the content has this hash, now and while it is sent."""
        self.expected = sha256
        if self.content("sha256").checksum != sha256:
            raise self._changed()

    def is_content_of(self, file: DriveFile) -> bool:
        """Whether Drive has exactly this content. Raises as `content` does."""
        told = told_by(file)
        return told.size == self.size and told == self.content(told.algorithm)

    def check_unchanged(self) -> None:
        """Raise `LocalFileChanged` unless the path still leads to the file that was opened, untouched."""
        try:
            now = (_identity(os.fstat(self._descriptor)), _identity(self._path.stat()))
        except OSError:
            raise self._changed() from None
        if now != (self.identity, self.identity):
            raise self._changed()

    def _hash(self, algorithm: Algorithm) -> Content:
        hashers = {name: Hasher(name) for name in ("sha256", algorithm)}
        for piece in self.pieces(0):
            if self._closing.is_set():
                return hashers[algorithm].content()
            for hasher in hashers.values():
                hasher.update(piece)
        # An md5 is of the same content as the sha256 or worth nothing: what rots meanwhile keeps its mtime.
        if algorithm != "sha256" and hashers["sha256"].content() != self.content("sha256"):
            raise self._changed()
        return hashers[algorithm].content()

    def _changed(self) -> LocalFileChanged:
        return LocalFileChanged(
            self._what,
            f"{self._path} changed while it was being uploaded.",
            "let whatever writes the file finish, then run the same step again",
        )

    def _unreadable(self, error: OSError) -> LocalFileUnreadable:
        return LocalFileUnreadable(
            self._what,
            f"{self._path} cannot be read: {error.strerror or type(error).__name__}.",
            "check that the file is there and readable, then run the same step again",
        )


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class InUse(Exception):
    """Another writer has the file now."""


@contextlib.contextmanager
def exclusive_file(path: Path, *, mode: int) -> Iterator[BinaryIO]:
    """The file, made with this mode if it is not there, open for reading and writing at its beginning.

    Raises `InUse`, and `OSError` where it cannot be opened (a symbolic link is not followed).
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with open(descriptor, "r+b") as file:  # noqa: PTH123  a descriptor, not a path
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse from None
            if not _is_at(file, path):
                continue  # it was published or removed between opening and locking
            yield file
            return


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
