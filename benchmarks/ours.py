"""The archive's own fetch. The one place in the benchmarks that calls it."""

from typing import Literal

from benchmarks.job import Job
from benchmarks.synthetic_day import DAY
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.transport import Transport
from lse_dagster.steps.fetch.day import fetch_day


def fetch_and_publish(job: Job, rates: Literal["us", "none"] = "none") -> DayFolder:
    """What the asset `raw_runs` does, without Dagster: fetch, flush to disk, move into place.

    The server refuses nobody, so by default no client paces itself either.
    """
    store = DayStore(job.path)
    settings = LangSmithSettings(api_key="benchmark", endpoint=job.url, rates=rates)
    with Transport(settings) as connection:
        fetched = fetch_day(connection, store, job.project, DAY)
        return store.publish(fetched.staged, "superset").day


def fetch(job: Job) -> int:
    """The number of runs that the published day holds."""
    return fetch_and_publish(job).summary.counts.runs_started_in_day


def fetch_paced(job: Job) -> int:
    """The same within the limits of LangSmith Cloud in the US."""
    return fetch_and_publish(job, "us").summary.counts.runs_started_in_day
