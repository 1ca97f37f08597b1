"""The server of `deploy/`, its processes started here on its own files and a real PostgreSQL.

Two days at once, a killed run, a code server that is stopped or killed. The containers around them are not
tested here; that their files are valid is in `test_files.py`.
"""

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from dagster import OpDefinition
from langsmith import Client

from lse_dagster.day.zip.store import ZipStore
from lse_dagster.definitions import build_definitions
from lse_dagster.defs.project import DRIVE_POOL, LANGSMITH_POOL
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.conversations import demo_conversations
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.sandbox.trace import trace_conversations
from lse_dagster.settings import Settings
from lse_dagster_tests.deploy.deployment import Deployment, running_deployment
from lse_dagster_tests.deploy.postgres import running_postgres, schema_of
from lse_dagster_tests.worlds.dagster_ui import wait_until
from lse_dagster_tests.worlds.day_archive import ALL_CHECKS

PROJECT = "deployed"
FIRST, SECOND, KILLED, CUT_OFF, AWAITED = DAYS = [date(2025, 8, number) for number in range(25, 30)]
WAIT_SECONDS = 600.0


@pytest.fixture(scope="module")
def deployment(
    postgres: Path, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A server on the sandbox, with a traced day for each test."""
    folder = tmp_path_factory.mktemp("deployment")
    secrets = {
        **sandbox.env,
        "LSE_SCHEDULES": "off",  # only the runs that the tests launch
        "LSE_PROJECTS": PROJECT,
        "LSE_DATA_DIR": str(folder / "data"),
        "LSE_ARCHIVES_DIR": str(folder / "archives"),
    }
    client = Client(api_url=sandbox.langsmith_url, api_key=sandbox.env["LANGSMITH_API_KEY"])
    for day in DAYS:
        trace_conversations(client, PROJECT, day, demo_conversations(3, seed=day.day))
    client.cleanup()
    with running_postgres(postgres) as database, running_deployment(folder, database, secrets) as running:
        yield running


@pytest.fixture
def langsmith(langsmith_sandbox: ControlClient) -> ControlClient:
    """LangSmith that refuses for now: whoever asks for runs waits, until `clear`."""
    langsmith_sandbox.fault(path="/runs/", status=429, headers={"Retry-After": "1"}, times=100_000)
    return langsmith_sandbox


def holds_pool(deployment: Deployment, run_id: str) -> bool | None:
    """True once the run fetches."""
    return run_id in deployment.runs_holding(LANGSMITH_POOL) or None


def all_started(deployment: Deployment, runs: Iterable[str]) -> bool | None:
    """True while all of them run. One that has ended was too early."""
    status = {deployment.run(run_id)["status"] for run_id in runs}
    assert not status & {"SUCCESS", "FAILURE", "CANCELED"}, status
    return status == {"STARTED"} or None


def tells_of_the_code(
    finished: "subprocess.CompletedProcess[str]",
) -> "subprocess.CompletedProcess[str] | None":
    """What `lse health` said, once it says that there is no code."""
    return finished if "code location: " in finished.stdout else None


def assert_archived(deployment: Deployment, run_id: str, day: date) -> None:
    """The day is on disk, and every check of the run passed: the last one compares Drive's copy."""
    assert deployment.ui.check_results({"runId": run_id}) == dict.fromkeys(ALL_CHECKS, True)
    zipped = ZipStore(deployment.folder / "archives").load(PROJECT, day)
    assert zipped.summary.counts.traces == 3


@pytest.mark.slow
def test_two_days_are_archived_at_once_and_only_one_at_a_time_asks_langsmith(
    deployment: Deployment, drive_sandbox: ControlClient, langsmith_sandbox: ControlClient
) -> None:
    # given: the queue starts the second day once the first has left LangSmith; Drive holds that one up
    drive_sandbox.latency({"/": 15.0})
    langsmith_sandbox.latency({"/runs/": 0.3})

    # when: both are in the queue, until both have a process
    runs = {deployment.launch(day): day for day in (FIRST, SECOND)}
    wait_until(lambda: all_started(deployment, runs), "two runs work at once", seconds=WAIT_SECONDS)
    drive_sandbox.clear()
    ended = [deployment.wait_for(run_id, "SUCCESS") for run_id in runs]

    # then: side by side, in processes of their own, but not at LangSmith
    assert len({deployment.worker(run_id) for run_id in runs}) == len(runs)
    assert max(run["startTime"] for run in ended) < min(run["endTime"] for run in ended)
    (_, first_left), (second_came, _) = sorted(deployment.step_times(run_id, "raw_runs") for run_id in runs)
    assert first_left <= second_came
    for run_id, day in runs.items():
        assert_archived(deployment, run_id, day)


@pytest.mark.slow
def test_every_pool_that_a_step_uses_has_a_limit_set_by_name(deployment: Deployment) -> None:
    repository = build_definitions(Settings(projects=("one", "two"))).get_repository_def()

    nodes = [node for job in repository.get_all_jobs() for node in job.all_node_defs]
    used = {node.pool for node in nodes if isinstance(node, OpDefinition)} - {None}

    assert deployment.pool_limits() == {LANGSMITH_POOL: 1, DRIVE_POOL: 2}
    assert used == set(deployment.pool_limits())


@pytest.mark.slow
def test_preparing_again_changes_nothing(deployment: Deployment, postgres: Path) -> None:
    schema, limits = schema_of(postgres, deployment.shared), deployment.pool_limits()

    deployment.prepare()

    assert schema_of(postgres, deployment.shared) == schema
    assert deployment.pool_limits() == limits
    assert "CREATE TABLE public.runs" in schema


@pytest.mark.slow
def test_a_killed_run_is_marked_as_failed_and_its_retry_archives_the_day(
    deployment: Deployment, drive_sandbox: ControlClient, langsmith: ControlClient
) -> None:
    # given: a run in the middle of its fetch
    run_id = deployment.launch(KILLED)
    wait_until(lambda: holds_pool(deployment, run_id), "the run fetches", seconds=WAIT_SECONDS)

    # when
    os.kill(deployment.worker(run_id), signal.SIGKILL)
    deployment.wait_for(run_id, "FAILURE")
    langsmith.clear()

    # then
    retry = deployment.retry_of(run_id)
    deployment.wait_for(retry, "SUCCESS")
    assert_archived(deployment, retry, KILLED)


@pytest.mark.slow
def test_runs_that_a_restart_of_the_code_server_cut_off_are_found_and_retried(
    deployment: Deployment, drive_sandbox: ControlClient, langsmith: ControlClient
) -> None:
    # given: a run in the middle of its fetch
    run_id = deployment.launch(CUT_OFF)
    wait_until(lambda: holds_pool(deployment, run_id), "the run fetches", seconds=WAIT_SECONDS)

    # when: nobody is left who could say that it died
    deployment.kill_code_server()
    deployment.start_code_server()
    langsmith.clear()

    # then: run monitoring asks the new server
    deployment.wait_for(run_id, "FAILURE")
    assert any("NOT_FOUND" in message for message in deployment.messages(run_id))
    retry = deployment.retry_of(run_id)
    deployment.wait_for(retry, "SUCCESS")
    assert_archived(deployment, retry, CUT_OFF)


@pytest.mark.slow
def test_a_code_server_that_died_is_told_in_one_line_here_and_from_afar(deployment: Deployment) -> None:
    deployment.wait_until_loaded()
    here, afar = (
        partial(deployment.lse, "health"),
        partial(deployment.lse, "health", "--url", deployment.ui.url),
    )
    assert not any(map(tells_of_the_code, (here(), afar())))

    deployment.kill_code_server()
    told_here = here()
    told_afar = wait_until(lambda: tells_of_the_code(afar()), "Dagster's UI knows", seconds=WAIT_SECONDS)
    deployment.start_code_server()
    deployment.wait_until_loaded()

    assert tells_of_the_code(told_here)
    for told in (told_here, told_afar):
        assert (told.returncode, len(told.stdout.splitlines())) == (1, 1)


@pytest.mark.slow
def test_a_code_server_that_is_told_to_stop_waits_for_its_runs(
    deployment: Deployment, drive_sandbox: ControlClient, langsmith: ControlClient
) -> None:
    # given: a run in the middle of its fetch
    run_id = deployment.launch(AWAITED)
    wait_until(lambda: holds_pool(deployment, run_id), "the run fetches", seconds=WAIT_SECONDS)

    # when
    stopping = deployment.tell_code_server_to_stop()
    langsmith.clear()

    # then: when it has ended, the run has too
    stopping.wait(WAIT_SECONDS)
    ended = deployment.run(run_id)
    deployment.start_code_server()
    assert ended["status"] == "SUCCESS"
    assert_archived(deployment, run_id, AWAITED)
