"""Fetching one day: every run that started in it, the tail of its traces, feedback, and LangSmith's total.

Nothing is published here. The result waits in its staging folder, complete and flushed, with what LangSmith
counted after the last page in its summary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from lse_dagster.day.interval import DayInterval
from lse_dagster.day.overwrite import Overwrite
from lse_dagster.day.run import InvalidRun
from lse_dagster.day.staging import StagedDay
from lse_dagster.day.store import DayStore
from lse_dagster.day.writer import DayWriter, Provenance
from lse_dagster.langsmith.errors import InvalidAnswer
from lse_dagster.langsmith.feedback import feedback_by_run
from lse_dagster.langsmith.projects import project_id
from lse_dagster.langsmith.query import query_pages
from lse_dagster.langsmith.scope import RunScope, started_in, tail_of
from lse_dagster.langsmith.totals import count_runs
from lse_dagster.langsmith.transport import Transport


@dataclass(frozen=True)
class FetchProgress:
    """How far a fetch has come."""

    runs: int
    bytes: int
    requests: int
    retries: int


def _silent(_: FetchProgress) -> None:
    pass


def _utc_now() -> datetime:
    return datetime.now(UTC)


def fetch_day(
    transport: Transport,
    store: DayStore,
    project: str,
    day: date,
    *,
    overwrite: Overwrite = "superset",
    on_progress: Callable[[FetchProgress], None] = _silent,
    now: Callable[[], datetime] = _utc_now,
) -> StagedDay:
    """Fetch one UTC day of a project into a staging folder; `store.publish` puts it in its place.

    Raises `ProjectNotFound`, `OverwriteRefused`, `DayIsBusy`, `DiskError`, and what the transport raises;
    the staging is gone then and the old day untouched.
    """
    store.refuse_if_exists(project, day, overwrite)
    interval = DayInterval.of(day)
    with store.stage(project, day) as staging:
        session = project_id(transport, project)
        scope = started_in(session, interval)
        fetched_at = now()
        writer = DayWriter(staging)
        for part in (scope, tail_of(session, interval, now=fetched_at)):
            _keep_runs(transport, part, writer, on_progress)
        feedback = feedback_by_run(transport, writer.runs_with_feedback())
        provenance = Provenance(
            project_id=session,
            api="v2",
            fetched_at=fetched_at,
            langsmith_total=count_runs(transport, scope),
            langsmith_root_total=count_runs(transport, scope, roots_only=True),
        )
        return writer.finish(provenance, feedback)


def _keep_runs(
    transport: Transport, scope: RunScope, writer: DayWriter, on_progress: Callable[[FetchProgress], None]
) -> None:
    for page in query_pages(transport, scope):
        for raw in page:
            try:
                writer.add(raw)
            except InvalidRun as error:
                raise InvalidAnswer(
                    "Reading a run that LangSmith sent",
                    f"{error}.",
                    "Run this again, and report it if it stays.",
                ) from error
        counters = transport.counters
        on_progress(FetchProgress(len(writer), counters.bytes, counters.requests, counters.retries))
