"""Taking the list of files out of the text of a summary piece by piece.

The list is nearly all of the text, and as text it takes more memory than as a `FileTable`. The rest is small
and is left to one JSON decoder. No name of a day's file holds a brace, so a file ends where its brace is; in
a text where that is wrong the pieces are no JSON.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from lse_dagster.day.file_table import FileEntry, FileTable

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
