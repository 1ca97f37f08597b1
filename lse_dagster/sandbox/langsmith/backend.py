"""What every endpoint of the LangSmith server needs, and how it says no."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lse_dagster.sandbox.control import json_response
from lse_dagster.sandbox.langsmith.blobs import Presigner
from lse_dagster.sandbox.langsmith.queries.page import StoredRun
from lse_dagster.sandbox.langsmith.queries.view import RunView, view_runs
from lse_dagster.sandbox.langsmith.settings import SettingsHolder
from lse_dagster.sandbox.langsmith.store import Store

V1_PREFIXES = ("", "/api", "/api/v1", "/v1")
"""Where the v1 endpoints are: clients take LANGSMITH_ENDPOINT with and without `/api/v1`."""
V2_PREFIXES = ("/api/v2", "/v2")

Endpoint = Callable[[Request], Awaitable[Response]]

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Payload Too Large",
}


class Backend(NamedTuple):
    """The state behind the endpoints."""

    store: Store
    settings: SettingsHolder
    presigner: Presigner
    tenant_id: str

    def views(self, request: Request, runs: list[StoredRun]) -> list[RunView]:
        """The runs as this client would see them: URLs lead to the host it asked."""
        return view_runs(
            self.store,
            runs,
            presigner=self.presigner,
            base_url=str(request.base_url).rstrip("/"),
            tenant_id=self.tenant_id,
            numbers_by_project=self.settings.current.numbers_by_project,
            withheld=self.settings.current.withheld,
        )

    def members(self, name: str, items: Sequence[Any]) -> dict[str, Any]:
        """The member of an object that holds a list, in the way that the settings want an empty one."""
        written = self.settings.current.empty_lists
        if items or written == "[]":
            return {name: items}
        return {name: None} if written == "null" else {}

    def array(self, items: Sequence[Any]) -> Response:
        """A list that is the whole answer, in the same way."""
        return json_response(self.members("items", items).get("items"))


class ApiError(Exception):
    """An answer other than the one that was hoped for."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail


def routes(prefixes: Sequence[str], path: str, endpoint: Endpoint, *methods: str) -> list[BaseRoute]:
    """The same endpoint below each prefix."""
    return [Route(prefix + path, endpoint, methods=list(methods)) for prefix in prefixes]


def error_response(request: Request, status: int, detail: Any) -> Response:
    """An error in the form of the API that was asked: problem+json for v2, `{"detail": ...}` for v1."""
    if not request.url.path.startswith(V2_PREFIXES):
        return json_response({"detail": detail}, status=status)
    problem = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Unprocessable Entity"),
        "status": status,
        "detail": detail,
    }
    return json_response(problem, status=status, media_type="application/problem+json")
