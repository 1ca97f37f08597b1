"""Feedback records: a run carries only an aggregate of its feedback, so they are a request of their own.

Only an empty page ends them: a server may give fewer at once than it is asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from lse_dagster.day.feedback_spool import FeedbackRecord
from lse_dagster.day.raw_json import RawDecoder
from lse_dagster.langsmith.errors import QueryGoesInCircles
from lse_dagster.langsmith.fields import FEEDBACK_LARGEST_PAGE
from lse_dagster.langsmith.transport import Transport

_PATH = "/api/v1/feedback"
_RUNS_PER_REQUEST = 100  # about 4 KB of URL
_REQUESTS_AT_ONCE = 8


class _Head(msgspec.Struct):
    id: str
    run_id: str | None = None


class _Page(msgspec.Struct):
    records: list[msgspec.Raw]


_HEAD = RawDecoder(_Head)
_PAGE = RawDecoder(_Page, raws=("records",))


def fetch_feedback(
    transport: Transport, run_ids: Sequence[str], keep: Callable[[Iterable[FeedbackRecord]], None]
) -> None:
    """Every record of these runs as LangSmith sent it, its id as its key; `keep` is called from any thread.

    Raises `QueryGoesInCircles`, and what `Transport.get` and `keep` raise; the transport is cancelled then.
    """
    batches = (run_ids[at : at + _RUNS_PER_REQUEST] for at in range(0, len(run_ids), _RUNS_PER_REQUEST))

    def fetch(batch: Sequence[str]) -> None:
        for page in _pages(transport, batch):
            keep(
                FeedbackRecord(run_id, head.id, raw)
                for head, raw in page
                if (run_id := head.run_id) is not None and run_id in batch
            )

    with (
        ThreadPoolExecutor(_REQUESTS_AT_ONCE, thread_name_prefix="feedback") as threads,
        transport.cancelled_on_error(),
    ):
        for _ in threads.map(fetch, batches):
            pass


def _pages(transport: Transport, run_ids: Sequence[str]) -> Iterator[list[tuple[_Head, bytes]]]:
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
        yield page
        seen |= new
        offset += len(page)


def _page(transport: Transport, run_ids: Sequence[str], offset: int) -> list[tuple[_Head, bytes]]:
    params: dict[str, str | int | list[str]] = {
        "run": list(run_ids),
        "limit": FEEDBACK_LARGEST_PAGE,
        "offset": offset,
    }
    return transport.get(_PATH, _decode, params=params)


def _decode(content: bytes) -> list[tuple[_Head, bytes]]:
    return [(_HEAD.decode(raw), bytes(raw)) for raw in _PAGE.decode(b'{"records":%b}' % content).records]
