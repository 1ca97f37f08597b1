"""The proof that a day is complete: LangSmith's own count after the last page, with the same scope.

Counts alone agree when one run was missed and another is deleted meanwhile, so a scan of ids alone names what
is missing. It is fetched, a bounded number of times. A day that stays short is not published, nor one of
which LangSmith lists a run that it does not give. v2 gives a thousand ids a request; v1 a hundred at a tenth
of the rate, so there the day is scanned while runs may still arrive, and whenever the count is short. The
tail after midnight is in no count: it is always scanned.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from math import ceil
from typing import Final

from lse_dagster.day.writing.writer import DayWriter
from lse_dagster.langsmith.errors import IncompleteDay
from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.queries import RunQueries, count_runs, id_pages, pages_by_id
from lse_dagster.langsmith.scope import RunScope, may_still_grow, started_in, tail_of
from lse_dagster.langsmith.transport import Transport
from lse_dagster.run.times import DayInterval
from lse_dagster.steps.fetch.attachments import AttachmentDownloads
from lse_dagster.steps.fetch.workers import keep_runs

_ROUNDS: Final = 3
_IDS_PER_REQUEST: Final = 50
_SCANS_AT_ONCE: Final = 28
_FILL: Final = 0.9
"""How full a page of ids is to be: a part of the day with a few more runs than are known needs no second."""


def prove_complete(
    transport: Transport,
    queries: RunQueries,
    writer: DayWriter,
    downloads: AttachmentDownloads,
    *,
    session: str,
    project: str,
    day: date,
    began: datetime,
    now: datetime,
) -> int:
    """LangSmith's total; the writer holds at least as many runs then. `session` is the project's id.

    `began` is when the fetch did, in this process or in one that was interrupted. Raises `IncompleteDay`, and
    what `Transport.post` raises.
    """
    interval = DayInterval.of(day)
    whole = started_in(session, interval)
    repair = _Repair(transport, queries, writer, downloads)
    tail = tail_of(session, interval, now=now)
    scanning = queries.gives_many_ids or may_still_grow(interval, now=began)
    lacking: list[str] = []
    total = held = 0
    for number in range(_ROUNDS):
        scans = [(tail, tail)] if number == 0 or lacking else []
        if scanning:
            pages = ceil(writer.count_started_in_day() / (_FILL * queries.largest_page))
            scans += [(started_in(session, part), whole) for part in writer.even_parts(max(1, pages))]
        lacking = repair.fetch_missing(scans)
        total, before, held = count_runs(transport, whole), held, writer.count_started_in_day()
        if held >= total and not lacking:
            return total
        if scanning and held == before and not lacking:
            break
        scanning = True
    raise IncompleteDay(project, day, held=held, total=total, missing=lacking)


class _Repair:
    """Finds runs that the writer lacks by their ids, and fetches them."""

    def __init__(
        self, transport: Transport, queries: RunQueries, writer: DayWriter, downloads: AttachmentDownloads
    ) -> None:
        self._transport = transport
        self._queries = queries
        self._writer = writer
        self._downloads = downloads

    def fetch_missing(self, scans: Sequence[tuple[RunScope, RunScope]]) -> list[str]:
        """Scan the first of each pair of scopes, fetch what is missing in the second; what cannot be had."""
        with (
            ThreadPoolExecutor(_SCANS_AT_ONCE, thread_name_prefix="scan") as threads,
            self._transport.cancelled_on_error(),
        ):
            found = list(threads.map(self._scan, (scanned for scanned, _ in scans)))
        for (_, scope), missing in zip(scans, found, strict=True):
            for some in _batches(missing, _IDS_PER_REQUEST):
                self._fetch_by_id(scope, some)
        return self._writer.lacking([run_id for missing in found for run_id in missing])

    def _scan(self, scope: RunScope) -> list[str]:
        pages = id_pages(self._queries, scope)
        return [run_id for page in pages for run_id in self._writer.lacking(page)]

    def _fetch_by_id(self, scope: RunScope, wanted: Sequence[str]) -> None:
        size = PageSize(min(self._queries.largest_page, _IDS_PER_REQUEST))
        for page in pages_by_id(self._queries, scope, wanted, size):
            keep_runs(page, self._writer, self._downloads, listed=scope.lists)


def _batches(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
