"""The endpoints that take runs and feedback in, and those that give feedback and files out."""

import uuid
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lse_dagster.sandbox.control import json_response
from lse_dagster.sandbox.langsmith.backend import V1_PREFIXES, ApiError, Backend, routes
from lse_dagster.sandbox.langsmith.blobs import read_blob
from lse_dagster.sandbox.langsmith.tracing import ingest
from lse_dagster.sandbox.langsmith.tracing.feedback import list_feedback, read_feedback

_MAX_LIMIT = 100


class Intake:
    """Writes what clients trace."""

    def __init__(self, backend: Backend) -> None:
        self._store = backend.store

    @property
    def routes(self) -> list[BaseRoute]:
        """The endpoints."""
        return [
            *routes(V1_PREFIXES, "/runs/multipart", self.multipart, "POST"),
            *routes(V1_PREFIXES, "/runs/batch", self.batch, "POST"),
            *routes(V1_PREFIXES, "/runs", self.post_run, "POST"),
            *routes(V1_PREFIXES, "/runs/{run_id}", self.patch_run, "PATCH"),
        ]

    async def multipart(self, request: Request) -> Response:
        """Runs, attachments and feedback, one part per field."""
        ingest.ingest_multipart(self._store, await _body(request), request.headers.get("content-type", ""))
        return json_response({"message": "Runs batch ingested"}, status=202)

    async def batch(self, request: Request) -> Response:
        """Whole runs in one JSON body."""
        ingest.ingest_batch(self._store, await _body(request))
        return json_response({"message": "Runs batch ingested"}, status=202)

    async def post_run(self, request: Request) -> Response:
        """One run."""
        ingest.ingest_run(self._store, await _body(request))
        return json_response({"message": "Run created"}, status=202)

    async def patch_run(self, request: Request) -> Response:
        """News of one run."""
        ingest.ingest_patch(self._store, request.path_params["run_id"], await _body(request))
        return json_response({"message": "Run updated"}, status=202)


class Feedback:
    """Keeps feedback records and lists them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._store = backend.store

    @property
    def routes(self) -> list[BaseRoute]:
        """The endpoints."""
        return [
            *routes(V1_PREFIXES, "/feedback", self.list, "GET"),
            *routes(V1_PREFIXES, "/feedback", self.create, "POST"),
            *routes(V1_PREFIXES, "/feedback/{feedback_id}", self.read, "GET"),
        ]

    async def list(self, request: Request) -> Response:
        """Records of the runs named, up to 100 at a time."""
        query = request.query_params
        limit, offset = int(query.get("limit", "100")), int(query.get("offset", "0"))
        if not 1 <= limit <= _MAX_LIMIT:
            raise ApiError(422, f"limit must be between 1 and {_MAX_LIMIT}")
        run_ids = [str(uuid.UUID(run_id)) for run_id in query.getlist("run")]
        settings = self._backend.settings
        found = list_feedback(
            self._store,
            run_ids,
            query.getlist("key"),
            limit=0 if settings.current.hide_feedback else limit,
            offset=offset,
            shuffled=settings.current.shuffle_feedback,
        )
        if found and (doomed := settings.take_feedback_to_delete()) is not None:
            with self._store.transaction:
                self._store.execute("DELETE FROM feedback WHERE id = ?", [doomed])
        return self._backend.array(found)

    async def create(self, request: Request) -> Response:
        """One record."""
        document = ingest.ingest_feedback(self._store, await _body(request))
        return json_response(self._read(msgspec.json.decode(document["id"], type=str)))

    async def read(self, request: Request) -> Response:
        """One record by its id."""
        return json_response(self._read(request.path_params["feedback_id"]))

    def _read(self, feedback_id: str) -> dict[str, Any]:
        found = read_feedback(self._store, str(uuid.UUID(feedback_id)))
        if found is None:
            raise ApiError(404, "Feedback not found")
        return found


class Blobs:
    """Serves presigned URLs. No API key: the signature is the permission."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def routes(self) -> list[BaseRoute]:
        """The endpoint."""
        return [Route("/_blobs/{kind}/{run_id}/{name:path}", self.read, methods=["GET"])]

    async def read(self, request: Request) -> Response:
        """The bytes, while the URL is good."""
        kind, run_id, name = (request.path_params[key] for key in ("kind", "run_id", "name"))
        expires = request.query_params.get("expires", "")
        signature = request.query_params.get("signature", "")
        refusal = self._backend.presigner.refusal(kind, run_id, name, expires=expires, signature=signature)
        if refusal is not None:
            return json_response({"detail": refusal}, status=403)
        blob = read_blob(self._backend.store, kind, run_id, name)
        if blob is None:
            return json_response({"detail": "NoSuchKey"}, status=404)
        return Response(blob.content, media_type=blob.mime_type)


async def _body(request: Request) -> bytes:
    return ingest.decompressed(await request.body(), request.headers.get("content-encoding"))
