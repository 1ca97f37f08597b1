"""What ours is compared with: three loops over LangSmith's SDK.

They are written as a careful user would: one client, one event loop, all fields, one JSON file a run.
"""

import asyncio
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import get_args

from langsmith import Client
from langsmith.schemas import Run as V1Run
from langsmith.types.run_select_field import RunSelectField

from benchmarks.job import Job, Sampling
from benchmarks.synthetic_day import DAY

warnings.filterwarnings("ignore", message=".*deprecated and will be removed after")

_START = datetime.combine(DAY, time.min, tzinfo=UTC)


def query_v2(job: Job, page_size: int) -> int:
    """A plain loop over `client.runs.query`."""

    async def read() -> int:
        sampling = Sampling(job)
        query = Client(api_url=job.url, api_key="benchmark").runs.query(
            project_ids=[job.project_id],
            selects=list(get_args(RunSelectField)),
            min_start_time=_START,
            max_start_time=_START + timedelta(days=1),
            page_size=page_size,
        )
        done = 0
        async for run in query:
            (job.path / f"{run.id}.json").write_text(run.model_dump_json())
            done += 1
            if sampling.is_enough(done):
                break
        return done

    return asyncio.run(read())


def list_v1(job: Job) -> int:
    """A plain loop over `client.list_runs`."""
    client = Client(api_url=job.url, api_key="benchmark")
    return _keep_v1(job, client.list_runs(project_id=job.project_id, start_time=_START))


def per_trace(job: Job) -> int:
    """One query a trace, as the first system did: list the root runs, then ask for each trace's runs."""
    client = Client(api_url=job.url, api_key="benchmark")

    def runs() -> Iterator[V1Run]:
        for root in client.list_runs(project_id=job.project_id, start_time=_START, is_root=True):
            yield from client.list_runs(project_id=job.project_id, trace_id=root.id)

    return _keep_v1(job, runs())


def _keep_v1(job: Job, runs: Iterator[V1Run]) -> int:
    sampling = Sampling(job)
    done = 0
    for run in runs:
        (job.path / f"{run.id}.json").write_text(run.model_dump_json())
        done += 1
        if sampling.is_enough(done):
            break
    return done
