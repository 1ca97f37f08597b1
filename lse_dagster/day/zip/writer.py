"""Packing the files of a day: deflated in threads, hashed on the way, written in order by one writer.

The bytes depend on the content, the level and the libraries' versions only, not on threads. Ordinary files
are deflated whole by libdeflate; a large one block by block by zlib, so that it is never held whole.
"""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from io import FileIO
from itertools import groupby
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, Final, NamedTuple

import deflate

from lse_dagster.day.disk import BINARY
from lse_dagster.day.zip.format import Entry, central_record, end_records, local_header
from lse_dagster.day.zip.threads import batches, in_order, worker_threads

OnProgress = Callable[[int, int], None]
"""Is told the files done and the files in all, often."""

DEFAULT_LEVEL: Final = 6
"""How hard to deflate, 1 (fast) to 9 (small). Six gives about the size of other tools' level 6."""

LARGE: Final = 2 << 20
"""Bytes. Files from this size on are deflated in blocks."""

_BLOCK: Final = 1 << 20
_WINDOW: Final = 1 << 15  # as far as deflate looks back
_END_OF_STREAM: Final = b"\x03\x00"  # an empty last block


class FileToPack(NamedTuple):
    """The name of a file, which becomes the member's, and what the file must hold."""

    name: str
    size: int
    sha256: str


class ChangedFile(Exception):
    """A file is missing or is not what its hash says."""


class _Packed(NamedTuple):
    file: FileToPack
    crc: int
    deflated: bytes


class _Block(NamedTuple):
    before: bytes
    content: bytes


def pack_files(
    folder: Path,
    files: Iterable[FileToPack],
    target: BinaryIO,
    *,
    total: int,
    level: int,
    on_progress: OnProgress | None = None,
) -> None:
    """Write a zip of these `total` files of a folder, in their order. Raises `ChangedFile`, `OSError`."""
    done = 0
    with worker_threads() as threads, SpooledTemporaryFile(_BLOCK) as directory:
        packing = _Packing(folder, target, directory, level)
        for is_large, group in groupby(files, key=lambda file: file.size >= LARGE):
            pack = packing.pack_large if is_large else packing.pack_small
            for packed in pack(threads, group):
                done += packed
                if on_progress is not None:
                    on_progress(done, total)
        packing.end()


class _Packing:
    """A zip that is being written; only the thread that made it writes. Its directory is gathered apart."""

    def __init__(self, folder: Path, target: BinaryIO, directory: IO[bytes], level: int) -> None:
        self._folder = folder
        self._target = target
        self._directory = directory
        self._level = level
        self._offset = 0
        self._count = 0

    def pack_small(self, threads: Executor, files: Iterable[FileToPack]) -> Iterator[int]:
        """Pack files side by side. Yields how many are done each time."""
        for packed in in_order(threads, self._deflate_files, batches(files, lambda file: file.size)):
            for file, crc, deflated in packed:
                entry = Entry(file.name, crc, len(deflated), file.size, self._offset)
                self._write(local_header(entry))
                self._write(deflated)
                self._list(entry)
            yield len(packed)

    def pack_large(self, threads: Executor, files: Iterable[FileToPack]) -> Iterator[int]:
        """Pack each file block by block, its blocks side by side."""
        for file in files:
            header_at = self._offset
            self._write(local_header(Entry(file.name, 0, 0, file.size, header_at)))
            begin = self._offset
            blocks = _Blocks(self._folder, file)
            for deflated in in_order(threads, self._deflate_block, blocks):
                self._write(deflated)
            self._write(_END_OF_STREAM)
            blocks.check()
            entry = Entry(file.name, blocks.crc, self._offset - begin, file.size, header_at)
            self._target.seek(header_at)
            self._target.write(local_header(entry))
            self._target.seek(self._offset)
            self._list(entry)
            yield 1

    def end(self) -> None:
        """Write the directory."""
        begin = self._offset
        self._directory.seek(0)
        while records := self._directory.read(_BLOCK):
            self._write(records)
        self._write(end_records(self._count, self._offset - begin, begin))

    def _deflate_files(self, files: list[FileToPack]) -> list[_Packed]:
        return [self._deflate_file(file) for file in files]

    def _deflate_file(self, file: FileToPack) -> _Packed:
        content = _read_small(self._folder, file)
        _compare(file, len(content), hashlib.sha256(content))
        deflated = deflate.deflate_compress(content, self._level)
        return _Packed(file, deflate.crc32(content), bytes(deflated))

    def _deflate_block(self, block: _Block) -> bytes:
        compressor = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zdict=block.before)
        # Ends at a byte, so that the next block can follow.
        return compressor.compress(block.content) + compressor.flush(zlib.Z_SYNC_FLUSH)

    def _write(self, data: bytes) -> None:
        self._target.write(data)
        self._offset += len(data)

    def _list(self, entry: Entry) -> None:
        self._directory.write(central_record(entry))
        self._count += 1


class _Blocks:
    """The blocks of a large file, read one by one; knows the CRC at the end."""

    def __init__(self, folder: Path, file: FileToPack) -> None:
        self._folder = folder
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0
        self.crc = 0

    def __iter__(self) -> Iterator[tuple[int, _Block]]:
        before = b""
        with FileIO(_open(self._folder, self._file)) as source:
            while content := source.read(_BLOCK):
                self._digest.update(content)
                self._size += len(content)
                self.crc = deflate.crc32(content, self.crc)
                if self._size > self._file.size:
                    return
                yield len(content), _Block(before, content)
                before = content[-_WINDOW:]

    def check(self) -> None:
        """Raise `ChangedFile` when what was read is not what the file must hold."""
        _compare(self._file, self._size, self._digest)


def _read_small(folder: Path, file: FileToPack) -> bytes:
    """The whole file; up to one byte more than it should have."""
    descriptor = _open(folder, file)
    try:
        return os.read(descriptor, file.size + 1)
    finally:
        os.close(descriptor)


def _open(folder: Path, file: FileToPack) -> int:
    try:
        return os.open(folder / file.name, os.O_RDONLY | BINARY)
    except FileNotFoundError:
        raise ChangedFile(f"{file.name} is missing") from None


def _compare(file: FileToPack, size: int, digest: "hashlib._Hash") -> None:
    if size != file.size or digest.hexdigest() != file.sha256:
        raise ChangedFile(f"{file.name} differs from its hash in the summary")
