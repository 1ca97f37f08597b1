"""The project endpoints: LangSmith calls projects sessions."""

import sqlite3
import uuid
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from lse_dagster.sandbox.control import json_response
from lse_dagster.sandbox.langsmith import times
from lse_dagster.sandbox.langsmith.backend import V1_PREFIXES, ApiError, Backend, routes

_MAX_LIMIT = 100
_COLUMNS = "id, name, created_us, doc"


class _ProjectBody(msgspec.Struct):
    name: str
    id: str | None = None
    description: str | None = None
    extra: msgspec.Raw = msgspec.Raw(b"null")
    reference_dataset_id: str | None = None


class Projects:
    """Finds, lists and makes projects. Tracing makes them too, by name."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def routes(self) -> list[BaseRoute]:
        """The endpoints."""
        return [
            *routes(V1_PREFIXES, "/sessions", self.list_projects, "GET"),
            *routes(V1_PREFIXES, "/sessions", self.create_project, "POST"),
            *routes(V1_PREFIXES, "/sessions/{project_id}", self.read_project, "GET"),
            *routes(V1_PREFIXES, "/sessions/{project_id}", self.delete_project, "DELETE"),
        ]

    async def list_projects(self, request: Request) -> Response:
        """Projects by name, part of a name or id, newest first."""
        query = request.query_params
        limit, offset = int(query.get("limit", "100")), int(query.get("offset", "0"))
        if not 1 <= limit <= _MAX_LIMIT:
            raise ApiError(422, f"limit must be between 1 and {_MAX_LIMIT}")
        conditions, parameters = ["1"], list[Any]()
        if "name" in query:
            conditions.append("name = ?")
            parameters.append(query["name"])
        if "name_contains" in query:
            conditions.append("instr(lower(name), lower(?)) > 0")
            parameters.append(query["name_contains"])
        if ids := query.getlist("id"):
            conditions.append(f"id IN ({', '.join('?' * len(ids))})")
            parameters += ids
        rows = self._backend.store.rows(
            f"SELECT {_COLUMNS} FROM projects WHERE {' AND '.join(conditions)}"
            " ORDER BY created_us DESC, id LIMIT ? OFFSET ?",
            [*parameters, limit, offset],
        )
        return self._backend.array([self._rendered(request, row) for row in rows])

    async def read_project(self, request: Request) -> Response:
        """One project."""
        return json_response(self._rendered(request, self._row(request)))

    async def create_project(self, request: Request) -> Response:
        """A new project; with `upsert` also one that exists."""
        body = await request.body()
        wanted = msgspec.json.decode(body, type=_ProjectBody)
        store = self._backend.store
        project_id = str(uuid.UUID(wanted.id)) if wanted.id else None
        try:
            with store.transaction:
                project_id = store.create_project(wanted.name, project_id=project_id, doc=body)
        except sqlite3.IntegrityError:
            if request.query_params.get("upsert", "").lower() != "true":
                raise ApiError(409, f"Session {wanted.name} already exists") from None
            project_id = store.project_id(wanted.name)
        row = store.row(f"SELECT {_COLUMNS} FROM projects WHERE id = ?", [project_id])
        return json_response(self._rendered(request, row or ()))

    async def delete_project(self, request: Request) -> Response:
        """A project and all its runs."""
        project_id = self._row(request)[0]
        store = self._backend.store
        with store.transaction:
            run_ids = [
                run_id for (run_id,) in store.rows("SELECT id FROM runs WHERE project_id = ?", [project_id])
            ]
            store.delete_runs(run_ids)
            store.execute("DELETE FROM projects WHERE id = ?", [project_id])
        return json_response({"message": f"Session {project_id} deleted"}, status=202)

    def _row(self, request: Request) -> tuple[Any, ...]:
        project_id = str(uuid.UUID(request.path_params["project_id"]))
        row = self._backend.store.row(f"SELECT {_COLUMNS} FROM projects WHERE id = ?", [project_id])
        if row is None:
            raise ApiError(404, "Session not found")
        return row

    def _rendered(self, request: Request, row: tuple[Any, ...]) -> dict[str, Any]:
        project_id, name, created_us, encoded = row
        document = msgspec.json.decode(encoded, type=dict[str, msgspec.Raw])
        rendered = {
            "id": project_id,
            "tenant_id": self._backend.tenant_id,
            "name": name,
            "start_time": times.v1_time(created_us),
            "end_time": None,
            "description": document.get("description"),
            "extra": document.get("extra"),
            "default_dataset_id": None,
            "reference_dataset_id": document.get("reference_dataset_id"),
            "trace_tier": "shortlived",
            "last_run_start_time_live": None,
        }
        if request.query_params.get("include_stats", "").lower() == "true":
            rendered |= self._stats(project_id)
        return rendered

    def _stats(self, project_id: str) -> dict[str, Any]:
        # Root runs only: this number looks like a total and is none, at LangSmith too.
        row = self._backend.store.row(
            "SELECT COUNT(*), MAX(start_us) FROM runs WHERE project_id = ? AND posted AND is_root",
            [project_id],
        )
        count, last_start = row or (0, None)
        return {"run_count": count, "last_run_start_time": times.v1_time(last_start), "feedback_stats": {}}
