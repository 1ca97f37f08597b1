"""The v2 query: every run of a scope, page by page, each as the bytes LangSmith sent.

Only a missing cursor ends a query. An empty page with a cursor goes on, and a cursor that comes again is an
error: both have cost other tools runs without a word.
"""

from collections.abc import Iterator

import msgspec

from lse_dagster.day.interval import iso_z
from lse_dagster.langsmith.errors import RepeatedCursor
from lse_dagster.langsmith.fields import V2_SELECTS
from lse_dagster.langsmith.scope import RunScope
from lse_dagster.langsmith.transport import Transport

_PATH = "/api/v2/runs/query"
_PAGE_SIZE = 100


class Page(msgspec.Struct, frozen=True):
    """One answer. `items` is required: an answer without it is not an empty page."""

    items: list[msgspec.Raw]
    next_cursor: str | None = None


def query_pages(
    transport: Transport, scope: RunScope, *, page_size: int = _PAGE_SIZE
) -> Iterator[list[bytes]]:
    """The raw runs of every page of a scope, empty pages included.

    Raises `RepeatedCursor`, and what `Transport.post` raises.
    """
    decode = msgspec.json.Decoder(Page).decode
    body: dict[str, object] = {
        "project_ids": [scope.project_id],
        "selects": V2_SELECTS,
        "page_size": page_size,
        "min_start_time": iso_z(scope.earliest),
        "max_start_time": iso_z(scope.latest),
        "filter": scope.filter,
    }
    if scope.trace_filter is not None:
        body["trace_filter"] = scope.trace_filter
    seen: set[str] = set()
    while True:
        page = transport.post(_PATH, decode, body=body)
        yield [bytes(item) for item in page.items]
        if not page.next_cursor:
            return
        if page.next_cursor in seen:
            raise RepeatedCursor(
                f"Querying the runs of project {scope.project_id}",
                f"LangSmith gave the same cursor twice, at page {len(seen) + 1}.",
                "Run this again. If it stays, report it to LangSmith: the query cannot be completed.",
            )
        seen.add(page.next_cursor)
        body["cursor"] = page.next_cursor
