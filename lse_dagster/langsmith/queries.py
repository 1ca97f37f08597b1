"""Run queries in the words of both API generations, one request for one page of raw runs; and the count.

Only a missing cursor ends a query. An empty page with a cursor goes on, and a cursor or a page that comes
again is an error: both have cost other tools runs without a word. Which fields are asked for: `fields.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import msgspec

from lse_dagster.langsmith.errors import InvalidAnswer, QueryGoesInCircles
from lse_dagster.langsmith.fields import (
    V1_FEEDBACK,
    V1_ID,
    V1_SELECT,
    V2_FEEDBACK,
    V2_ID,
    V2_SELECTS,
    FieldNames,
)
from lse_dagster.langsmith.pages import PageSize, run_ids
from lse_dagster.langsmith.scope import RunScope
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.page_trail import PageTrail
from lse_dagster.run.raw_json import RawDecoder
from lse_dagster.run.times import iso_z


@dataclass(frozen=True)
class Page:
    """One answer: raw runs, the cursor of the next page if there is one, and how many runs were asked for."""

    items: list[msgspec.Raw]
    next_cursor: str | None
    asked_for: int


class _Answer(msgspec.Struct):
    """Services in Go write an empty list as null or leave it out; what a proxy says instead is no page.

    Whether the page was empty indeed, the count and the scan of ids tell.
    """

    detail: object = None
    error: object = None
    message: object = None

    def __post_init__(self) -> None:
        if self.detail or self.error or self.message:
            raise ValueError("it is a message, and no page of runs")


class _V2Answer(_Answer):
    items: list[msgspec.Raw] | None = None
    next_cursor: str | None = None


class _V1Answer(_Answer):
    runs: list[msgspec.Raw] | None = None
    cursors: dict[str, str | None] | None = None

    @property
    def items(self) -> list[msgspec.Raw] | None:
        return self.runs

    @property
    def next_cursor(self) -> str | None:
        return (self.cursors or {}).get("next")


_Decoder = RawDecoder[_V1Answer | _V2Answer]


class RunQueries(ABC):
    """One API generation. Queries raise `QueryGoesInCircles`, `InvalidAnswer`, and as the transport does."""

    name: ClassVar[Literal["v1", "v2"]]
    largest_page: ClassVar[int]
    """As the SDK states it (langsmith 0.15.0, November 2026)."""
    gives_many_ids: ClassVar[bool]
    """Whether a scan of ids costs little beside the fetch."""
    fields: ClassVar[FieldNames]
    """Of a whole run."""
    feedback_fields: ClassVar[FieldNames]
    """A run's id and the numbers of its feedback."""
    _id_field: ClassVar[FieldNames]
    _select: ClassVar[str]
    """The parameters' names: of the fields, the ids, and how many runs at most."""
    _ids: ClassVar[str]
    _limit: ClassVar[str]
    _decoder: ClassVar[_Decoder]

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.answered = False
        """Whether a page of runs ever came: the endpoint is there."""

    def page(
        self, scope: RunScope, cursor: str | None, size: PageSize, fields: FieldNames | None = None
    ) -> Page:
        """One page of runs, whole or some of their fields."""
        return self._ask(self._body(scope, cursor, fields or self.fields), size)

    def id_pages(self, scope: RunScope) -> Iterator[list[str]]:
        """Every page of ids of a scope, each as large as the API gives it."""
        size = PageSize(self.largest_page, first=self.largest_page)
        return (ids for _, ids in self._pages(scope, self._id_field, size, {}))

    def pages_by_id(
        self, scope: RunScope, wanted: Sequence[str], size: PageSize, fields: FieldNames | None = None
    ) -> Iterator[list[msgspec.Raw]]:
        """Every page of the runs with these ids, whole or some of their fields."""
        only = {self._ids: list(wanted)}
        return (items for items, _ in self._pages(scope, fields or self.fields, size, only))

    def _pages(
        self, scope: RunScope, fields: FieldNames, size: PageSize, only: Mapping[str, object]
    ) -> Iterator[tuple[list[msgspec.Raw], list[str]]]:
        """Every page, and the ids of its runs."""
        trail = page_trail(scope)
        cursor: str | None = None
        while True:
            page = self._ask({**self._body(scope, cursor, fields), **only}, size)
            ids = run_ids(page.items)
            yield page.items, ids
            cursor = trail.after(page.next_cursor, ids)
            if cursor is None:
                return

    def _body(self, scope: RunScope, cursor: str | None, fields: FieldNames) -> dict[str, object]:
        body = self._bounds(scope) | {self._select: fields}
        if scope.trace_filter is not None:
            body["trace_filter"] = scope.trace_filter
        if cursor is not None:
            body["cursor"] = cursor
        return body

    def _ask(self, body: dict[str, object], size: PageSize) -> Page:
        asked_for = size.current

        def sized_body() -> dict[str, object]:
            nonlocal asked_for
            asked_for = size.current
            return {**body, self._limit: asked_for}

        answer, received = self._transport.post(
            f"/api/{self.name}/runs/query",
            lambda content: (self._decoder.decode(content), len(content)),
            salvage=lambda content: (self._decoder.split(content), len(content)),
            body=sized_body,
            kind=self.name,
            shrink=lambda: size.too_large(asked_for),
        )
        self.answered = True
        page = Page(answer.items or [], answer.next_cursor or None, asked_for)
        size.arrived(len(page.items), received)
        return page

    @abstractmethod
    def _bounds(self, scope: RunScope) -> dict[str, object]:
        """Which runs these are, but for the filter by the trace."""


class V2Queries(RunQueries):
    """`/api/v2/runs/query`: LangSmith Cloud, and self-hosted servers from 0.16."""

    name = "v2"
    largest_page = 1000
    gives_many_ids = True
    fields, feedback_fields, _id_field = V2_SELECTS, V2_FEEDBACK, V2_ID
    _select, _ids, _limit = "selects", "ids", "page_size"
    _decoder = _Decoder(_V2Answer, raws=("items",))

    def _bounds(self, scope: RunScope) -> dict[str, object]:
        return {
            "project_ids": [scope.project_id],
            "min_start_time": iso_z(scope.earliest),
            "max_start_time": iso_z(scope.latest),
            "filter": scope.filter,
        }


class V1Queries(RunQueries):
    """`/api/v1/runs/query`: older self-hosted servers."""

    name = "v1"
    largest_page = 100
    gives_many_ids = False
    fields, feedback_fields, _id_field = V1_SELECT, V1_FEEDBACK, V1_ID
    _select, _ids, _limit = "select", "id", "limit"
    _decoder = _Decoder(_V1Answer, raws=("runs",))

    def _bounds(self, scope: RunScope) -> dict[str, object]:
        return _v1_bounds(scope) | {"order": "desc"}

    def _ask(self, body: dict[str, object], size: PageSize) -> Page:
        page = super()._ask(body, size)
        if len(page.items) < page.asked_for or page.next_cursor or page.asked_for == 1:
            return page
        # A full page without a cursor: the end, or a cursor that got lost. One run fewer at a time must
        # give a cursor, or the server cannot page.
        fewer = page.asked_for - 1
        again = super()._ask(body, PageSize(fewer, first=fewer))
        if len(again.items) >= again.asked_for and not again.next_cursor:
            raise InvalidAnswer(
                f"Querying the runs of {body['session']}",
                f"LangSmith gave {again.asked_for} runs twice, as many as asked for, and no cursor to go on.",
                "Run this again, and report it to LangSmith if it stays.",
            )
        return again


def page_trail(scope: RunScope) -> PageTrail:
    """The way of one query from page to page. It raises `QueryGoesInCircles`."""
    return PageTrail(
        lambda what_came: QueryGoesInCircles(
            f"Querying the runs of project {scope.project_id}",
            f"LangSmith gave {what_came}.",
            "Run this again. If it stays, report it to LangSmith: the query cannot be completed.",
        )
    )


def count_runs(transport: Transport, scope: RunScope, *, roots_only: bool = False) -> int:
    """How many runs (or only root runs: traces) LangSmith counts in a scope.

    `end_time` is never sent: what it compares with is contradictory in the documentation.
    """
    body = _v1_bounds(scope) | ({"is_root": True} if roots_only else {})
    return transport.post("/api/v1/runs/stats", _STATS.decode, body=body, kind="stats").run_count


class _Stats(msgspec.Struct):
    run_count: int


_STATS = msgspec.json.Decoder(_Stats)


def _v1_bounds(scope: RunScope) -> dict[str, object]:
    """`session` is the API's word for a project."""
    return {
        "session": [scope.project_id],
        "start_time": iso_z(scope.earliest),
        "filter": scope.filter,
    }
