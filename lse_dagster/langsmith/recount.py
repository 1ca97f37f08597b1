"""Comparing an archived day with LangSmith again, without fetching it.

A count cannot tell one late run and one deleted run from no change. Where ids are cheap (v2: a thousand a
request, against v1's hundred at a tenth of the rate) they are compared as well. Runs that were patched after
they had ended are seen by neither; a day with unfinished runs is fetched again instead.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date

import msgspec

from lse_dagster.day.interval import DayInterval
from lse_dagster.langsmith.generation import choose_queries
from lse_dagster.langsmith.projects import project_id
from lse_dagster.langsmith.query import V2Queries, id_pages
from lse_dagster.langsmith.scope import started_in
from lse_dagster.langsmith.totals import count_runs
from lse_dagster.langsmith.transport import Transport


class _Id(msgspec.Struct):
    id: str


@dataclass(frozen=True)
class Recount:
    """What LangSmith has of a day now. `missing`: how many runs of it the archive is known to lack."""

    total: int
    missing: int


def count_again(
    transport: Transport,
    project: str,
    day: date,
    *,
    held: int,
    held_ids: Callable[[], AbstractSet[str] | None],
) -> Recount:
    """Compare the day with LangSmith: one request to `/runs/stats`, and on v2 one for each thousand ids.

    `held`: how many runs that started in the day are archived; `held_ids`: the ids of all, or None when they
    are not at hand. Raises `ProjectNotFound`, and what `Transport.post` raises.
    """
    scope = started_in(project_id(transport, project), DayInterval.of(day))
    total = count_runs(transport, scope)
    if total > held:
        return Recount(total, total - held)
    queries = choose_queries(transport)
    if total == 0 or queries is not V2Queries or (known := held_ids()) is None:
        return Recount(total, 0)
    ids = (
        msgspec.json.decode(item, type=_Id).id
        for page in id_pages(queries(transport), scope)
        for item in page
    )
    return Recount(total, sum(1 for run_id in ids if run_id not in known))
