"""Reading the directory of a zip strictly: foreign input, of which nothing is believed that is not checked.

`check` compares the directory with itself and with the local headers before a byte is inflated. What passes
holds plain files that do not overlap; their names and sizes are still the caller's to compare.
"""

import hashlib
import os
import stat
import struct
import unicodedata
from collections.abc import Iterator
from io import BufferedIOBase, BufferedReader, RawIOBase
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from lse_dagster.day.errors import BrokenZip, UnreadableFile
from lse_dagster.day.foreign import is_foreign_file
from lse_dagster.day.zip.format import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    COUNT_NEEDS_64,
    DEFLATED,
    END,
    END64,
    END64_SIGNATURE,
    END_SIGNATURE,
    EXTRA_64,
    FLAG_UTF8,
    LOCAL,
    LOCAL_SIGNATURE,
    LOCATOR64,
    LOCATOR64_SIGNATURE,
    NEEDS_64,
    STORED,
    UNIX,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_READ_AT_ONCE: Final = 1 << 16
_HASH_AT_ONCE: Final = 1 << 20
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_DESCRIPTOR: Final = 0x8
_KNOWN_FLAGS: Final = 0x6 | _DESCRIPTOR | FLAG_UTF8  # 0x6: how hard the compressor tried
_LONGEST_COMMENT: Final = 0xFFFF
_COUNTED: Final = 1 << 16
_FOLDER: Final = 0x10  # of DOS
_LIKELY_HEADER: Final = 128
"""Bytes. The local header of a trace file fits, its name and Zip64 part included."""
_MOST_INFLATION: Final = 1_032  # what deflate can do at best: zlib's documentation


class Member(NamedTuple):
    """One member as the directory describes it. `offset` is where its local header lies."""

    name: str
    flags: int
    method: int
    crc: int
    compressed: int
    size: int
    offset: int
    kind: int
    """The file type as Unix writes it into a mode; 0 when the directory does not say."""


class ZipDirectory:
    """An open zip. Reading from it is safe from any number of threads."""

    def __init__(self, path: Path) -> None:
        """Open a zip and read its directory. Raises `BrokenZip`."""
        self.path = path
        try:
            self._file = path.open("rb", buffering=0)
        except FileNotFoundError:
            raise self.broken("there is no such file") from None
        except OSError as error:
            raise UnreadableFile(f"Reading the zip {path}", error) from error
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self._count, self._begin, self._length = self._find_directory()
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def sha256(self) -> str:
        """The hash of the whole file that is open, whatever its name leads to by now. Raises `DiskError`."""
        digest = hashlib.sha256()
        for at in range(0, self._size, _HASH_AT_ONCE):
            digest.update(self._read_some(at, _HASH_AT_ONCE))
        return digest.hexdigest()

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the file. Raises `BrokenZip` where it ends too early, `DiskError`."""
        data = self._read_some(offset, size)
        if len(data) != size:
            raise self.broken("it ends too early")
        return data

    def _read_some(self, offset: int, size: int) -> bytes:
        """As many of these bytes as there are. Raises `DiskError`."""
        # A hostile directory claims more than the system could count, or than fits into memory.
        size = min(size, self._size - offset)
        if size <= 0:
            return b""
        try:
            return os.pread(self._file.fileno(), size, offset)
        except OSError as error:
            raise UnreadableFile(f"Reading the zip {self.path}", error) from error

    def members(self) -> Iterator[Member]:
        """Every member, in the order of the directory. Raises `BrokenZip`."""
        records = BufferedReader(_Part(self, self._begin, self._length), _READ_AT_ONCE)
        for _ in range(self._count):
            yield self._parse(records)
        if records.read(1):
            raise self.broken("its directory holds more than its members")

    def foreign_names(self) -> list[str]:
        """What a file manager has put in, which is left out. Raises `BrokenZip`."""
        return [member.name for member in self.members() if is_foreign_file(member.name)]

    def member(self, name: str) -> Member:
        """The first member of a name. Raises `BrokenZip`."""
        found = next((member for member in self.members() if member.name == name), None)
        if found is None:
            raise self.broken(f"it holds no {name}{self._where_instead(name)}")
        return found

    def _where_instead(self, name: str) -> str:
        """Where a member lies that is not where it should be, in words."""
        names = (member.name for member in self.members() if not is_foreign_file(member.name))
        within = next((found for found in names if found.endswith(f"/{name}")), None)
        if within is None:
            return ""
        return f" but {within!r}: it was made of a folder. Zip the files in the folder, not the folder"

    def check(self) -> Iterator[str]:
        """Everything about the members that no zip of ours has. Raises `BrokenZip`."""
        free = 0
        for member in self.members():
            if not is_foreign_file(member.name):
                yield from _peculiarities(member)
            if member.offset < free:
                yield f"{member.name!r} overlaps the member before it"
            free = self.data_offset(member) + member.compressed
            if free > self._begin:
                yield f"{member.name!r} overlaps the directory"

    def data_offset(self, member: Member) -> int:
        """Where a member's data begins. Raises `BrokenZip` when its local header says otherwise."""
        return member.offset + self._header_size(member, self._read_some(member.offset, _LIKELY_HEADER))

    def packed(self, member: Member) -> bytes | memoryview:
        """A member's data as it lies in the zip, in one read. Raises `BrokenZip` as `data_offset` does."""
        raw = self._read_some(member.offset, _LIKELY_HEADER + member.compressed)
        begin = self._header_size(member, raw)
        end = begin + member.compressed
        if end > len(raw):
            return self.read(member.offset + begin, member.compressed)
        return memoryview(raw)[begin:end]

    def _header_size(self, member: Member, raw: bytes) -> int:
        """The size of the local header that `raw` begins with; the rest of a long one is read."""
        if len(raw) < LOCAL.size:
            raise self.broken("it ends too early")
        header = LOCAL.unpack_from(raw)
        signature, _, flags, method, _, _, crc, compressed, size, name_length, extra_length = header
        if signature != LOCAL_SIGNATURE:
            raise self.broken(f"{member.name!r} has no local header")
        name_end: int = LOCAL.size + name_length
        end: int = name_end + extra_length
        if end > len(raw):
            raw = self.read(member.offset, end)
        if NEEDS_64 in {size, compressed}:
            size, compressed, _ = self._full_numbers(raw[name_end:end], size, compressed, 0)
        told = (self._decode(raw[LOCAL.size : name_end], flags), flags, method, crc, compressed, size)
        promised = (member.name, member.flags, member.method, member.crc, member.compressed, member.size)
        follows = flags & _DESCRIPTOR and (crc, compressed, size) == (0, 0, 0)
        if told[:3] != promised[:3] or (told != promised and not follows):
            raise self.broken(f"the local header of {member.name!r} contradicts the directory")
        return end

    def broken(self, why: str) -> BrokenZip:
        """The error for a zip that cannot be used."""
        return broken_zip(self.path, why)

    def _find_directory(self) -> tuple[int, int, int]:
        """How many members there are, where the directory begins, and its size in bytes."""
        length = min(self._size, END.size + _LONGEST_COMMENT)
        tail = self.read(self._size - length, length)
        at = tail.rfind(END_SIGNATURE)
        if at < 0 or len(tail) - at < END.size:
            raise self.broken("it is no zip, or its end is missing")
        _, disk, first_disk, here, count, size, begin, comment = END.unpack_from(tail, at)
        if len(tail) != at + END.size + comment or disk or first_disk or here != count:
            raise self.broken("its end is damaged")
        end = self._size - length + at
        end64 = None
        if count == COUNT_NEEDS_64 or NEEDS_64 in {size, begin}:
            end64 = self._read_end64(end)
        if end64 is not None:
            count, size, begin, end = end64
        if begin + size != end:
            raise self.broken("its directory is not where its end says")
        if count * CENTRAL.size > size:
            raise self.broken("its directory ends too early")
        return count if end64 is not None else self._count_anew(count, begin, size), begin, size

    def _count_anew(self, count: int, begin: int, size: int) -> int:
        """How many members a directory has whose end has 16 bits for the number.

        Finder writes no Zip64 end: of more than 65,535 members it tells what 16 bits hold.
        """
        if size < (count + _COUNTED) * CENTRAL.size:
            return count
        found, records = 0, BufferedReader(_Part(self, begin, size), _READ_AT_ONCE)
        while records.peek(1):
            self._parse(records)
            found += 1
        return found if found % _COUNTED == count else count

    def _read_end64(self, end: int) -> tuple[int, int, int, int] | None:
        """The same from the Zip64 end, and where that lies; None when there is none."""
        locator_at = end - LOCATOR64.size
        if locator_at < END64.size:
            return None
        signature, _, at, _ = LOCATOR64.unpack(self.read(locator_at, LOCATOR64.size))
        if signature != LOCATOR64_SIGNATURE:
            return None
        if at + END64.size != locator_at:
            raise self.broken("its Zip64 end is damaged")
        signature, _, _, _, disk, first_disk, here, count, size, begin = END64.unpack(
            self.read(at, END64.size)
        )
        if signature != END64_SIGNATURE or disk or first_disk or here != count:
            raise self.broken("its Zip64 end is damaged")
        return count, size, begin, at

    def _parse(self, records: BufferedIOBase) -> Member:
        try:
            (
                signature, _, made_by, _, _, flags, method, _, _, crc, compressed, size,
                name_length, extra_length, comment_length, _, _, attributes, offset,
            ) = CENTRAL.unpack(records.read(CENTRAL.size))  # fmt: skip
        except struct.error:
            raise self.broken("its directory ends too early") from None
        extra_end = name_length + extra_length
        rest = records.read(extra_end + comment_length)
        if signature != CENTRAL_SIGNATURE or len(rest) != extra_end + comment_length:
            raise self.broken("its directory is damaged")
        if NEEDS_64 in {size, compressed, offset}:
            extra = rest[name_length:extra_end]
            size, compressed, offset = self._full_numbers(extra, size, compressed, offset)
        name = self._decode(rest[:name_length], flags)
        kind = stat.S_IFMT(attributes >> 16) if made_by == UNIX else 0
        if attributes & _FOLDER:
            kind = stat.S_IFDIR
        return Member(name, flags, method, crc, compressed, size, offset, kind)

    def _full_numbers(self, extra: bytes, *numbers: int) -> tuple[int, int, int]:
        """The sizes and the offset, those that need Zip64 from the extra field."""
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<2H", extra, at)
            if kind == EXTRA_64:
                part = extra[at + 4 : at + 4 + length]
                full = iter(struct.unpack_from(f"<{len(part) // 8}Q", part))
                size, compressed, offset = (next(full, -1) if n == NEEDS_64 else n for n in numbers)
                if -1 in {size, compressed, offset}:
                    break
                return size, compressed, offset
            at += 4 + length
        raise self.broken("a Zip64 part of its directory is missing")

    def _decode(self, name: bytes, flags: int) -> str:
        """The name in NFC, as ours are. Finder writes UTF-8 without saying so, and in NFD."""
        if name.isascii():
            return name.decode("ascii")
        try:
            return unicodedata.normalize("NFC", name.decode("utf-8"))
        except UnicodeDecodeError:
            if flags & FLAG_UTF8:
                raise self.broken(f"the name {name!r} is not UTF-8") from None
            return name.decode("cp437")


class _Part(RawIOBase):
    """Some bytes of a zip. Its directory may be as large as the zip: never in memory as a whole."""

    def __init__(self, archive: ZipDirectory, begin: int, size: int) -> None:
        self._archive = archive
        self._at = begin
        self._end = begin + size

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Raises `BrokenZip`, `DiskError`."""
        view = memoryview(buffer).cast("B")
        data = self._archive.read(self._at, min(len(view), self._end - self._at))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def broken_zip(path: Path, why: str) -> BrokenZip:
    """The error for a zip that cannot be used."""
    return BrokenZip(
        f"Reading the day zip {path}",
        f"{why}.",
        "Make it again from the day folder (`day_zip`), or restore the day from Drive.",
    )


def _peculiarities(member: Member) -> Iterator[str]:
    name = member.name
    if member.flags & _ENCRYPTED:
        yield f"{name!r} is encrypted"
    elif member.flags & ~_KNOWN_FLAGS or member.method not in {STORED, DEFLATED}:
        yield f"{name!r} is packed in a way that no day zip is"
    if member.kind not in {0, stat.S_IFREG}:
        yield f"{name!r} is {_KINDS.get(member.kind, 'no plain file')}"
    if member.method == STORED and member.compressed != member.size:
        yield f"{name!r} claims {member.size:,} bytes and holds {member.compressed:,}"
    if member.size > max(member.compressed, 1) * _MOST_INFLATION:
        yield f"{name!r} claims {member.size:,} bytes in {member.compressed:,}"
    if member.compressed > 2 * member.size + 1_024:
        yield f"{name!r} claims {member.size:,} bytes and holds {member.compressed:,} compressed ones"


_KINDS: Final = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link"}
