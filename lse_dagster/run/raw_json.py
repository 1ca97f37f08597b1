r"""Reading LangSmith's JSON where msgspec would refuse what others take, without changing a byte of it.

A text that was cut in the middle of an emoji holds half of a surrogate pair (`"\ud83d"`), and a run may be
nested a thousand deep. Neither may keep a day from being archived. What is no JSON at all (NaN, a hundred
thousand levels, bytes that are no UTF-8) can still be cut out of its page and asked for its id.
"""

import codecs
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

import msgspec

T = TypeVar("T")

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD]([89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""One escape of a string, or two that are a pair; the group is of half a pair by itself."""
_NOTHING: Final = (b"null", b"{}", b"[]", b'""')
_LONGEST_NOTHING: Final = max(map(len, _NOTHING))
_DEEPER: Final = 3_000
"""Levels, of Python's stack and of JSON together; Python's own limit of 1,000 is for both too."""

_PIECE: Final = 1 << 16

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},"]', re.DOTALL)
_CLOSING: Final = {b"[": ord("]"), b"{": ord("}")}
_MEMBER: Final = re.compile(rb'("(?:[^"\\]++|\\.)*+")\s*:\s*', re.DOTALL)


class RawDecoder(Generic[T]):
    """A decoder of structs and of the raw documents in them.

    `raws` are those of their fields that are to keep their bytes: lists in the bytes' order, or single ones.
    """

    def __init__(self, kind: type[T], *, raws: tuple[str, ...] = ()) -> None:
        self._kind: Any = kind
        self._decoder = msgspec.json.Decoder(kind)
        self._raws = raws

    def decode(self, content: bytes | bytearray | msgspec.Raw) -> T:
        """The struct. Raises `msgspec.MsgspecError`, and `UnicodeDecodeError`, which msgspec lets through."""
        try:
            return self._decode_deep(content)
        except msgspec.DecodeError:
            return self._decode_leniently(bytes(content))

    def split(self, content: bytes) -> T:
        """The same of a document whose raw lists hold what is no JSON: they are cut by brackets and commas.

        Everything else in it has to be right. Raises as `decode` does.
        """
        found = dict(_members(content))
        lists = {name for name in self._raws if found.get(name, b"").startswith(b"[")}
        rest = {name: b"[]" if name in lists else value for name, value in found.items()}
        fields = b",".join(b"%b:%b" % (msgspec.json.encode(name), value) for name, value in rest.items())
        # As bytes: what has not been read as JSON is not said to be any.
        items: dict[str, Any] = {name: _pieces(found[name], b"[") for name in lists}
        return msgspec.structs.replace(self.decode(b"{%b}" % fields), **items)  # type: ignore[type-var]

    def salvage(self, content: bytes) -> T:
        """A struct or mapping of what can be read of an object that is no JSON or not of the right types.

        A field that cannot be read is as if it were not there. Raises as `decode` does.
        """
        found = dict(_members(content))
        if self._kind == dict[str, msgspec.Raw]:
            return {name: msgspec.Raw(value) for name, value in found.items()}  # type: ignore[return-value]
        known = {}
        for field in msgspec.structs.fields(self._kind):
            value = found.get(field.encode_name)
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                if field.type is msgspec.Raw and value is not None:
                    known[field.name] = msgspec.Raw(value)
                elif value is not None:
                    known[field.name] = RawDecoder(field.type).decode(value)
        return msgspec.convert(known, self._kind)  # type: ignore[no-any-return]

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
        readable = _ESCAPE.sub(_readable, content)
        found = self._decode_deep(readable)
        if not self._raws:
            return found
        return msgspec.structs.replace(found, **_originals(content, readable, found, self._raws))  # type: ignore[type-var]


def _readable(escape: re.Match[bytes]) -> bytes:
    """Half of a pair as a character for private use, U+D83D as U+E83D: two halves stay two texts."""
    return rb"\ue" + escape[1] if escape[1] else escape[0]


def _originals(content: bytes, readable: bytes, found: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The same places in `content`, which is as long."""
    at = 0

    def cut(raw: msgspec.Raw) -> msgspec.Raw:
        nonlocal at
        begin = readable.index(bytes(raw), at)
        at = begin + len(bytes(raw))
        return msgspec.Raw(content[begin:at])

    values = {name: getattr(found, name) for name in names if hasattr(found, name)}
    lists = {name: value for name, value in values.items() if isinstance(value, list)}
    members = dict(_members(content)) if len(lists) < len(values) else {}
    single = {name: msgspec.Raw(members[name]) for name in values if name in members and name not in lists}
    return {name: [cut(raw) for raw in value] for name, value in lists.items()} | single


def _members(document: bytes) -> Iterator[tuple[str, bytes]]:
    """The names and values of an object. Raises `msgspec.DecodeError` for what is none."""
    for piece in _pieces(document, b"{"):
        member = _MEMBER.match(piece)
        if member is None:
            raise msgspec.DecodeError("JSON is malformed: a member without a name")
        try:
            name = RawDecoder(str).decode(member[1])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            name = member[1].decode("utf-8", "backslashreplace")
        yield name, piece[member.end() :]


def _pieces(document: bytes, opening: bytes) -> list[bytes]:
    """What stands between the outer brackets of an array or object, cut at its commas.

    Only strings and brackets are looked at. Raises `msgspec.DecodeError` where these do not close.
    """
    text = document.strip()
    closing = bytearray()
    begin, pieces = 1, []
    for token in _TOKEN.finditer(text) if text.startswith(opening) else ():
        mark = token[0]
        if mark == b",":
            if len(closing) == 1:
                pieces.append(text[begin : token.start()].strip())
                begin = token.end()
        elif mark in _CLOSING:
            closing.append(_CLOSING[mark])
        elif mark in (b"]", b"}"):
            if not closing or closing.pop() != ord(mark):
                break
            if not closing:
                pieces.append(text[begin : token.start()].strip())
                if token.end() < len(text) or (b"" in pieces and len(pieces) > 1):
                    break
                return [piece for piece in pieces if piece]
        elif len(mark) == 1:
            break  # a string without an end
    raise msgspec.DecodeError("JSON is malformed: brackets or strings do not close")


def decode_any(raw: bytes | msgspec.Raw) -> Any:
    """A document of any kind, leniently. Raises as `RawDecoder.decode` does."""
    return _ANY.decode(raw)


def why_no_json(raw: bytes | msgspec.Raw) -> str:
    """Why a document may not stand in a file of JSON; empty for one that may."""
    try:
        _RAW.decode(raw)
        expect_utf8(bytes(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return str(error)
    return ""


def expect_utf8(content: bytes) -> None:
    """Raises `UnicodeDecodeError`. msgspec looks only at what it decodes, and runs are kept undecoded."""
    left = memoryview(b"" if content.isascii() else content)
    while left:
        _, decoded = codecs.utf_8_decode(left[:_PIECE], "strict", len(left) <= _PIECE)
        left = left[decoded:]


def is_nothing(value: msgspec.Raw | None) -> bool:
    """Whether a field is missing, null or empty. Of one with many megabytes only the size is looked at."""
    return value is None or (len(memoryview(value)) <= _LONGEST_NOTHING and bytes(value) in _NOTHING)


_ANY: Final = RawDecoder[Any](Any)
_RAW: Final = RawDecoder(msgspec.Raw)
