"""The bare client: the bytes of the same pages to disk, over several connections, and nothing else.

It is told every cursor beforehand and looks into no answer, so it shows what server and machine can do.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import urllib3

from benchmarks.control import ServerControl
from benchmarks.job import Job
from benchmarks.synthetic_day import DAY
from lse_dagster.langsmith.fields import V2_SELECTS

_PAGE_SIZE = 1000
_CONNECTIONS = 4
_CHUNK = 1 << 20


def fetch(job: Job) -> int:
    """The number of runs in the pages; a page that is refused raises `RuntimeError`."""
    pool = urllib3.HTTPConnectionPool(*_host_and_port(job.url), maxsize=_CONNECTIONS)
    cursors = ServerControl(job.url).cursors(job.project, _PAGE_SIZE)
    query = {
        "project_ids": [job.project_id],
        "selects": V2_SELECTS,
        "min_start_time": f"{DAY}T00:00:00Z",
        "max_start_time": f"{DAY}T23:59:59.999999Z",
        "page_size": _PAGE_SIZE,
    }

    def read(number: int, cursor: str) -> None:
        body = json.dumps({**query, "cursor": cursor})
        answer = pool.request("POST", "/api/v2/runs/query", body=body, preload_content=False)
        if answer.status != 200:
            raise RuntimeError(answer.data.decode())
        with (job.path / f"{number:05}.json").open("wb", buffering=0) as file:
            for chunk in answer.stream(_CHUNK):
                file.write(chunk)
        answer.release_conn()

    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        list(threads.map(read, count(), cursors))
    return job.runs


def _host_and_port(url: str) -> tuple[str, int]:
    parsed = urllib3.util.parse_url(url)
    return parsed.host or "", parsed.port or 80
