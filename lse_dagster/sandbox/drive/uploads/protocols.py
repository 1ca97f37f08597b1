"""The /upload paths: which protocol a request speaks, and uploads in one request (media, multipart)."""

import secrets
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from lse_dagster.sandbox.drive.access import authenticate
from lse_dagster.sandbox.drive.call import Call, Drive
from lse_dagster.sandbox.drive.errors import DriveError, bad_request
from lse_dagster.sandbox.drive.files.metadata import Metadata, parse_metadata
from lse_dagster.sandbox.drive.requests import call_of, discard, small_body
from lse_dagster.sandbox.drive.uploads.content import Sink, drain
from lse_dagster.sandbox.drive.uploads.finish import check_upload, finish_upload
from lse_dagster.sandbox.drive.uploads.multipart import RelatedParts
from lse_dagster.sandbox.drive.uploads.resumable import Sessions


class Uploads:
    """The endpoint of files.create and files.update with content."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._sessions = Sessions(drive)

    async def receive(self, request: Request) -> Response:
        """Answer one upload request, whatever its protocol."""
        stream = request.stream()  # one for the whole request, so that it knows what is left of the body
        try:
            return await self._answer(request, stream)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is there to read it
        except DriveError:
            # Read to the end first: a client that is still sending would see a reset, not the answer.
            await discard(stream)
            raise

    async def _answer(self, request: Request, stream: AsyncIterator[bytes]) -> Response:
        if "upload_id" in request.query_params:
            return await self._sessions.receive(request, stream)
        kind = request.query_params.get("uploadType")
        call = await run_in_threadpool(self._call, request)
        if kind == "resumable":
            return await self._sessions.open(request, call, await small_body(stream))
        if kind == "multipart":
            parts = RelatedParts(stream, request.headers.get("content-type", ""))
            metadata = parse_metadata(await parts.metadata())
            return await self._store(call, metadata, await parts.media_type(), parts.media())
        if kind == "media":
            mime_type = request.headers.get("content-type", "application/octet-stream")
            return await self._store(call, Metadata(), mime_type, stream)
        raise bad_request("The uploadType parameter must be media, multipart or resumable.")

    def _call(self, request: Request) -> Call:
        with self._drive.store.transaction() as db:
            return call_of(request, authenticate(db, request.headers.get("authorization")))

    async def _store(
        self, call: Call, metadata: Metadata, mime_type: str, pieces: AsyncIterator[bytes]
    ) -> Response:
        await run_in_threadpool(self._check, call, metadata)
        path = self._drive.store.content(secrets.token_hex(16))
        try:
            sink = Sink(path)
            await drain(pieces, sink)
            return await run_in_threadpool(self._finish, call, metadata, sink, mime_type)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _check(self, call: Call, metadata: Metadata) -> None:
        with self._drive.store.transaction() as db:
            check_upload(self._drive, db, call, metadata)

    def _finish(self, call: Call, metadata: Metadata, sink: Sink, mime_type: str) -> Response:
        with self._drive.store.transaction() as db:
            return JSONResponse(finish_upload(self._drive, db, call, metadata, sink, mime_type))
