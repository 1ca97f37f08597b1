"""What each way to read a day of runs loses without a word: an experiment on the sandbox, not a measurement.

One day of 2,500 runs, and a server that once answers inconveniently. Every client reads the whole day; the
table says how many different runs it has and how it ended. The real clients go over HTTP.
"""

import asyncio
import tempfile
import warnings
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import get_args

import requests
from langsmith import Client
from langsmith.types.run_select_field import RunSelectField

from benchmarks.synthetic_day import DAY
from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.pages import run_ids
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import FaultFields
from lse_dagster.sandbox.server import Sandbox, running_sandbox
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.steps.fetch.planned import PlannedRun, Planner, ingest
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

warnings.filterwarnings("ignore", message=".*deprecated and will be removed after")

_RUNS = 2_500
_START = datetime.combine(DAY, time.min, tzinfo=UTC)
_END = _START + timedelta(days=1)
_QUERY = r"/runs/query$"
_FAULTS: dict[str, FaultFields] = {
    "nothing goes wrong": {},
    "an empty page with a cursor": {"path": _QUERY, "skip": 1, "empty_page": True},
    "a page comes again": {"path": _QUERY, "skip": 1, "repeat_page": True},
    "one answer is cut": {"path": _QUERY, "skip": 1, "truncate": 2_000},
    "one answer is a 503": {"path": _QUERY, "skip": 1, "status": 503},
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running_sandbox(Path(folder) / "sandbox") as sandbox:
        api = LangSmithApi(sandbox)
        runs = [one for one in Planner("losses").spread(_RUNS) if one.in_day]
        ingest(api, runs)
        print(f"{len(runs):,} runs\n\n| client | {' | '.join(_FAULTS)} |\n|{' --- |' * (len(_FAULTS) + 1)}")
        for name, read in _CLIENTS.items():
            cells = [_try(read, sandbox, api, runs, fault) for fault in _FAULTS.values()]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


_Read = Callable[[Sandbox, LangSmithApi], Iterable[str]]


def _try(read: _Read, sandbox: Sandbox, api: LangSmithApi, runs: list[PlannedRun], fault: FaultFields) -> str:
    sandbox.langsmith.clear_faults()
    if fault:
        sandbox.langsmith.fault(**fault)
    found: list[str] = []
    try:
        found.extend(read(sandbox, api))
    except Exception as error:  # whatever it is, it was said
        return f"{len(set(found)):,}, and an error: {type(error).__name__}"
    twice = f", {len(found) - len(set(found)):,} twice" if len(found) > len(set(found)) else ""
    lost = {run.id for run in runs} - set(found)
    return f"{len(set(found)):,}{twice}" + (" **without a word**" if lost or twice else "")


def _query(sandbox: Sandbox, api: LangSmithApi) -> list[str]:
    async def read() -> list[str]:
        query = _client(sandbox).runs.query(
            project_ids=[api.project_id],
            selects=list(get_args(RunSelectField)),
            min_start_time=_START,
            max_start_time=_END,
            page_size=100,
        )
        return [str(run.id) async for run in query]

    return asyncio.run(read())


def _list_runs(sandbox: Sandbox, api: LangSmithApi) -> Iterable[str]:
    runs = _client(sandbox).list_runs(
        project_id=api.project_id, start_time=_START, filter=f'lt(start_time, "{_END.isoformat()}")'
    )
    return (str(run.id) for run in runs)


def _until_a_page_is_short(sandbox: Sandbox, api: LangSmithApi) -> Iterable[str]:
    """The loop that most write by hand: it ends with the first page that is not full."""
    size = 100
    body: dict[str, object] = {
        "project_ids": [api.project_id],
        "min_start_time": _START.isoformat(),
        "max_start_time": _END.isoformat(),
        "page_size": size,
    }
    cursor = None
    while True:
        answer = requests.post(
            f"{sandbox.langsmith_url}/api/v2/runs/query",
            json=body | ({"cursor": cursor} if cursor else {}),
            headers={"x-api-key": sandbox.env["LANGSMITH_API_KEY"]},
            timeout=60,
        )
        page = answer.json()
        items = page.get("items") or []
        yield from (run["id"] for run in items)
        cursor = page.get("next_cursor")
        if len(items) < size or cursor is None:
            return


def _ours(sandbox: Sandbox, api: LangSmithApi) -> list[str]:
    settings = LangSmithSettings(
        api_key=sandbox.env["LANGSMITH_API_KEY"], endpoint=sandbox.langsmith_url, rates="none"
    )
    with tempfile.TemporaryDirectory() as folder, Transport(settings) as transport:
        store = DayStore(Path(folder))
        fetched = fetch_day(transport, store, api.project, DAY, retention_days=36_500)
        day = store.publish(fetched.staged, "superset").day
        return [id_ for trace in day.traces() for id_ in run_ids(trace.runs)]


def _client(sandbox: Sandbox) -> Client:
    return Client(api_url=sandbox.langsmith_url, api_key=sandbox.env["LANGSMITH_API_KEY"])


_CLIENTS: dict[str, _Read] = {
    "SDK `runs.query`": _query,
    "SDK `list_runs`": _list_runs,
    "a loop until a page is short": _until_a_page_is_short,
    "this archive": _ours,
}

if __name__ == "__main__":
    main()
