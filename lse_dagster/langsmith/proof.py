"""The proof that a day is complete: LangSmith's own count after the last page, with the same scope.

A scan of ids alone names what is missing, and it is fetched, a bounded number of times. A day that stays
short is not published.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import msgspec

from lse_dagster.day.writer import DayWriter
from lse_dagster.langsmith.arrivals import keep_runs
from lse_dagster.langsmith.attachments import AttachmentDownloads
from lse_dagster.langsmith.errors import IncompleteDay
from lse_dagster.langsmith.page_size import PageSize
from lse_dagster.langsmith.query import RunQueries, id_pages, pages_by_id
from lse_dagster.langsmith.scope import RunScope
from lse_dagster.langsmith.totals import count_runs
from lse_dagster.langsmith.transport import Transport

_ROUNDS: Final = 3
_IDS_PER_REQUEST: Final = 50


class _Id(msgspec.Struct):
    id: str


def prove_complete(
    transport: Transport,
    queries: RunQueries,
    writer: DayWriter,
    scope: RunScope,
    downloads: AttachmentDownloads,
    *,
    project: str,
    day: date,
) -> int:
    """LangSmith's total; the writer holds at least as many runs then. Raises `IncompleteDay`."""
    missing: list[str] = []
    # Counts alone agree when one run arrives late and another is deleted meanwhile. Where a scan is cheap it
    # is made before the first count; where it would double the requests, only when the count says so.
    scanning = queries.scans_cheaply
    total = held = 0
    for _ in range(_ROUNDS):
        if scanning:
            missing = [run_id for run_id in _all_ids(queries, scope) if run_id not in writer]
            for some in _batches(missing, _IDS_PER_REQUEST):
                _fetch_by_id(queries, writer, scope, some, downloads)
        total, before, held = count_runs(transport, scope), held, writer.count_started_in_day()
        if held >= total:
            return total
        if scanning and held == before:
            break
        scanning = True
    still_missing = [run_id for run_id in missing if run_id not in writer]
    raise IncompleteDay(project, day, held=held, total=total, missing=still_missing)


def _all_ids(queries: RunQueries, scope: RunScope) -> Iterator[str]:
    for page in id_pages(queries, scope):
        for item in page:
            yield msgspec.json.decode(item, type=_Id).id


def _fetch_by_id(
    queries: RunQueries,
    writer: DayWriter,
    scope: RunScope,
    run_ids: Sequence[str],
    downloads: AttachmentDownloads,
) -> None:
    size = PageSize(min(queries.largest_page, _IDS_PER_REQUEST))
    for page in pages_by_id(queries, scope, run_ids, size):
        keep_runs(page, writer, downloads)


def _batches(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
