"""The endpoints that read runs: v1 and v2 queries, one run, statistics."""

import uuid
from datetime import timedelta
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from lse_dagster.sandbox.control import json_response
from lse_dagster.sandbox.faults import active_fault
from lse_dagster.sandbox.langsmith import times
from lse_dagster.sandbox.langsmith.backend import V1_PREFIXES, V2_PREFIXES, ApiError, Backend, routes
from lse_dagster.sandbox.langsmith.queries import v1, v2
from lse_dagster.sandbox.langsmith.queries.page import Order, Page, decode_cursor, encode_cursor, fetch_page
from lse_dagster.sandbox.langsmith.queries.scope import Scope
from lse_dagster.sandbox.langsmith.queries.stats import run_stats
from lse_dagster.sandbox.langsmith.queries.view import RunView
from lse_dagster.sandbox.langsmith.settings import Settings

_DAY = timedelta(days=1) // timedelta(microseconds=1)
_HALF_A_MILLISECOND = 500
_V1_MAX_LIMIT = 100
_V2_MAX_PAGE = 1000


class V1Scope(msgspec.Struct):
    """The parameters that `/runs/query` and `/runs/stats` share; unknown ones are ignored."""

    session: list[str] | None = None
    id: list[str] | None = None
    trace: str | None = None
    parent_run: str | None = None
    run_type: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    error: bool | None = None
    is_root: bool | None = None
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None


class V1Query(V1Scope):
    """The body of `POST /runs/query`."""

    select: list[str] | None = None
    limit: int = 100
    order: Order | None = None
    cursor: str | None = None


class V2Query(msgspec.Struct):
    """The body of `POST /api/v2/runs/query`."""

    project_ids: list[str] | None = None
    selects: list[str] | None = None
    page_size: int = 100
    cursor: str | None = None
    min_start_time: str | None = None
    max_start_time: str | None = None
    ids: list[str] | None = None
    trace_id: str | None = None
    run_type: str | None = None
    is_root: bool | None = None
    has_error: bool | None = None
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None


class Queries:
    """Reads runs for clients. Holds no state of its own."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def routes(self) -> list[BaseRoute]:
        """The endpoints."""
        return [
            *routes(V2_PREFIXES, "/runs/query", self.query_v2, "POST"),
            *routes(V2_PREFIXES, "/runs/{run_id}", self.read_run_v2, "GET"),
            *routes(V1_PREFIXES, "/runs/query", self.query_v1, "POST"),
            *routes(V1_PREFIXES, "/runs/stats", self.stats, "POST"),
            *routes(V1_PREFIXES, "/runs/{run_id}", self.read_run, "GET"),
        ]

    async def query_v1(self, request: Request) -> Response:
        """A page of one project's runs."""
        query = msgspec.json.decode(await request.body(), type=V1Query)
        if not 1 <= query.limit <= _V1_MAX_LIMIT:
            raise ApiError(400, f"Limit exceeds maximum allowed value of {_V1_MAX_LIMIT}")
        if not (query.session or query.id or query.trace or query.parent_run):
            raise ApiError(400, "At least one of 'session', 'id', 'parent_run' or 'trace' must be specified")
        if unknown := set(query.select or ()) - v1.SELECTABLE:
            raise ApiError(422, f"select: not a valid field: {', '.join(sorted(unknown))}")
        settings = self._backend.settings.current
        # Several ids in `session` are accepted, but only the first is looked at (seen at the original).
        scope = self._v1_scope(query, sessions=query.session[:1] if query.session else None)
        scope.hide(settings.hidden_runs)
        selected = v1.DEFAULT_SELECT if query.select is None else set(query.select)
        if selected != {"id"}:
            scope.hide(settings.unsent_runs)
        page = fetch_page(
            self._backend.store,
            scope,
            begin=decode_cursor(query.cursor),
            limit=query.limit,
            order=query.order or settings.order,
        )
        runs = [
            v1.render(view, selected, offload_bytes=settings.offload_bytes)
            for view in self._backend.views(request, page.runs)
        ]
        _make_odd(runs, settings)
        runs, cursor = _with_page_fault(request, page, runs, query.cursor)
        return self._page({**self._backend.members("runs", runs), "cursors": {"next": cursor, "prev": None}})

    async def query_v2(self, request: Request) -> Response:
        """A page of the runs of some projects."""
        settings = self._v2_settings()
        query = msgspec.json.decode(await request.body(), type=V2Query)
        if not 1 <= query.page_size <= _V2_MAX_PAGE:
            raise ApiError(422, f"page_size must be between 1 and {_V2_MAX_PAGE}, got {query.page_size}")
        if not query.project_ids:
            raise ApiError(422, "exactly one of project_ids and reference_dataset_id must be set")
        selects = _known_selects(query.selects)
        scope = self._v2_scope(query)
        if selects != ["ID"]:
            scope.hide(settings.unsent_runs)
        page = fetch_page(
            self._backend.store,
            scope,
            begin=decode_cursor(query.cursor),
            limit=query.page_size,
            order=settings.order,
        )
        views = self._backend.views(request, page.runs)
        items = [v2.render(view, selects) for view in views]
        if settings.round_times:
            for item, view in zip(items, views, strict=True):
                item["start_time"] = times.v2_time(view.run.start_us + _HALF_A_MILLISECOND)
        _make_odd(items, settings)
        items, cursor = _with_page_fault(request, page, items, query.cursor)
        more = {"next_cursor": cursor} if cursor else {}
        return self._page({**self._backend.members("items", items), **more})

    async def read_run(self, request: Request) -> Response:
        """One run with all its keys."""
        view = self._one_run(request)
        return json_response(
            v1.render(view, set(v1.FIELDS), offload_bytes=self._backend.settings.current.offload_bytes)
        )

    async def read_run_v2(self, request: Request) -> Response:
        """One run with the fields that were selected."""
        self._v2_settings()
        selects = _known_selects(request.query_params.getlist("selects"))
        return json_response(v2.render(self._one_run(request), selects))

    async def stats(self, request: Request) -> Response:
        """What LangSmith counts: every run in the scope, also those that queries do not show."""
        query = msgspec.json.decode(await request.body(), type=V1Scope)
        if not (query.session or query.id or query.trace or query.parent_run):
            raise ApiError(400, "At least one of 'session', 'id', 'parent_run' or 'trace' must be specified")
        return json_response(run_stats(self._backend.store, self._v1_scope(query, sessions=query.session)))

    def _v2_settings(self) -> Settings:
        settings = self._backend.settings.current
        if not settings.v2:
            raise ApiError(404, "Not Found")
        return settings

    def _one_run(self, request: Request) -> RunView:
        scope = Scope()
        scope.ids("id", [request.path_params["run_id"]])
        page = fetch_page(self._backend.store, scope, begin=decode_cursor(None), limit=1, order="desc")
        if not page.runs:
            raise ApiError(404, "Run not found")
        return self._backend.views(request, page.runs)[0]

    def _page(self, content: dict[str, Any]) -> Response:
        response = json_response(content)
        limit = self._backend.settings.current.max_page_bytes
        if limit is not None and len(response.body) > limit:
            raise ApiError(413, f"The response would be larger than {limit} bytes; ask for fewer runs")
        return response

    def _v1_scope(self, query: V1Scope, *, sessions: list[str] | None) -> Scope:
        settings = self._backend.settings.current
        scope = Scope()
        scope.ids("project_id", sessions)
        scope.ids("id", query.id)
        scope.ids("trace_id", [query.trace] if query.trace else None)
        scope.ids("parent_id", [query.parent_run] if query.parent_run else None)
        scope.starts(">=" if settings.min_inclusive else ">", query.start_time)
        if query.end_time is not None:
            # The documentation speaks of start times; a maintainer says it is this. Clients must not send it.
            scope.add("r.end_us <= ?", times.parse_time(query.end_time))
        if query.run_type:
            scope.add("r.run_type = ?", query.run_type.lower())
        if query.error is not None:
            scope.add(f"r.error IS {'NOT ' if query.error else ''}NULL")
        scope.flag("is_root", query.is_root)
        scope.filters(query.filter, query.trace_filter, query.tree_filter, settings=settings)
        return scope

    def _v2_scope(self, query: V2Query) -> Scope:
        settings = self._backend.settings.current
        now = times.parse_time(settings.now.isoformat()) if settings.now else times.now()
        scope = Scope()
        scope.ids("project_id", query.project_ids)
        scope.ids("id", query.ids)
        scope.ids("trace_id", [query.trace_id] if query.trace_id else None)
        scope.starts(
            ">=" if settings.min_inclusive else ">", query.min_start_time or times.v2_time(now - _DAY)
        )
        scope.starts(
            "<=" if settings.max_inclusive else "<", query.max_start_time or times.v2_time(now + 1000)
        )
        if query.run_type:
            scope.add("r.run_type = ?", query.run_type.lower())
        if query.has_error is not None:
            scope.add(f"r.error IS {'NOT ' if query.has_error else ''}NULL")
        scope.flag("is_root", query.is_root)
        scope.filters(query.filter, query.trace_filter, query.tree_filter, settings=settings)
        scope.hide([str(uuid.UUID(run_id)) for run_id in settings.hidden_runs])
        return scope


def _known_selects(selects: list[str] | None) -> list[str]:
    if unknown := set(selects or ()) - set(v2.FIELDS):
        raise ApiError(422, f"selects: unknown field: {', '.join(sorted(unknown))}")
    return selects or ["ID"]


def _make_odd(runs: list[dict[str, Any]], settings: Settings) -> None:
    for run in runs:
        odd = settings.odd_inputs.get(str(run.get("id")))
        if odd is not None and "inputs" in run:
            run["inputs"] = msgspec.Raw(odd.encode("latin-1"))
        for field in settings.omitted_fields:
            run.pop(field, None)


def _with_page_fault(
    request: Request, page: Page, runs: list[dict[str, Any]], came_in: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """The page's content and the next cursor, as a fault rule may want them."""
    fault = active_fault(request)
    if fault is not None and fault.empty_page:
        return [], encode_cursor(page.begin)
    if fault is not None and fault.repeat_cursor:
        return runs, came_in or encode_cursor(page.begin)
    if fault is not None and fault.repeat_page:
        return runs, encode_cursor(page.begin)
    return runs, encode_cursor(page.next) if page.next else None
