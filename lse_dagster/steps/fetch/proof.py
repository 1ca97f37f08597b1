"""The proof that a day is complete: LangSmith's own count after the last page, with the same scope.

Counts alone agree when one run was missed and another is deleted meanwhile, so a scan of ids alone names what
is missing. It is fetched, a bounded number of times. A day that stays short is not published, nor one of
which LangSmith lists a run that it does not give. v2 gives a thousand ids a request; v1 a hundred at a tenth
of the rate, so there the day is scanned while runs may still arrive, and whenever the count is short. The
tail after midnight is in no count: it is always scanned.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from math import ceil
from typing import Final

from lse_dagster.langsmith.errors import IncompleteDay
from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.queries import count_runs
from lse_dagster.langsmith.scope import RunScope, may_still_grow
from lse_dagster.steps.fetch.job import FetchJob, RunIntake

_ROUNDS: Final = 3
_IDS_PER_REQUEST: Final = 50
_SCANS_AT_ONCE: Final = 28
_FILL: Final = 0.9
"""How full a page of ids is to be: a part of the day with a few more runs than are known needs no second."""


def prove_complete(job: FetchJob, intake: RunIntake, *, began: datetime) -> int:
    """LangSmith's total; the writer holds at least as many runs then.

    `began` is when the fetch did, in this process or in one that was interrupted. Raises `IncompleteDay`, and
    what `Transport.post` raises.
    """
    queries, writer = job.queries, intake.writer
    repair = _Repair(job, intake)
    scanning = queries.gives_many_ids or may_still_grow(job.interval, now=began)
    lacking: list[str] = []
    total = held = 0
    for number in range(_ROUNDS):
        scans = [(job.tail, job.tail)] if number == 0 or lacking else []
        if scanning:
            pages = ceil(writer.count_started_in_day() / (_FILL * queries.largest_page))
            scans += [(job.started_in(part), job.whole) for part in writer.even_parts(max(1, pages))]
        lacking = repair.fetch_missing(scans)
        total, before, held = count_runs(job.transport, job.whole), held, writer.count_started_in_day()
        if held >= total and not lacking:
            return total
        if scanning and held == before and not lacking:
            break
        scanning = True
    raise IncompleteDay(job.project.name, job.day, held=held, total=total, missing=lacking)


class _Repair:
    """Finds runs that the writer lacks by their ids, and fetches them."""

    def __init__(self, job: FetchJob, intake: RunIntake) -> None:
        self._job = job
        self._intake = intake

    def fetch_missing(self, scans: Sequence[tuple[RunScope, RunScope]]) -> list[str]:
        """Scan the first of each pair of scopes, fetch what is missing in the second; what cannot be had."""
        with (
            ThreadPoolExecutor(_SCANS_AT_ONCE, thread_name_prefix="scan") as threads,
            self._job.transport.cancelled_on_error(),
        ):
            found = list(threads.map(self._scan, (scanned for scanned, _ in scans)))
        for (_, scope), missing in zip(scans, found, strict=True):
            for some in _batches(missing, _IDS_PER_REQUEST):
                self._fetch_by_id(scope, some)
        return self._intake.writer.lacking([run_id for missing in found for run_id in missing])

    def _scan(self, scope: RunScope) -> list[str]:
        pages = self._job.queries.id_pages(scope)
        return [run_id for page in pages for run_id in self._intake.writer.lacking(page)]

    def _fetch_by_id(self, scope: RunScope, wanted: Sequence[str]) -> None:
        size = PageSize(min(self._job.queries.largest_page, _IDS_PER_REQUEST))
        for page in self._job.queries.pages_by_id(scope, wanted, size):
            self._intake.keep(page, listed=scope.lists)


def _batches(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
