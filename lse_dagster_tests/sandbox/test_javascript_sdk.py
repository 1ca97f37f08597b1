"""LangSmith's own JavaScript SDK traces into the sandbox, and what it traced can be archived."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.worlds.langsmith_api import NOON, LangSmithApi

SDK = "langsmith@0.12.0"
SCRIPT = Path(__file__).with_name("trace.mjs")
START = NOON + timedelta(milliseconds=123)
MILLISECONDS = int(START.timestamp() * 1000)
# What each way of sending asks of the server.
MODES = {
    "single": {"POST /runs", "PATCH /runs/"},
    "batch": {"POST /runs/batch"},
    "multipart": {"POST /runs/multipart"},
}


def at(milliseconds: int) -> datetime:
    return START + timedelta(milliseconds=milliseconds)


@pytest.fixture(scope="session")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the SDK and the script that uses it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js is not installed here")
    folder = tmp_path_factory.mktemp("js")
    (folder / "package.json").write_text('{"private": true}')
    npm = ["npm", "install", SDK, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    installed = subprocess.run(npm, cwd=folder, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    shutil.copy(SCRIPT, folder)
    return folder


def trace(sdk: Path, api: LangSmithApi, mode: str) -> dict[str, str]:
    """Run the script; the ids of what it traced."""
    key = api.session.headers["x-api-key"]
    command = ["node", SCRIPT.name, api.url, str(key), api.project, mode, str(MILLISECONDS)]
    path = str(Path(shutil.which("node") or "node").parent)
    done = subprocess.run(
        command, cwd=sdk, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    ids: dict[str, str] = json.loads(done.stdout)
    return ids


@pytest.mark.parametrize("mode", MODES)
def test_runs_patches_and_feedback_arrive_whichever_way_they_are_sent(
    sdk: Path, api: LangSmithApi, langsmith_sandbox: ControlClient, mode: str
) -> None:
    if mode == "batch":
        info = api.get("/info").json()
        info["batch_ingest_config"]["use_multipart_endpoint"] = False
        langsmith_sandbox.fault(path="/info$", status=200, body=info, times=100)

    ids = trace(sdk, api, mode)

    asked = {f"{entry.method} {entry.path}" for entry in langsmith_sandbox.requests()}
    assert all(any(request.startswith(one) for request in asked) for one in MODES[mode]), asked
    runs: dict[str, Any] = {run["id"]: run for run in api.v1().json()["runs"]}
    assert runs.keys() == {ids["root"], ids["child"], ids["failed"]}
    root, child, failed = (runs[ids[name]] for name in ("root", "child", "failed"))
    # The SDK tells starts of one millisecond apart by microseconds.
    times = [
        datetime.fromisoformat(run[f"{end}_time"]).replace(tzinfo=UTC)
        for run in (root, child, failed)
        for end in ("start", "end")
    ]
    times = [time - timedelta(microseconds=time.microsecond % 1000) for time in times]
    assert times == [at(0), at(1500), at(250), at(900), at(950), at(990)]
    assert (root["inputs"], root["outputs"]) == ({"question": "Größe? 日本"}, {"answer": 42})
    assert [run["status"] for run in (root, child, failed)] == ["success", "success", "error"]
    assert {run["trace_id"] for run in runs.values()} == {root["id"]}
    assert child["parent_run_id"] == failed["parent_run_id"] == root["id"]
    assert datetime.fromisoformat(child["first_token_time"]).replace(tzinfo=UTC) == at(400)
    assert root["feedback_stats"]["resolved"]["n"] == 1


@pytest.mark.parametrize("mode", ["single", "multipart"])
def test_what_the_javascript_sdk_traced_is_archived_whole(
    sdk: Path, api: LangSmithApi, tmp_path: Path, mode: str
) -> None:
    ids = trace(sdk, api, mode)
    store = DayStore(tmp_path)
    settings = LangSmithSettings(str(api.session.headers["x-api-key"]), endpoint=api.url, rates="none")

    with Transport(settings) as transport:
        fetched = fetch_day(transport, store, api.project, NOON.date())
        day = store.publish(fetched.staged, "superset").day

    assert day.run_ids() == {ids["root"], ids["child"], ids["failed"]}
    assert day.summary.counts.feedback == 1
    assert day.summary.counts.attachments == (1 if mode == "multipart" else 0)


@pytest.mark.parametrize("value", [1e30, -1e30, [], {}, True, "yesterday"])
def test_what_is_no_time_is_refused(api: LangSmithApi, value: object) -> None:
    run = {"name": "r", "run_type": "llm", "session_name": api.project, "start_time": value}

    assert api.post("/runs", run).status_code in {400, 422}
