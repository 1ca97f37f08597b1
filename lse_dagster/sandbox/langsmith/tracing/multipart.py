"""An exact parser for `multipart/form-data` as the LangSmith SDK writes it.

Parts may hold the boundary's text inside a JSON string, so a part's own Content-Length decides where it
ends; only parts without one are searched for the next boundary.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_NAME = re.compile(r'name="([^"]*)"')
_LENGTH = re.compile(r";\s*length=(\d+)")


class MultipartError(ValueError):
    """The body is not what its boundary and lengths promise."""


class Part(NamedTuple):
    """One part: its form name, its content type and its bytes."""

    name: str
    content_type: str
    content: bytes


def boundary_of(content_type: str) -> str:
    """The boundary named in a Content-Type header."""
    match = re.search(r'boundary="?([^";]+)"?', content_type)
    if not content_type.startswith("multipart/form-data") or match is None:
        raise MultipartError(f"not multipart/form-data with a boundary: {content_type!r}")
    return match[1]


def parse_multipart(body: bytes, boundary: str) -> Iterator[Part]:
    """The parts in order. A body that ends before its closing boundary is an error, not a short list."""
    delimiter = b"--" + boundary.encode()
    position = 0
    while True:
        if not body.startswith(delimiter, position):
            raise MultipartError(f"no boundary at byte {position}")
        position += len(delimiter)
        if body.startswith(b"--", position):
            return
        head_end = body.find(b"\r\n\r\n", position)
        if head_end < 0:
            raise MultipartError(f"part without end of headers at byte {position}")
        headers = _headers(body[position:head_end])
        start = head_end + 4
        end = _content_end(body, start, delimiter, headers)
        name = _NAME.search(headers.get("content-disposition", ""))
        if name is None:
            raise MultipartError(f"part without a name at byte {position}")
        content_type = _LENGTH.sub("", headers.get("content-type", "application/octet-stream"))
        yield Part(name[1], content_type, body[start:end])
        position = end + 2


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("utf-8", "replace").strip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _content_end(body: bytes, start: int, delimiter: bytes, headers: dict[str, str]) -> int:
    in_type = _LENGTH.search(headers.get("content-type", ""))
    length = headers.get("content-length") or (in_type[1] if in_type else None)
    if length is not None:
        end = start + int(length)
        if body[end : end + 2] != b"\r\n":
            raise MultipartError(f"part at byte {start} is not {length} bytes long")
        return end
    end = body.find(b"\r\n" + delimiter, start)
    if end < 0:
        raise MultipartError(f"part at byte {start} has no end")
    return end
