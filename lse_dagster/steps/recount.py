"""Comparing an archived day with LangSmith again, without fetching it.

A count cannot tell one late run and one deleted run from no change, and leaves out the tail after midnight.
Where a thousand runs come with a request (v2; v1 gives a hundred at a tenth of the rate) the outline of each
is compared as well: its id, how it ended, its feedback in numbers. New inputs or outputs alone go unnoticed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain

import msgspec

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.summary import Summary
from lse_dagster.day.trace_file import TraceFile
from lse_dagster.day.zip.file import DayZip
from lse_dagster.langsmith.errors import InvalidAnswer, NoSuchEndpoint
from lse_dagster.langsmith.fields import V2_OUTLINE
from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.queries import V2Queries, count_runs, page_trail
from lse_dagster.langsmith.scope import RunScope, started_in, tail_of
from lse_dagster.langsmith.server import choose_queries, project_id
from lse_dagster.langsmith.transport import Transport
from lse_dagster.run.feedback import count_records
from lse_dagster.run.identity import InvalidRun
from lse_dagster.run.outline import RunOutline, read_outline
from lse_dagster.run.times import DayInterval


def outlines_of_folder(day: DayFolder) -> dict[str, int]:
    """The hash of each run of a day, by its id. Raises `BrokenDay`."""
    try:
        return _by_id(day.traces(), day.unfiled(), day.summary)
    except (InvalidRun, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise day.broken(str(error)) from error


def outlines_of_zip(zipped: DayZip) -> dict[str, int]:
    """The same from a day zip. Raises `BrokenZip`."""
    try:
        return _by_id(zipped.traces(), zipped.unfiled(), zipped.summary)
    except (InvalidRun, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise zipped.broken(str(error)) from error


def _by_id(
    traces: Iterable[TraceFile], unfiled: Iterable[bytes | bytearray], summary: Summary
) -> dict[str, int]:
    elsewhere = Counter({short.run_id: short.of_other_projects for short in summary.short_feedback})
    found = (
        read_outline(raw, records)
        for trace in traces
        for records in [count_records(trace.feedback) + elsewhere]
        for raw in trace.runs
    )
    alone = (read_outline(bytes(raw)) for raw in unfiled)
    return {outline.id: outline.digest for outline in chain(found, alone)}


@dataclass(frozen=True)
class Recount:
    """What LangSmith has of a day now.

    `missing`: how many runs of it, or of its tail, the archive is known to lack; `changed`: how many have
    another outline there.
    """

    total: int
    asked_at: datetime
    """By LangSmith's clock."""
    missing: int = 0
    changed: int = 0

    @property
    def is_as_archived(self) -> bool:
        """Whether a fetch would bring nothing that is known of."""
        return not (self.missing or self.changed)


def count_again(
    transport: Transport,
    project: str,
    day: date,
    *,
    now: datetime,
    held: int,
    outlines: Callable[[], Mapping[str, int] | None],
    archived_id: str = "",
) -> Recount:
    """Compare the day with LangSmith: one request to `/runs/stats`, and on v2 one for each thousand runs.

    `held`: how many runs that started in the day are archived; `outlines`: the hashes of all by their ids, or
    None when they are not at hand; `archived_id`: LangSmith's id of the project that was archived, as another
    one may have its name now, empty where it is not known; `now`: this machine's time. Raises
    `ProjectNotFound`, and what `Transport.post` raises.
    """
    of_project, interval = archived_id or project_id(transport, project), DayInterval.of(day)
    now = transport.time.now(now)
    whole = started_in(of_project, interval)
    total = count_runs(transport, whole)
    if total > held:
        return Recount(total, now, missing=total - held)
    if total == 0 or choose_queries(transport) is not V2Queries or (known := outlines()) is None:
        return Recount(total, now)
    try:
        missing, changed = _compare(transport, known, [whole, tail_of(of_project, interval, now=now)])
    except NoSuchEndpoint:
        # The server says it is new enough and has no v2 all the same.
        return Recount(total, now)
    return Recount(total, now, missing, changed)


def _compare(transport: Transport, known: Mapping[str, int], scopes: list[RunScope]) -> tuple[int, int]:
    missing = changed = 0
    for scope in scopes:
        for run in _outlines(V2Queries(transport), scope):
            missing += run.id not in known
            changed += known.get(run.id, run.digest) != run.digest
    return missing, changed


def _outlines(queries: V2Queries, scope: RunScope) -> Iterator[RunOutline]:
    size = PageSize(queries.largest_page, first=queries.largest_page)
    trail = page_trail(scope)
    cursor: str | None = None
    while True:
        page = queries.page(scope, cursor, size, V2_OUTLINE)
        outlines = [_outline(item) for item in page.items]
        yield from outlines
        cursor = trail.after(page.next_cursor, [run.id for run in outlines])
        if cursor is None:
            return


def _outline(item: msgspec.Raw) -> RunOutline:
    try:
        return read_outline(item)
    except InvalidRun as error:
        raise InvalidAnswer.with_no_run(
            "Comparing a run that LangSmith sent with the archive", error
        ) from error
