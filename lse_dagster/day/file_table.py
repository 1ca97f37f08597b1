"""The files of a day as its summary lists them: there may be hundreds of thousands, and memory is little.

As a dict of objects each would take 380 bytes; in columns it takes about 115, its name included.
"""

import hashlib
import re
from array import array
from bisect import bisect_left
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Final

import msgspec

_DIGEST: Final = hashlib.sha256().digest_size


class FileEntry(msgspec.Struct, frozen=True, gc=False):
    """One file of the day: its size in bytes, its sha256 in hex, and how many runs it holds.

    An attachment holds none.
    """

    bytes: int
    sha256: str
    runs: int


class FileTable(Mapping[str, FileEntry]):
    """Files by name, in the order of their names. Each has a position in that order, from 0 on."""

    def __init__(self, files: Iterable[tuple[str, FileEntry]] = ()) -> None:
        """Files in any order. Raises `ValueError` for a name that comes twice and for no sha256 or size."""
        if not self._fill(files) and not self._fill(sorted(self.items(), key=itemgetter(0))):
            raise ValueError("a file is listed twice")

    def _fill(self, files: Iterable[tuple[str, FileEntry]]) -> bool:
        """Whether each name came after the one before it."""
        self._names, self._ends = bytearray(), array("I")
        self._bytes, self._digests, self._runs = array("Q"), bytearray(), array("I")
        ascending, before = True, ""
        for name, entry in files:
            digest = bytes.fromhex(entry.sha256)
            if len(digest) != _DIGEST:
                raise ValueError(f"the sha256 of {name!r} is none")
            self._names += name.encode()
            self._digests += digest
            try:
                self._ends.append(len(self._names))
                self._bytes.append(entry.bytes)
                self._runs.append(entry.runs)
            except OverflowError:
                raise ValueError(f"a number of {name!r} is none") from None
            ascending, before = ascending and before < name, name
        return ascending

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        return map(self.name, range(len(self)))

    def __getitem__(self, name: str) -> FileEntry:
        position = self.position(name)
        if position < 0:
            raise KeyError(name)
        return self.entry(position)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FileTable):
            return NotImplemented
        return self._columns() == other._columns()

    __hash__ = None  # type: ignore[assignment]

    def items(self) -> ItemsView[str, FileEntry]:
        """Every name and entry, without looking each name up."""
        return _Items(self)

    def position(self, name: str, *, guess: int = 0) -> int:
        """Where a file stands; -1 for none of the day's. At once where the guess is right."""
        if 0 <= guess < len(self) and self.name(guess) == name:
            return guess
        found = bisect_left(range(len(self)), name, key=self.name)
        return found if found < len(self) and self.name(found) == name else -1

    def beginning_with(self, prefix: str) -> Iterator[str]:
        """The names that begin so, in their order."""
        position = bisect_left(range(len(self)), prefix, key=self.name)
        while position < len(self) and (name := self.name(position)).startswith(prefix):
            yield name
            position += 1

    def name(self, position: int) -> str:
        """The name of a file."""
        begin = self._ends[position - 1] if position else 0
        return self._names[begin : self._ends[position]].decode()

    def entry(self, position: int) -> FileEntry:
        """What the summary says of a file."""
        digest = self._digests[position * _DIGEST : (position + 1) * _DIGEST]
        return FileEntry(self._bytes[position], digest.hex(), self._runs[position])

    @property
    def total_bytes(self) -> int:
        """The size of all files together."""
        return sum(self._bytes)

    def content_sha256(self, last_line: bytes = b"") -> str:
        """The sha256 of the lines `<sha256>  <name>`, which `sha256sum *` prints, and of one line more."""
        digest = hashlib.sha256()
        begin = 0
        for position, end in enumerate(self._ends):
            sha256 = self._digests[position * _DIGEST : (position + 1) * _DIGEST].hex()
            digest.update(b"%s  %s\n" % (sha256.encode(), self._names[begin:end]))
            begin = end
        digest.update(last_line)
        return digest.hexdigest()

    def _columns(self) -> tuple[object, ...]:
        return self._names, self._ends, self._bytes, self._digests, self._runs


class _Items(ItemsView[str, FileEntry]):
    def __init__(self, files: FileTable) -> None:
        super().__init__(files)
        self._files = files

    def __iter__(self) -> Iterator[tuple[str, FileEntry]]:
        files = self._files
        return ((files.name(position), files.entry(position)) for position in range(len(files)))


_FILES: Final = re.compile(rb'[{,]\s*"files"\s*:\s*(?=\{)')
"""Begins the list. No string of JSON holds this: a quote in it is escaped."""

_END_OF_FILES: Final = re.compile(rb"[{}]\s*\}")
_END_OF_FILE: Final = b"},"

_SOME: Final = msgspec.json.Decoder(dict[str, FileEntry])


def split_summary(pieces: Iterable[bytes | bytearray]) -> tuple[bytes, FileTable]:
    """The text with an empty list of files, and the files.

    A text without such a list comes back as it is. Raises `ValueError` (also as `msgspec.MsgspecError`) for a
    list that is none, and what the iterable raises.
    """
    text = _Text(pieces)
    before = text.through_key()
    if before is None:
        return text.rest(), FileTable()
    files = FileTable(text.files())
    return before + b"{}" + text.rest(), files


class _Text:
    """A text that is read once, from its beginning; only what is not taken yet is in memory."""

    def __init__(self, pieces: Iterable[bytes | bytearray]) -> None:
        self._pieces = iter(pieces)
        self._read = bytearray()

    def _more(self) -> bool:
        """Read more than as much again as there is: searching all of it each time then costs little."""
        before = len(self._read)
        for piece in self._pieces:
            self._read += piece
            if len(self._read) > 2 * before:
                break
        return len(self._read) > before

    def _take(self, size: int) -> bytes:
        taken = bytes(memoryview(self._read)[:size])
        del self._read[:size]
        return taken

    def through_key(self) -> bytes | None:
        """All before the list of files; None, and nothing taken, where there is no list."""
        while (found := _FILES.search(self._read)) is None:
            if not self._more():
                return None
        return self._take(found.end())

    def files(self) -> Iterator[tuple[str, FileEntry]]:
        """The files of the list that comes next."""
        while (end := _END_OF_FILES.search(self._read)) is None:
            last = self._read.rfind(_END_OF_FILE)
            if last >= 0:
                yield from _SOME.decode(self._take(last + 1) + b"}").items()
                self._read[:1] = b"{"
            if not self._more():
                raise ValueError("its list of files has no end")
        yield from _SOME.decode(self._take(end.end())).items()

    def rest(self) -> bytes:
        """All that was not taken."""
        while self._more():
            pass
        return self._take(len(self._read))
