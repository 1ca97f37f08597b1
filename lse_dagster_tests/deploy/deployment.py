"""A server's processes as `deploy/` starts them, without containers: code server, UI, daemon, PostgreSQL.

What the deployment promises stands in `test_processes.py`; how to start, ask and kill stands here.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import requests
import yaml

from lse_dagster_tests.worlds.dagster_ui import DagsterUi, free_port, wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
_PROGRAMS = Path(sys.executable).parent
_LOG_CHARACTERS = 4_000
_START_SECONDS = 600.0
_RUN_SECONDS = 600.0
"""Far more than an idle machine needs: only a failure waits for the end."""
_WORKER = re.compile(r"Started process for run \(pid: (\d+)\)")


@dataclass
class Deployment:
    """The running processes, and what their GraphQL says."""

    folder: Path
    shared: Mapping[str, str]
    secrets: Mapping[str, str]
    ui: DagsterUi
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, command: Sequence[str], extra: Mapping[str, str]) -> None:
        """Start a process with only the environment that `deploy/` gives it."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(_PROGRAMS / command[0]), *command[1:]],
                cwd=self.folder,
                env={**self.shared, **extra},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_code_server(self) -> None:
        """The one process that knows LangSmith's and Drive's secrets; ready when it answers."""
        port = self.shared["LSE_CODE_SERVER_PORT"]
        address = ["--host", "127.0.0.1", "--port", port]
        self.start("code", ["dagster", "api", "grpc", *address, "--module-name", "lse_dagster"], self.secrets)

    def wait_until_loaded(self) -> None:
        """Until the UI has what the code server serves: after a restart it takes a while to see it."""
        wait_until(lambda: _loaded(self), "the code location is loaded", seconds=_START_SECONDS)

    def kill_code_server(self) -> None:
        """As a power cut or the kernel out of memory does: the server and every run with it."""
        process = self.processes.pop("code")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def tell_code_server_to_stop(self) -> "subprocess.Popen[bytes]":
        """As Docker and systemd do: SIGTERM to the server alone. The process, which may take its time."""
        process = self.processes.pop("code")
        process.terminate()
        return process

    def prepare(self) -> None:
        """What a start and an upgrade do before anything else."""
        subprocess.run(
            [DEPLOY / "prepare-instance"],
            env=self.shared,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def lse(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The command on the server, with the environment that all processes have."""
        return subprocess.run(
            [_PROGRAMS / "lse", *arguments],
            env=self.shared,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def launch(self, day: date) -> str:
        """Put the job `archive` of a day into the queue; the run's id."""
        mutation = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
          __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
        params = {
            "selector": {
                "repositoryLocationName": "lse_dagster",
                "repositoryName": "__repository__",
                "jobName": "archive",
            },
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": day.isoformat()}]},
            "runConfigData": {},
        }
        launched = self.ui.ask(mutation, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def run(self, run_id: str) -> Mapping[str, Any]:
        """Status, times and parent of a run."""
        query = """query ($id: ID!) { runOrError(runId: $id) { ... on Run {
          runId status startTime endTime parentRunId } } }"""
        found: Mapping[str, Any] = self.ui.ask(query, id=run_id)["runOrError"]
        return found

    def wait_for(self, run_id: str, status: str, *, seconds: float = _RUN_SECONDS) -> Mapping[str, Any]:
        """The run once it has this status. One that ends otherwise fails at once, with its errors."""

        def reached() -> Mapping[str, Any] | None:
            run = self.run(run_id)
            if run["status"] == status:
                return run
            assert run["status"] not in {"SUCCESS", "FAILURE", "CANCELED"}, self.messages(run_id)
            return None

        return wait_until(reached, f"run {run_id} is {status}", seconds=seconds)

    def retry_of(self, run_id: str) -> str:
        """The run that Dagster launches again by itself."""
        query = """query ($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs {
          results { runId } } } }"""
        tags = [{"key": "dagster/parent_run_id", "value": run_id}]

        def retried() -> str | None:
            runs = self.ui.ask(query, filter={"tags": tags})["runsOrError"]["results"]
            return runs[0]["runId"] if runs else None

        return wait_until(retried, f"run {run_id} is retried", seconds=_RUN_SECONDS)

    def messages(self, run_id: str) -> list[str]:
        """What the run page shows."""
        query = """query ($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
          ... on MessageEvent { message } ... on ErrorEvent { error { message } } } } } }"""
        events = self.ui.ask(query, id=run_id)["logsForRun"]["events"]
        errors = [event["error"]["message"] for event in events if event.get("error")]
        return [*(event["message"] for event in events if event.get("message")), *errors]

    def worker(self, run_id: str) -> int:
        """The process of a run."""
        (pid,) = [int(found[1]) for found in map(_WORKER.search, self.messages(run_id)) if found]
        return pid

    def step_times(self, run_id: str, step: str) -> tuple[float, float]:
        """When a step of a run began and ended, in seconds since the epoch."""
        query = """query ($id: ID!) { runOrError(runId: $id) { ... on Run {
          stepStats { stepKey startTime endTime } } } }"""
        stats = self.ui.ask(query, id=run_id)["runOrError"]["stepStats"]
        return next((stat["startTime"], stat["endTime"]) for stat in stats if stat["stepKey"] == step)

    def pool_limits(self) -> dict[str, int]:
        """The pools that were set by name, as the UI shows them."""
        query = "{ instance { concurrencyLimits { concurrencyKey limit usingDefaultLimit } } }"
        pools = self.ui.ask(query)["instance"]["concurrencyLimits"]
        return {pool["concurrencyKey"]: pool["limit"] for pool in pools if not pool["usingDefaultLimit"]}

    def runs_holding(self, pool: str) -> set[str]:
        """The runs that hold a place in a pool now."""
        query = """query ($pool: String!) { instance { concurrencyLimit(concurrencyKey: $pool) {
          claimedSlots { runId } } } }"""
        slots = self.ui.ask(query, pool=pool)["instance"]["concurrencyLimit"]["claimedSlots"]
        return {slot["runId"] for slot in slots}

    def log(self, name: str) -> str:
        """The end of what a process wrote."""
        text = (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return text[-_LOG_CHARACTERS:]


@contextlib.contextmanager
def running_deployment(
    folder: Path, database: Mapping[str, str], secrets: Mapping[str, str]
) -> Iterator[Deployment]:
    """Everything that `deploy/` starts, on its own files but for the intervals of run monitoring."""
    home = folder / "dagster_home"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text(yaml.safe_dump(_with_short_intervals()), encoding="utf-8")
    ui_port, workspace = free_port(), str(DEPLOY / "workspace.yaml")
    shared = {
        **database,
        "PATH": f"{_PROGRAMS}:{os.environ['PATH']}",
        "DAGSTER_HOME": str(home),
        "LSE_RETENTION_DAYS": "36500",
        "LSE_CODE_SERVER_HOST": "127.0.0.1",
        "LSE_CODE_SERVER_PORT": str(free_port()),
    }
    ui = DagsterUi(f"http://127.0.0.1:{ui_port}", folder)
    deployment = Deployment(folder, shared, secrets, ui)
    try:
        deployment.start_code_server()
        deployment.prepare()
        address = ["--host", "127.0.0.1", "--port", str(ui_port)]
        deployment.start("webserver", ["dagster-webserver", *address, "--workspace", workspace], {})
        deployment.start("daemon", ["dagster-daemon", "run", "--workspace", workspace], {})
        deployment.wait_until_loaded()
        yield deployment
    finally:
        for process in deployment.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _with_short_intervals() -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((DEPLOY / "dagster.yaml").read_text(encoding="utf-8"))
    settings["run_monitoring"].update(poll_interval_seconds=2, free_slots_after_run_end_seconds=1)
    return settings


def _loaded(deployment: Deployment) -> bool | None:
    for name, process in deployment.processes.items():
        assert process.poll() is None, f"{name} ended with {process.returncode}:\n{deployment.log(name)}"
    query = """{ workspaceOrError { ... on Workspace { locationEntries { loadStatus
      locationOrLoadError { __typename } } } } }"""
    with contextlib.suppress(requests.ConnectionError, requests.Timeout):
        (location,) = deployment.ui.ask(query)["workspaceOrError"]["locationEntries"]
        if (location["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation":
            return True
        reload = """mutation { reloadWorkspace { __typename } }"""
        deployment.ui.ask(reload)
    return None
