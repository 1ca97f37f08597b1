"""Resumable uploads: sessions that outlive connections, tokens and restarts of the server.

What a session has stored is what its file holds on disk. One request writes at a time; a newer one waits a
moment for the older to end, then takes over, as after a connection that died without a word.
"""

import asyncio
import contextlib
import json
import secrets
import sqlite3
from collections.abc import AsyncIterator
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from lse_dagster.sandbox.drive.access import Identity, authenticate
from lse_dagster.sandbox.drive.call import Call, Drive
from lse_dagster.sandbox.drive.errors import DriveError, bad_request
from lse_dagster.sandbox.drive.files.metadata import parse_metadata
from lse_dagster.sandbox.drive.requests import base_url, discard
from lse_dagster.sandbox.drive.uploads.content import Digests, Sink, drain
from lse_dagster.sandbox.drive.uploads.finish import check_upload, finish_upload
from lse_dagster.sandbox.drive.uploads.ranges import Piece, parse_range

_PATIENCE_SECONDS = 1.0


class _Desk:
    """Where the requests of one session meet. Lives on the event loop."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.evicted = asyncio.Event()
        self.visitors = 0
        self.digests: Digests | None = None

    @contextlib.asynccontextmanager
    async def mine(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self.lock.acquire(), _PATIENCE_SECONDS)
        except TimeoutError:
            self.evicted.set()
            await self.lock.acquire()
        self.evicted.clear()
        try:
            yield
        finally:
            self.lock.release()


class Sessions:
    """Opens upload sessions and takes in what is sent to them."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._desks: dict[str, _Desk] = {}

    async def open(self, request: Request, call: Call, body: bytes) -> Response:
        """Start a session; its URI is in the Location header."""
        length = request.headers.get("x-upload-content-length")
        if length is not None and not (length.isascii() and length.isdigit()):
            raise bad_request("Invalid X-Upload-Content-Length header.")
        mime_type = request.headers.get("x-upload-content-type", "application/octet-stream")
        upload_id = await run_in_threadpool(
            self._insert, call, body, mime_type, None if length is None else int(length)
        )
        query = urlencode({**call.params, "upload_id": upload_id})
        location = f"{base_url(request)}{request.url.path}?{query}"
        return Response(headers={"Location": location, "X-GUploader-UploadID": upload_id})

    async def receive(self, request: Request, stream: AsyncIterator[bytes]) -> Response:
        """A piece of content, or the question how much is stored."""
        upload_id = request.query_params["upload_id"]
        desk = self._desks.setdefault(upload_id, _Desk())
        desk.visitors += 1
        try:
            async with desk.mine():
                return await self._receive(request, stream, upload_id, desk)
        finally:
            desk.visitors -= 1
            if desk.digests is None and not desk.visitors:
                self._desks.pop(upload_id, None)

    async def _receive(
        self, request: Request, stream: AsyncIterator[bytes], upload_id: str, desk: _Desk
    ) -> Response:
        row = await run_in_threadpool(self._load, upload_id, request.headers.get("authorization"))
        if row["state"] == "gone":
            desk.digests = None
            raise _gone(int(row["gone"]))
        if row["state"] == "done":
            await discard(stream)
            return JSONResponse(json.loads(row["result"]))
        length = request.headers.get("content-length")
        wanted = parse_range(
            request.headers.get("content-range"), None if length is None else int(length), row["length"]
        )
        sink = await run_in_threadpool(Sink, self._drive.store.content(row["revision"]), desk.digests)
        desk.digests = sink.digests
        if isinstance(wanted, Piece):
            complete = await self._take(stream, wanted, sink, desk)
        else:
            await discard(stream)
            complete = wanted.total is not None and wanted.total == sink.size
        desk.digests = sink.digests
        if not complete:
            return _incomplete(sink.size)
        result = await run_in_threadpool(self._finish, row, request, sink)
        desk.digests = None
        return JSONResponse(result)

    async def _take(self, stream: AsyncIterator[bytes], piece: Piece, sink: Sink, desk: _Desk) -> bool:
        """Store the piece; whether the content is complete now."""
        if piece.start > sink.size:
            raise bad_request(
                "Invalid request. According to the Content-Range header, the upload offset is"
                f" {piece.start} byte(s), which exceeds already uploaded size of {sink.size} byte(s)."
            )
        before = sink.size
        pieces = _limited(_until(stream, desk.evicted), piece)
        try:
            await drain(_skipping(pieces, sink.size - piece.start), sink)
        except ClientDisconnect:
            kept = max(before, sink.size - sink.size % self._drive.switches.now.kept_after_drop)
            if piece.total is None or sink.size < piece.total:
                await run_in_threadpool(sink.cut, kept)
            desk.digests = sink.digests
            raise
        return piece.last and (piece.total is None or sink.size == piece.total)

    def _insert(self, call: Call, body: bytes, mime_type: str, length: int | None) -> str:
        upload_id = "AHx" + secrets.token_urlsafe(48)
        identity = call.identity
        with self._drive.store.transaction() as db:
            check_upload(self._drive, db, call, parse_metadata(body))
            db.execute(
                "INSERT INTO sessions (id, revision, file_id, metadata, params, email, app, scopes,"
                " mime_type, length, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open')",
                (
                    *(upload_id, secrets.token_hex(16), call.path.get("file_id"), body.decode()),
                    *(json.dumps(dict(call.params)), identity.email, identity.app),
                    *(" ".join(identity.scopes), mime_type, length),
                ),
            )
        return upload_id

    def _load(self, upload_id: str, authorization: str | None) -> sqlite3.Row:
        with self._drive.store.transaction() as db:
            if (
                authorization is not None
            ):  # the URI itself is the secret; but a token that is sent must be good
                authenticate(db, authorization)
            row: sqlite3.Row | None = db.execute(
                "SELECT * FROM sessions WHERE id = ?", (upload_id,)
            ).fetchone()
        if row is None:
            raise _gone(404)
        return row

    def _finish(self, row: sqlite3.Row, request: Request, sink: Sink) -> object:
        call = Call(
            identity=Identity(row["email"], row["app"], frozenset(row["scopes"].split())),
            params=json.loads(row["params"]),
            base_url=base_url(request),
            path={} if row["file_id"] is None else {"file_id": row["file_id"]},
        )
        with self._drive.store.transaction() as db:
            metadata = parse_metadata(row["metadata"].encode())
            result = finish_upload(self._drive, db, call, metadata, sink, row["mime_type"])
            db.execute(
                "UPDATE sessions SET state = 'done', result = ? WHERE id = ?", (json.dumps(result), row["id"])
            )
        return result


def _gone(code: int) -> DriveError:
    reason = "notFound" if code == 404 else "gone"
    return DriveError(code, reason, "The upload session does not exist or has expired.")


def _incomplete(size: int) -> Response:
    return Response(status_code=308, headers={"Range": f"bytes=0-{size - 1}"} if size else {})


async def _until(stream: AsyncIterator[bytes], evicted: asyncio.Event) -> AsyncIterator[bytes]:
    """The stream, broken off as by its client once a newer request takes over."""
    eviction = asyncio.ensure_future(evicted.wait())
    try:
        while True:
            following = asyncio.ensure_future(anext(stream, None))
            try:
                await asyncio.wait({following, eviction}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    raise ClientDisconnect
            finally:
                following.cancel()  # does nothing to one that is done
            piece = following.result()
            if piece is None:
                return
            yield piece
    finally:
        eviction.cancel()


async def _limited(stream: AsyncIterator[bytes], piece: Piece) -> AsyncIterator[bytes]:
    """The stream, refused where it brings more than the request announced."""
    size = 0
    async for data in stream:
        size += len(data)
        if piece.end is not None and size > piece.end - piece.start:
            raise bad_request("The request body is longer than its Content-Range header says.")
        yield data


async def _skipping(stream: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    """The stream without the bytes that are stored already."""
    async for data in stream:
        yield data[count:]
        count = max(0, count - len(data))
