"""Runs whose process was killed: found, ended and their places freed, whoever started them; no other is."""

import logging
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster._core.test_utils import create_run_for_test, create_test_daemon_workspace_context
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from lse_dagster.cli.running.instance import prepare_home
from lse_dagster.defs.project import LANGSMITH_POOL
from lse_dagster.defs.running.living_runs import (
    HOST_TAG,
    KERNEL_TAG,
    State,
    end_killed_runs,
    living,
    place_tags,
    state_of,
)
from lse_dagster.defs.running.pool_waiting import describe_holder, told_while_waiting
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.cli.terminal import clean_environment
from lse_dagster_tests.cli.workplace import DATE, LSE, Workplace
from lse_dagster_tests.worlds.dagster_ui import wait_until

ROOT = Path(__file__).parents[3]
DAGSTER = str(Path(sys.executable).with_name("dagster"))
PARTITION = ["--tags", f'{{"dagster/partition": "{DATE}"}}']
STARTERS = {
    "dagster asset materialize": [
        *(DAGSTER, "asset", "materialize", "-m", "lse_dagster", "--select", "*"),
        *("--partition", str(DATE)),
    ],
    "dagster job execute": [DAGSTER, "job", "execute", "-m", "lse_dagster", "-j", "archive", *PARTITION],
    "lse archive": [LSE, "archive", "--date", str(DATE)],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster home as `lse dev` makes it."""
    home = tmp_path_factory.mktemp("home") / "home"
    prepare_home(home)
    return home


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance
        for run in instance.get_runs():
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            instance.delete_run(run.run_id)


def started_run(instance: dg.DagsterInstance, tags: dict[str, str]) -> dg.DagsterRun:
    """A run that has LangSmith's only place."""
    run: dg.DagsterRun = create_run_for_test(
        instance,
        job_name="archive",
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": str(DATE), **tags},
    )
    claimed = instance.event_log_storage.claim_concurrency_slot(LANGSMITH_POOL, run.run_id, "raw_runs")
    assert claimed.is_claimed
    return run


def holds_the_pool(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    return run.run_id in instance.event_log_storage.get_concurrency_info(LANGSMITH_POOL).active_run_ids


def leave_a_free_lock(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """What a killed process leaves: the file, and no lock on it."""
    folder = Path(instance.root_directory) / "lse_runs"
    folder.mkdir(exist_ok=True)
    (folder / f"{run.run_id}.lock").touch()


@pytest.mark.parametrize("lock", ["held", "free", "missing"])
@pytest.mark.parametrize(
    ("here", "where"),
    [
        (True, {}),
        (True, {HOST_TAG: "another container of this machine"}),
        (True, {KERNEL_TAG: "before this machine was started again"}),
        (False, {HOST_TAG: "another host", KERNEL_TAG: "another kernel"}),
        (False, {HOST_TAG: "another host", KERNEL_TAG: ""}),
        (False, None),
    ],
)
def test_only_where_a_run_works_it_is_known_to_be_killed(
    here: bool, where: dict[str, str] | None, lock: str, instance: dg.DagsterInstance
) -> None:
    tags = {} if where is None else {**place_tags(os.getpid()), **where}
    run = started_run(instance, tags)
    expected: State = "unknown" if not here or lock == "missing" else "works" if lock == "held" else "killed"

    with ExitStack() as held:
        if lock == "held":
            held.enter_context(living(instance, run.run_id))
        if lock == "free":
            leave_a_free_lock(instance, run)
        state = state_of(instance, run)
        health = instance.run_launcher.check_run_worker_health(run).status
        ended = end_killed_runs(instance)

    after = instance.get_run_by_id(run.run_id)
    assert after is not None
    assert state == expected
    assert health is (WorkerStatus.NOT_FOUND if expected == "killed" else WorkerStatus.RUNNING)
    assert [one.run_id for one in ended] == ([run.run_id] if expected == "killed" else [])
    assert after.status.value == ("FAILURE" if expected == "killed" else "STARTED")
    assert holds_the_pool(instance, run) == (expected != "killed")


def test_a_killed_run_that_was_being_canceled_is_canceled(instance: dg.DagsterInstance) -> None:
    run = started_run(instance, place_tags(os.getpid()))
    instance.report_run_canceling(run)
    leave_a_free_lock(instance, run)

    end_killed_runs(instance)

    after = instance.get_run_by_id(run.run_id)
    assert after is not None
    assert after.status is dg.DagsterRunStatus.CANCELED


def test_dagsters_own_run_monitoring_ends_a_killed_run_and_no_other(instance: dg.DagsterInstance) -> None:
    instance.event_log_storage.set_concurrency_slots(LANGSMITH_POOL, 3)
    killed = started_run(instance, place_tags(os.getpid()))
    working = started_run(instance, place_tags(os.getpid()))
    elsewhere = started_run(instance, {HOST_TAG: "another host", KERNEL_TAG: "another kernel"})
    leave_a_free_lock(instance, killed)
    leave_a_free_lock(instance, elsewhere)

    with (
        living(instance, working.run_id),
        create_test_daemon_workspace_context(EmptyWorkspaceTarget(), instance) as workspace,
    ):
        list(execute_run_monitoring_iteration(workspace, logging.getLogger()))

    found = {run.run_id: run.status.value for run in instance.get_runs()}
    assert found == {killed.run_id: "FAILURE", working.run_id: "STARTED", elsewhere.run_id: "STARTED"}
    assert instance.run_monitoring_enabled
    assert instance.run_monitoring_settings["poll_interval_seconds"] <= 60
    assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] <= 60
    instance.event_log_storage.set_concurrency_slots(LANGSMITH_POOL, 1)


def test_who_waits_is_told_for_which_run_where_it_works_and_how_to_end_it(
    instance: dg.DagsterInstance,
) -> None:
    holder = started_run(instance, {HOST_TAG: "another host", KERNEL_TAG: "another", "lse/pid": "4711"})
    waiting = create_run_for_test(instance, job_name="archive", status=dg.DagsterRunStatus.STARTED)
    instance.event_log_storage.claim_concurrency_slot(LANGSMITH_POOL, waiting.run_id, "raw_runs")
    said: list[str] = []

    with told_while_waiting(instance, waiting.run_id, said.append) as wait:
        wait.begin()
        wait_until(lambda: said or None, "somebody is told", seconds=300)

    assert f"{holder.run_id[:8]} (archive, {DATE})" in said[0]
    assert "process 4711 on another host" in said[0]
    assert "nobody can see whether it still works" in said[0]
    assert f"/runs/{holder.run_id}: Terminate > Force termination" in said[0]


def test_of_a_run_that_works_here_the_process_is_named(instance: dg.DagsterInstance) -> None:
    holder = started_run(instance, place_tags(os.getpid()))
    (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[holder.run_id]))

    with living(instance, holder.run_id):
        text = describe_holder(instance, record, LANGSMITH_POOL)

    assert f"kill {os.getpid()} there" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("starter", "number"),
    [
        ("dagster asset materialize", signal.SIGKILL),
        ("dagster asset materialize", signal.SIGHUP),
        ("dagster job execute", signal.SIGKILL),
        ("lse archive", signal.SIGKILL),
    ],
)
def test_the_next_run_of_a_day_goes_on_where_a_killed_one_stopped(
    starter: str, number: signal.Signals, workplace: Workplace, langsmith_sandbox: ControlClient
) -> None:
    # given: a run that is killed while it has LangSmith's only place
    workplace.add_runs(3)
    langsmith_sandbox.latency({"/runs/query": 30.0})
    log = (workplace.folder / "killed.log").open("w")
    process = subprocess.Popen(
        STARTERS[starter],
        cwd=workplace.folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    wait_until(
        lambda: any("runs/query" in one.path for one in langsmith_sandbox.requests()) or None,
        "the run asks LangSmith",
        seconds=600,
    )
    process.send_signal(number)
    process.wait()
    log.close()
    langsmith_sandbox.clear()

    # when
    other = "dagster asset materialize" if starter == "lse archive" else "lse archive"
    again = workplace.run(*STARTERS[other])

    # then
    assert again.returncode == 0, again.stderr
    assert workplace.zips.load(workplace.project, DATE).summary.counts.traces == 3
    with workplace.instance() as instance:
        assert sorted(run.status.value for run in instance.get_runs()) == ["FAILURE", "SUCCESS"]


def test_who_waits_in_a_closed_pool_is_told_how_to_open_it(instance: dg.DagsterInstance) -> None:
    waits = create_run_for_test(instance, job_name="archive", status=dg.DagsterRunStatus.STARTED)
    storage, said = instance.event_log_storage, queue.Queue[str]()
    storage.set_concurrency_slots(LANGSMITH_POOL, 0)
    assert not storage.claim_concurrency_slot(LANGSMITH_POOL, waits.run_id, "raw_runs").is_claimed

    with told_while_waiting(instance, waits.run_id, said.put) as wait:
        wait.begin()
        told = said.get(timeout=300)

    assert f"dagster instance concurrency set {LANGSMITH_POOL} 1" in told
    storage.set_concurrency_slots(LANGSMITH_POOL, 1)
