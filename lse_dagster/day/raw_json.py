r"""Reading LangSmith's JSON where msgspec would refuse what others take, without changing a byte of it.

A text that was cut in the middle of an emoji holds half of a surrogate pair (`"\ud83d"`), and a run may be
nested a thousand deep. Neither may keep a day from being archived.
"""

import re
import sys
from typing import Any, Final, Generic, TypeVar

import msgspec

T = TypeVar("T")

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""One escape of a string, or two that are a pair; the group is half of a pair by itself."""
_NOTHING: Final = (b"null", b"{}", b"[]", b'""')
_LONGEST_NOTHING: Final = max(map(len, _NOTHING))
_DEEPER: Final = 3_000
"""Levels, of Python's stack and of JSON together; Python's own limit of 1,000 is for both too."""


class RawDecoder(Generic[T]):
    """A decoder of structs and of the raw documents in them.

    `raws` are their fields, in the bytes' order: lists, or one that ends the document.
    """

    def __init__(self, kind: type[T], *, raws: tuple[str, ...] = ()) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        self._raws = raws

    def decode(self, content: bytes | bytearray | msgspec.Raw) -> T:
        """The struct. Raises `msgspec.MsgspecError`, and `UnicodeDecodeError`, which msgspec lets through."""
        try:
            return self._decode_deep(content)
        except msgspec.DecodeError:
            return self._decode_leniently(bytes(content))

    def _decode_deep(self, content: bytes | bytearray | msgspec.Raw) -> T:
        try:
            return self._decoder.decode(content)
        except RecursionError:
            sys.setrecursionlimit(max(sys.getrecursionlimit(), _DEEPER))
        try:
            return self._decoder.decode(content)
        except RecursionError:
            raise msgspec.DecodeError("JSON is nested too deeply") from None

    def _decode_leniently(self, content: bytes) -> T:
        readable = _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], content)
        found = self._decode_deep(readable)
        if not self._raws:
            return found
        return msgspec.structs.replace(found, **_originals(content, readable, found, self._raws))  # type: ignore[type-var]


def _originals(content: bytes, readable: bytes, found: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The same places in `content`, which is as long."""
    at = 0

    def cut(raw: msgspec.Raw) -> msgspec.Raw:
        nonlocal at
        begin = readable.index(bytes(raw), at)
        at = begin + len(bytes(raw))
        return msgspec.Raw(content[begin:at])

    def cut_last(raw: msgspec.Raw) -> msgspec.Raw:
        begin = readable.rindex(bytes(raw))
        return msgspec.Raw(content[begin : begin + len(bytes(raw))])

    values = ((name, value) for name in names if (value := getattr(found, name, None)) is not None)
    return {
        name: [cut(raw) for raw in value] if isinstance(value, list) else cut_last(value)
        for name, value in values
    }


def is_nothing(value: msgspec.Raw | None) -> bool:
    """Whether a field is missing, null or empty. Of one with many megabytes only the size is looked at."""
    return value is None or (len(memoryview(value)) <= _LONGEST_NOTHING and bytes(value) in _NOTHING)
