"""Run queries in the words of both API generations, one request for one page of raw runs; and the count.

Only a missing cursor ends a query. An empty page with a cursor goes on, and a cursor or a page that comes
again is an error: both have cost other tools runs without a word.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeVar

import msgspec

from lse_dagster.langsmith.errors import InvalidAnswer, QueryGoesInCircles
from lse_dagster.langsmith.limits import V1_LARGEST_PAGE, V1_SELECT, V2_LARGEST_PAGE, V2_SELECTS
from lse_dagster.langsmith.pages import PageSize, run_ids
from lse_dagster.langsmith.scope import RunScope
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.page_trail import PageTrail
from lse_dagster.run.raw_json import RawDecoder
from lse_dagster.run.times import iso_z

T = TypeVar("T")

_V2_PATH = "/api/v2/runs/query"
_V1_PATH = "/api/v1/runs/query"


@dataclass(frozen=True)
class Page:
    """One answer: raw runs, and the cursor of the next page if there is one."""

    items: list[msgspec.Raw]
    next_cursor: str | None


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


class RunQueries(ABC):
    """One API generation."""

    name: ClassVar[Literal["v1", "v2"]]
    largest_page: ClassVar[int]
    fields: ClassVar[tuple[str, ...]]
    gives_many_ids: ClassVar[bool]
    """Whether a scan of ids costs little beside the fetch."""
    numbers_of_feedback: ClassVar[tuple[str, str]]
    """The fields with a run's id and the numbers of its feedback."""
    _id_field: ClassVar[str]
    _ids_parameter: ClassVar[str]

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.answered = False
        """Whether a page of runs ever came: the endpoint is there."""

    def page(self, scope: RunScope, cursor: str | None, size: PageSize) -> Page:
        """One page of whole runs. Raises what `Transport.post` raises."""
        page = self._ask(self._body(scope, cursor, self.fields), size)
        self.answered = True
        return page

    def ids(self, scope: RunScope, cursor: str | None) -> Page:
        """One page of ids alone, as many as the API gives."""
        size = PageSize(self.largest_page, first=self.largest_page)
        return self._ask(self._body(scope, cursor, (self._id_field,)), size)

    def by_id(
        self,
        scope: RunScope,
        run_ids: Sequence[str],
        cursor: str | None,
        size: PageSize,
        fields: Sequence[str] | None = None,
    ) -> Page:
        """One page of the runs with these ids: whole, or some of their fields."""
        body = self._body(scope, cursor, fields or self.fields)
        return self._ask({**body, self._ids_parameter: list(run_ids)}, size)

    @abstractmethod
    def _body(self, scope: RunScope, cursor: str | None, fields: Sequence[str]) -> dict[str, object]: ...

    @abstractmethod
    def _ask(self, body: dict[str, object], size: PageSize) -> Page: ...


class V2Queries(RunQueries):
    """`/api/v2/runs/query`: LangSmith Cloud, and self-hosted servers from 0.16."""

    name = "v2"
    largest_page = V2_LARGEST_PAGE
    fields = V2_SELECTS
    numbers_of_feedback = ("ID", "FEEDBACK_STATS")
    gives_many_ids = True
    _id_field = "ID"
    _ids_parameter = "ids"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self._decoder = RawDecoder(_V2Answer, raws=("items",))

    def _body(self, scope: RunScope, cursor: str | None, fields: Sequence[str]) -> dict[str, object]:
        body: dict[str, object] = {
            "project_ids": [scope.project_id],
            "selects": fields,
            "min_start_time": iso_z(scope.earliest),
            "max_start_time": iso_z(scope.latest),
            "filter": scope.filter,
        }
        if scope.trace_filter is not None:
            body["trace_filter"] = scope.trace_filter
        if cursor is not None:
            body["cursor"] = cursor
        return body

    def _ask(self, body: dict[str, object], size: PageSize) -> Page:
        attempt = _Attempt(size)
        counted = _Counting(self._decoder)
        answer = self._transport.post(
            _V2_PATH,
            counted.decode,
            salvage=counted.split,
            body=lambda: {**body, "page_size": attempt.next()},
            kind="v2",
            shrink=attempt.too_large,
        )
        page = Page(answer.items or [], answer.next_cursor or None)
        size.arrived(len(page.items), counted.bytes)
        return page


class V1Queries(RunQueries):
    """`/api/v1/runs/query`: older self-hosted servers."""

    name = "v1"
    largest_page = V1_LARGEST_PAGE
    fields = V1_SELECT
    numbers_of_feedback = ("id", "feedback_stats")
    gives_many_ids = False
    _id_field = "id"
    _ids_parameter = "id"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self._decoder = RawDecoder(_V1Answer, raws=("runs",))

    def _body(self, scope: RunScope, cursor: str | None, fields: Sequence[str]) -> dict[str, object]:
        body: dict[str, object] = {
            "session": [scope.project_id],
            "select": fields,
            "order": "desc",
            "start_time": iso_z(scope.earliest),
            "filter": scope.filter,
        }
        if scope.trace_filter is not None:
            body["trace_filter"] = scope.trace_filter
        if cursor is not None:
            body["cursor"] = cursor
        return body

    def _ask(self, body: dict[str, object], size: PageSize) -> Page:
        page, asked_for = self._ask_once(body, size)
        if len(page.items) < asked_for or page.next_cursor or asked_for == 1:
            return page
        # A full page without a cursor: the end, or a cursor that got lost. One run fewer at a time must
        # give a cursor, or the server cannot page.
        again, asked_for = self._ask_once(body, PageSize(asked_for - 1, first=asked_for - 1))
        if len(again.items) >= asked_for and not again.next_cursor:
            raise InvalidAnswer(
                f"Querying the runs of {body['session']}",
                f"LangSmith gave {asked_for} runs twice, as many as asked for, and no cursor to go on.",
                "Run this again, and report it to LangSmith if it stays.",
            )
        return again

    def _ask_once(self, body: dict[str, object], size: PageSize) -> tuple[Page, int]:
        attempt = _Attempt(size)
        counted = _Counting(self._decoder)
        answer = self._transport.post(
            _V1_PATH,
            counted.decode,
            salvage=counted.split,
            body=lambda: {**body, "limit": attempt.next()},
            kind="v1",
            shrink=attempt.too_large,
        )
        page = Page(answer.runs or [], (answer.cursors or {}).get("next") or None)
        size.arrived(len(page.items), counted.bytes)
        return page, attempt.asked_for


def id_pages(queries: RunQueries, scope: RunScope) -> Iterator[list[str]]:
    """Every page of ids of a scope.

    Raises `QueryGoesInCircles`, `InvalidAnswer`, and what `Transport.post` raises.
    """
    return (ids for _, ids in _pages(scope, lambda cursor: queries.ids(scope, cursor)))


def pages_by_id(
    queries: RunQueries,
    scope: RunScope,
    wanted: Sequence[str],
    size: PageSize,
    fields: Sequence[str] | None = None,
) -> Iterator[list[msgspec.Raw]]:
    """Every page of the runs with these ids, whole or some of their fields. Raises as `id_pages` does."""

    def ask(cursor: str | None) -> Page:
        return queries.by_id(scope, wanted, cursor, size, fields)

    return (items for items, _ in _pages(scope, ask))


def _pages(
    scope: RunScope, ask: Callable[[str | None], Page]
) -> Iterator[tuple[list[msgspec.Raw], list[str]]]:
    """Every page, and the ids of its runs."""
    trail = page_trail(scope)
    cursor: str | None = None
    while True:
        page = ask(cursor)
        ids = run_ids(page.items)
        yield page.items, ids
        cursor = trail.after(page.next_cursor, ids)
        if cursor is None:
            return


def page_trail(scope: RunScope) -> PageTrail:
    """The way of one query from page to page. It raises `QueryGoesInCircles`."""
    return PageTrail(
        lambda what_came: QueryGoesInCircles(
            f"Querying the runs of project {scope.project_id}",
            f"LangSmith gave {what_came}.",
            "Run this again. If it stays, report it to LangSmith: the query cannot be completed.",
        )
    )


class _Attempt:
    """The page size of each attempt at one request."""

    def __init__(self, size: PageSize) -> None:
        self._size = size
        self.asked_for = size.current

    def next(self) -> int:
        self.asked_for = self._size.current
        return self.asked_for

    def too_large(self) -> bool:
        return self._size.too_large(self.asked_for)


class _Counting(Generic[T]):
    """A decoder that remembers how many bytes it was given."""

    def __init__(self, decoder: RawDecoder[T]) -> None:
        self._decoder = decoder
        self.bytes = 0

    def decode(self, content: bytes) -> T:
        self.bytes = len(content)
        return self._decoder.decode(content)

    def split(self, content: bytes) -> T:
        """What holds runs that are no JSON."""
        self.bytes = len(content)
        return self._decoder.split(content)


_PATH = "/api/v1/runs/stats"


class _Stats(msgspec.Struct):
    run_count: int


def count_runs(transport: Transport, scope: RunScope, *, roots_only: bool = False) -> int:
    """How many runs (or only root runs: traces) LangSmith counts in a scope.

    `end_time` is never sent: what it compares with is contradictory in the documentation.
    """
    body: dict[str, object] = {
        "session": [scope.project_id],
        "start_time": iso_z(scope.earliest),
        "filter": scope.filter,
    }
    if roots_only:
        body["is_root"] = True
    return transport.post(_PATH, msgspec.json.Decoder(_Stats).decode, body=body, kind="stats").run_count
