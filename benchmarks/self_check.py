"""Whether the stand-in can be trusted: every client must see the runs of its own list."""

import json
import tempfile
import urllib.request
from pathlib import Path

from benchmarks import ours, sdk
from benchmarks.control import DayFacts, ServerControl
from benchmarks.job import Job
from benchmarks.synthetic_day import DAY
from lse_dagster.langsmith.fields import V2_SELECTS
from lse_dagster.sandbox.langsmith.queries import v1, v2
from lse_dagster.steps.examination.completeness import examine_traces

_ABSENT_WHEN_EMPTY = {"share_url", "ls_user_id"}


def check_server(control: ServerControl, day: DayFacts) -> list[str]:
    """What is wrong, in words; nothing if all is well."""
    wrong = _check_form(control, day)
    listed = control.ids(day.name)
    truth = set(listed)
    if len(listed) != day.runs or len(truth) != day.runs:
        wrong.append(f"the server lists {len(listed)} runs with {len(truth)} ids instead of {day.runs}")
    with tempfile.TemporaryDirectory() as folder:
        fetched = ours.fetch_and_publish(_job(control, day, folder))
        found = {"ours": fetched.run_ids()}
        whole = examine_traces(fetched)
        counted = fetched.summary
        if not whole.is_whole:
            wrong.append(f"traces are not whole: {whole.missing_parents[:1]} {whole.inconsistent[:1]}")
        if (counted.langsmith_total, counted.langsmith_root_total) != (day.runs, day.traces):
            wrong.append(f"it counts {counted.langsmith_total} runs, {counted.langsmith_root_total} traces")
    for name, client in {
        "runs.query": lambda job: sdk.query_v2(job, 1000),
        "runs.query, default page": lambda job: sdk.query_v2(job, 100),
        "list_runs": sdk.list_v1,
        "list_runs by trace": sdk.per_trace,
    }.items():
        with tempfile.TemporaryDirectory() as folder:
            client(_job(control, day, folder))
            found[name] = {path.stem for path in Path(folder).iterdir()}
    for name, ids in found.items():
        if ids != truth:
            wrong.append(f"{name}: {len(truth - ids)} runs missing, {len(ids - truth)} too many")
    return wrong


def _job(control: ServerControl, day: DayFacts, folder: str) -> Job:
    return Job("check", control.url, day.name, day.project_id, day.runs, folder, whole=True)


def _check_form(control: ServerControl, day: DayFacts) -> list[str]:
    """The keys of an answer are those that the sandbox's LangSmith gives, and light answers are light."""
    window = {"min_start_time": f"{DAY}T00:00:00Z", "max_start_time": f"{DAY}T23:59:59.999Z"}
    query = {"project_ids": [day.project_id], "page_size": 5, **window}
    full = _post(control, "/api/v2/runs/query", {**query, "selects": V2_SELECTS})["items"]
    light = _post(control, "/api/v2/runs/query", {**query, "selects": ["ID", "START_TIME"]})["items"]
    old = _post(control, "/api/v1/runs/query", {"session": [day.project_id], "limit": 5})["runs"]
    starts = [str(run["start_time"]) for run in full]
    checks = {
        "v2 keys": set(full[0]) == {name.lower() for name in v2.FIELDS} - _ABSENT_WHEN_EMPTY,
        "v1 keys": set(old[0]) == set(v1.FIELDS),
        "light items": light == [{"id": run["id"], "start_time": run["start_time"]} for run in full],
        "the same runs from v1 and v2": [run["id"] for run in old] == [run["id"] for run in full],
        "newest first": starts == sorted(starts, reverse=True),
    }
    return [f"wrong: {name}" for name, holds in checks.items() if not holds]


def _post(control: ServerControl, path: str, body: object) -> dict[str, list[dict[str, object]]]:
    with urllib.request.urlopen(control.url + path, data=json.dumps(body).encode()) as answer:
        found: dict[str, list[dict[str, object]]] = json.load(answer)
        return found
