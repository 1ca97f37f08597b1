"""alt=media: a content from disk, whole or one range of it."""

import re
from collections.abc import AsyncIterator
from typing import BinaryIO
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from lse_dagster.sandbox.drive.errors import DriveError
from lse_dagster.sandbox.drive.store import Store

_PIECE = 1024 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class MediaResponse(StreamingResponse):
    """Streams one range of an open file, a piece at a time, and closes it whatever happens."""

    def __init__(
        self, file: BinaryIO, start: int, length: int, *, status: int, headers: dict[str, str]
    ) -> None:
        self._file = file
        pieces = self._pieces(start, length)
        super().__init__(pieces, status_code=status, headers=headers | {"Content-Length": str(length)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()

    async def _pieces(self, start: int, left: int) -> AsyncIterator[bytes]:
        self._file.seek(start)
        while left and (piece := await run_in_threadpool(self._file.read, min(_PIECE, left))):
            left -= len(piece)
            yield piece


def media_response(
    store: Store, revision: str, size: int, mime_type: str, wanted: str | None, *, save_as: str | None = None
) -> Response:
    """The response for a stored content. The file is opened here: deleting it later does no harm."""
    headers = {"Content-Type": mime_type, "Accept-Ranges": "bytes", "Cache-Control": "private, max-age=0"}
    if save_as is not None:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(save_as, safe='')}"
        headers["X-Content-Type-Options"] = "nosniff"
    start, length, status = 0, size, 200
    span = _span(wanted, size)
    if span is not None:
        start, length = span
        status = 206
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    return MediaResponse(store.content(revision).open("rb"), start, length, status=status, headers=headers)


def _span(wanted: str | None, size: int) -> tuple[int, int] | None:
    match = _RANGE.fullmatch((wanted or "").strip())
    if match is None or match.groups() == ("", ""):
        return None  # no range, or one that HTTP says to ignore
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if last and first and int(last) < int(first):
        return None
    if start >= size or (first == "" and int(last) == 0):
        raise DriveError(
            416,
            "requestedRangeNotSatisfiable",
            "Request range not satisfiable",
            location=("header", "Range"),
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end - start + 1
