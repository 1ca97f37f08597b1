"""Content-Range of resumable uploads: which bytes a request brings, or that it only asks."""

import re
from dataclasses import dataclass

from lse_dagster.sandbox.drive.errors import bad_request
from lse_dagster.sandbox.drive.uploads.content import CHUNK

_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(?:(\d{1,18})|\*)")


@dataclass(frozen=True)
class Piece:
    """Bytes `start` to `end` (exclusive; None: as far as the body goes) of `total` (None: not known yet)."""

    start: int
    end: int | None
    total: int | None
    last: bool
    """Whether the content is complete after this piece."""


@dataclass(frozen=True)
class Question:
    """How much is stored? `total` is the size that the client knows."""

    total: int | None


def parse_range(header: str | None, content_length: int | None, declared: int | None) -> Piece | Question:
    """What a request to a session URI is, checked against its own length and the size declared before."""
    if header is None:
        _agree(content_length, declared)
        total = declared if content_length is None else content_length
        return Piece(0, total, total, last=True)
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        raise bad_request("Failed to parse Content-Range header.")
    first, end, size = match.groups()
    total = None if size is None else int(size)
    _agree(total, declared)
    if first is None:
        return Question(total)
    piece = Piece(int(first), int(end) + 1, total, last=total is not None and int(end) + 1 == total)
    length = int(end) + 1 - piece.start
    if length <= 0 or (total is not None and int(end) >= total):
        raise bad_request("Invalid Content-Range header.")
    if content_length is not None and content_length != length:
        raise bad_request("Content-Length does not match the Content-Range header.")
    if not piece.last and length % CHUNK:
        raise bad_request(f"Every chunk but the last must be a multiple of {CHUNK} bytes.")
    return piece


def _agree(total: int | None, declared: int | None) -> None:
    if total is not None and declared is not None and total != declared:
        raise bad_request(f"The upload was announced with {declared} bytes and now has {total}.")
