"""Measure a backfill of many days on the sandbox: days a minute, and where the time of a day goes.

Once as a loop in this process, as `lse archive` does; once through Dagster's daemon, as `dagster job
backfill` and the UI do. The sandbox answers at once and limits nobody, unless `--limits` lets it keep the
limits of LangSmith Cloud (US).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import requests

from lse_dagster.cli.running.instance import prepare_home
from lse_dagster.definitions import build_definitions
from lse_dagster.sandbox.environment import write_env_file
from lse_dagster.sandbox.server import Sandbox, running_sandbox
from lse_dagster.settings import Settings

_FIRST = date(2025, 8, 1)
_MOST_DAYS = 400
_REPOSITORY = Path(__file__).parents[1]
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Measured:
    """One way to work through the days. Times in seconds; `parts` are means over the days."""

    way: str
    days: int
    failed: int
    seconds: float
    parts: Mapping[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description=__doc__)
    parser.add_argument("--days", type=int, default=20, help=f"default: 20; at most {_MOST_DAYS}")
    parser.add_argument("--runs", type=int, default=50, help="runs of each day; default: 50")
    parser.add_argument("--limits", action="store_true", help="keep LangSmith Cloud's limits: 30 s a day")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="where to write")
    options = parser.parse_args()
    if not 1 <= options.days <= _MOST_DAYS:
        parser.error(f"--days: 1 to {_MOST_DAYS}")
    busy = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores; load before the start: {busy:.1f}" + (" (BUSY)" if busy > 0.5 else ""))
    results = []
    for measure in (_in_process, _by_the_daemon):
        with (
            tempfile.TemporaryDirectory(dir=options.scratch, prefix="backfill-benchmark-") as folder,
            running_sandbox(Path(folder) / "sandbox") as sandbox,
        ):
            _trace(sandbox, options.days, options.runs)
            sandbox.langsmith.limits(enabled=options.limits)
            environment = _environment(sandbox, Path(folder), limits=options.limits)
            results.append(measure(Path(folder), environment, options.days))
            _print(results[-1])
    sys.exit(1 if any(result.failed for result in results) else 0)


def _trace(sandbox: Sandbox, days: int, runs: int) -> None:
    """The same number of small runs on each day."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["x-api-key"] = sandbox.env["LANGSMITH_API_KEY"]
        for number in range(days * runs):
            start = datetime.combine(_FIRST, datetime.min.time(), UTC) + timedelta(
                days=number // runs, seconds=number % runs
            )
            run_id = f"00000000-0000-4000-8000-{number:012x}"
            body = {
                "id": run_id,
                "trace_id": run_id,
                "dotted_order": f"{start:%Y%m%dT%H%M%S%fZ}{run_id}",
                "name": "run",
                "run_type": "chain",
                "start_time": start.isoformat(),
                "end_time": start.isoformat(),
                "session_name": "my-project",
                "inputs": {"text": "x" * 2_000},
            }
            session.post(f"{sandbox.langsmith_url}/runs", json=body, timeout=30).raise_for_status()


def _environment(sandbox: Sandbox, folder: Path, *, limits: bool) -> dict[str, str]:
    environment = {
        **sandbox.env,
        "LSE_DATA_DIR": str(folder / "data"),
        "LSE_ARCHIVES_DIR": str(folder / "archives"),
        "LSE_START_DATE": _FIRST.isoformat(),
        "LSE_SCHEDULES": "off",
        "LSE_LANGSMITH_RATES": "us" if limits else "none",
        "DAGSTER_HOME": str(folder / "dagster_home"),
    }
    write_env_file(folder / ".env", environment)
    prepare_home(folder / "dagster_home")
    return environment


def _in_process(folder: Path, environment: Mapping[str, str], days: int) -> Measured:
    os.environ.update(environment)
    job = build_definitions(Settings.from_environment(environment)).resolve_job_def("archive")
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        began = time.monotonic()
        for number in range(days):
            key = (_FIRST + timedelta(days=number)).isoformat()
            job.execute_in_process(
                instance=instance, partition_key=key, run_config=_SILENT, raise_on_error=False
            )
        return _measured("a loop in one process", instance, time.monotonic() - began)


def _by_the_daemon(folder: Path, environment: Mapping[str, str], days: int) -> Measured:
    last = _FIRST + timedelta(days=days - 1)
    with _daemon(folder, environment) as daemon:
        began = time.monotonic()
        command = _command(
            "dagster", "job", "backfill", "-j", "archive", "--noprompt", "--from", _FIRST.isoformat(), "--to"
        )
        subprocess.run(
            [*command, last.isoformat(), "-w", _workspace()],
            cwd=folder,
            env={**os.environ, **environment},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
            while instance.get_runs_count(dg.RunsFilter(statuses=list(_ENDED))) < days:
                if daemon.poll() is not None:
                    sys.exit((folder / "daemon.log").read_text(errors="replace")[-4_000:])
                time.sleep(0.5)
            return _measured("`dagster job backfill`, the daemon", instance, time.monotonic() - began)


@contextmanager
def _daemon(folder: Path, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            [*_command("dagster-daemon", "run"), "-w", _workspace()],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _command(program: str, *arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name(program)), *arguments]


def _workspace() -> str:
    return str(_REPOSITORY / "workspace.yaml")


def _measured(way: str, instance: dg.DagsterInstance, seconds: float) -> Measured:
    """Where the time of all runs went, by Dagster's own records."""
    records = instance.get_run_records()
    parts: defaultdict[str, float] = defaultdict(float)
    failed = 0
    for record in records:
        failed += record.dagster_run.status is not dg.DagsterRunStatus.SUCCESS
        start, end = record.start_time or 0.0, record.end_time or 0.0
        parts["queued and started"] += start - record.create_timestamp.timestamp()
        in_steps = 0.0
        for step in instance.get_run_step_stats(record.dagster_run.run_id):
            took = (step.end_time or 0.0) - (step.start_time or 0.0)
            parts[step.step_key] += took
            in_steps += took
        parts["Dagster around the steps"] += end - start - in_steps
    return Measured(
        way, len(records), failed, seconds, {name: all_ / len(records) for name, all_ in parts.items()}
    )


def _print(result: Measured) -> None:
    print(
        f"\n{result.way}: {result.days} days in {result.seconds:.0f} s, "
        f"{result.days / result.seconds * 60:.0f} days a minute, {result.failed} failed"
    )
    for name, seconds in sorted(result.parts.items(), key=lambda part: -part[1]):
        print(f"  {seconds:8.2f} s a day  {name}")


if __name__ == "__main__":
    main()
