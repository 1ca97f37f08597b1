"""Feedback records: a run carries only an aggregate of its feedback, so they are a request of their own.

Only an empty page ends them: a server may give fewer at once than it is asked for.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from lse_dagster.day.raw_json import RawDecoder
from lse_dagster.langsmith.errors import QueryGoesInCircles
from lse_dagster.langsmith.fields import FEEDBACK_LARGEST_PAGE
from lse_dagster.langsmith.transport import Transport

_PATH = "/api/v1/feedback"
_RUNS_PER_REQUEST = 100  # about 4 KB of URL


class _Head(msgspec.Struct):
    id: str
    run_id: str | None = None


class _Page(msgspec.Struct):
    records: list[msgspec.Raw]


_HEAD = RawDecoder(_Head)
_PAGE = RawDecoder(_Page, raws=("records",))


def feedback_by_run(transport: Transport, run_ids: Iterable[str]) -> dict[str, list[bytes]]:
    """The records of runs, by run id, each as LangSmith sent it, sorted by record id.

    Raises `QueryGoesInCircles`, and what `Transport.get` raises.
    """
    records: dict[str, dict[str, bytes]] = {}
    ids = iter(run_ids)
    while batch := list(islice(ids, _RUNS_PER_REQUEST)):
        for head, raw in _records(transport, batch):
            if head.run_id in batch:
                records.setdefault(head.run_id, {})[head.id] = raw
    return {run_id: [by_id[key] for key in sorted(by_id)] for run_id, by_id in records.items()}


def _records(transport: Transport, run_ids: list[str]) -> Iterator[tuple[_Head, bytes]]:
    seen: set[str] = set()
    offset = 0
    while page := _page(transport, run_ids, offset):
        new = {head.id for head, _ in page} - seen
        if not new:
            raise QueryGoesInCircles(
                f"Reading the feedback of {len(run_ids)} runs",
                f"LangSmith gave only records that it had given before, from {offset:,} on.",
                "Run this again. If it stays, report it to LangSmith: the feedback cannot be read whole.",
            )
        yield from page
        seen |= new
        offset += len(page)


def _page(transport: Transport, run_ids: list[str], offset: int) -> list[tuple[_Head, bytes]]:
    params: dict[str, str | int | list[str]] = {
        "run": run_ids,
        "limit": FEEDBACK_LARGEST_PAGE,
        "offset": offset,
    }
    return transport.get(_PATH, _decode, params=params)


def _decode(content: bytes) -> list[tuple[_Head, bytes]]:
    page = _PAGE.decode(b'{"records":%b}' % content)
    return [(_HEAD.decode(raw), bytes(raw)) for raw in page.records]
