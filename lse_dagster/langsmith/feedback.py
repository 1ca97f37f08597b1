"""Feedback records: a run carries only numbers of its feedback, so they are a request of their own.

The list is paged by an offset, in an order that nobody promises: a record deleted between two pages shifts
the others, and one is skipped. So what came of each run is compared with the number that the run carries, and
what is short is asked for again, at most three times. Only an empty page ends a list: a server may give fewer
at once than it is asked for.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from lse_dagster.langsmith.errors import InvalidAnswer, QueryGoesInCircles
from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.queries import RunQueries
from lse_dagster.langsmith.scope import RunScope
from lse_dagster.langsmith.transport import Transport
from lse_dagster.run.feedback import (
    FeedbackRecord,
    RecordHead,
    ShortFeedback,
    as_json,
    count_feedback,
    read_record,
)
from lse_dagster.run.identity import InvalidRun, decode_run
from lse_dagster.run.raw_json import RawDecoder

Keep = Callable[[Iterable[FeedbackRecord]], None]
NumbersNow = Callable[[Sequence[str]], Mapping[str, int]]

_PATH = "/api/v1/feedback"
_LARGEST_PAGE: Final = 100
"""As the SDK states it (langsmith 0.15.0, November 2026)."""
_RUNS_PER_REQUEST = 100  # about 4 KB of URL
_REQUESTS_AT_ONCE = 8
_OVERLAP: Final = _LARGEST_PAGE // 2
"""When pages are asked for again: as many records may be deleted between two of them, and none is skipped."""
_MOST_STALE_PAGES: Final = 10
"""In a row without a new record. An order that changes gives some; so many are an offset that is ignored."""


class _Page(msgspec.Struct):
    records: list[msgspec.Raw] | None


_PAGE = RawDecoder(_Page, raws=("records",))


def fetch_feedback(
    transport: Transport,
    project_id: str,
    runs: Sequence[tuple[str, int]],
    keep: Keep,
    numbers_now: NumbersNow,
) -> list[ShortFeedback]:
    """Every record of these runs that is of the project, as LangSmith sent it; of which runs too few came.

    `runs`: ids, and how many records each says that it has. `numbers_now` asks LangSmith for these numbers
    again; it and `keep` are called from any thread. Raises `QueryGoesInCircles`, and what `Transport.get`,
    `keep` and `numbers_now` raise; the transport is cancelled then.
    """

    def fetch(batch: Sequence[tuple[str, int]]) -> list[ShortFeedback]:
        return _Batch(transport, project_id, dict(batch), keep).fetch(numbers_now)

    with (
        ThreadPoolExecutor(_REQUESTS_AT_ONCE, thread_name_prefix="feedback") as threads,
        transport.cancelled_on_error(),
    ):
        starts = range(0, len(runs), _RUNS_PER_REQUEST)
        found = threads.map(fetch, (runs[at : at + _RUNS_PER_REQUEST] for at in starts))
        return [short for of_batch in found for short in of_batch]


class _Batch:
    """Some runs whose records are asked for together, and what came of each. Used by one thread."""

    def __init__(self, transport: Transport, project_id: str, said: Mapping[str, int], keep: Keep) -> None:
        self._transport = transport
        self._project_id = project_id.casefold()
        self._said = said
        self._expected = dict(said)
        self._keep = keep
        self._seen: set[tuple[str, str]] = set()
        self._held: Counter[str] = Counter()
        self._of_others: Counter[str] = Counter()

    def fetch(self, numbers_now: NumbersNow) -> list[ShortFeedback]:
        """Up to three passes; the runs of which fewer records are archived than the run says."""
        self._list(list(self._said))
        self._list_again()
        if short := self._short():
            # What was deleted since the run was fetched is missing from its list, and from its number now.
            self._expected |= numbers_now(short)
            self._list_again()
        return [
            ShortFeedback(run_id, expected, self._held[run_id], self._of_others[run_id])
            for run_id, expected in self._expected.items()
            if self._held[run_id] < max(expected, self._said[run_id])
        ]

    def _short(self) -> list[str]:
        """Also records of other projects count here: the number that a run carries may count them."""
        came = self._held + self._of_others
        return [run_id for run_id, expected in self._expected.items() if came[run_id] < expected]

    def _list_again(self) -> None:
        """As many runs at once as one answer holds, which no deletion shifts; else in pages that overlap."""
        group: list[str] = []
        size = 0
        for run_id in self._short():
            expected = self._expected[run_id]
            if group and size + expected > _OVERLAP:
                self._list(group)
                group, size = [], 0
            group.append(run_id)
            size += expected
            if size > _OVERLAP:
                self._list(group, overlap=_OVERLAP)
                group, size = [], 0
        if group:
            self._list(group)

    def _list(self, run_ids: Sequence[str], *, overlap: int = 0) -> None:
        offset = stale = 0
        listed: set[tuple[str, str]] = set()
        while page := _ask(self._transport, run_ids, offset):
            ids = {(head.run_id or "", head.id) for head, _ in page}
            is_stale = ids <= listed
            listed |= ids
            self._take(page)
            stale = stale + 1 if is_stale else 0
            if is_stale and not overlap and not self._short():
                return  # the numbers prove that all came, whatever else is given again
            if stale > _MOST_STALE_PAGES:
                raise _goes_in_circles(len(run_ids), offset)
            offset += len(page) - (0 if is_stale else min(overlap, len(page) // 2))

    def _take(self, page: Sequence[tuple[RecordHead, bytes]]) -> None:
        self._keep(list(self._new_of_project(page)))

    def _new_of_project(self, page: Sequence[tuple[RecordHead, bytes]]) -> Iterator[FeedbackRecord]:
        for head, raw in page:
            run_id = head.run_id
            if run_id is None or run_id not in self._said or (run_id, head.id) in self._seen:
                continue
            self._seen.add((run_id, head.id))
            if head.project_id is not None and head.project_id.casefold() != self._project_id:
                self._of_others[run_id] += 1
                continue
            self._held[run_id] += 1
            yield FeedbackRecord(run_id, head.id, raw)


def _ask(transport: Transport, run_ids: Sequence[str], offset: int) -> list[tuple[RecordHead, bytes]]:
    params: dict[str, str | int | list[str]] = {
        "run": list(run_ids),
        "limit": _LARGEST_PAGE,
        "offset": offset,
    }
    return transport.get(_PATH, _decode, params=params, salvage=_salvage)


def _decode(content: bytes) -> list[tuple[RecordHead, bytes]]:
    records = _PAGE.decode(b'{"records":%b}' % content).records
    return [(read_record(raw), bytes(raw)) for raw in records or ()]


def _salvage(content: bytes) -> list[tuple[RecordHead, bytes]]:
    """A page with records that are no JSON: one of them does not keep the day from the archive."""
    records = _PAGE.split(b'{"records":%b}' % content).records
    readable = (as_json(bytes(raw)) for raw in records or ())
    return [(read_record(raw), raw) for raw in readable]


def _goes_in_circles(runs: int, offset: int) -> QueryGoesInCircles:
    return QueryGoesInCircles(
        f"Reading the feedback of {runs} runs",
        f"LangSmith gave only records that it had given before, up to offset {offset:,}, and fewer than the "
        "runs say that they have.",
        "Run this again. If it stays, report it to LangSmith: the feedback cannot be read whole.",
    )


_IDS_PER_REQUEST: Final = 50


class _Run(msgspec.Struct):
    id: str
    feedback_stats: msgspec.Raw = msgspec.Raw(b"null")


_RUN: Final = RawDecoder(_Run)


def numbers_of_feedback(queries: RunQueries, scope: RunScope, run_ids: Sequence[str]) -> dict[str, int]:
    """By the ids of those runs that LangSmith has in this scope.

    Raises `QueryGoesInCircles`, `InvalidAnswer`, and what `Transport.post` raises.
    """
    size = PageSize(queries.largest_page, first=_IDS_PER_REQUEST)
    numbers: dict[str, int] = {}
    for start in range(0, len(run_ids), _IDS_PER_REQUEST):
        wanted = run_ids[start : start + _IDS_PER_REQUEST]
        for page in queries.pages_by_id(scope, wanted, size, queries.feedback_fields):
            numbers |= map(_number, page)
    return numbers


def _number(raw: msgspec.Raw) -> tuple[str, int]:
    try:
        run = decode_run(_RUN, raw)
    except InvalidRun as error:
        raise InvalidAnswer.with_no_run("Reading the feedback in numbers of a run", error) from error
    return run.id, count_feedback(run.feedback_stats)
