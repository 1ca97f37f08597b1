"""LangSmith's pool has one place for all projects: one that fails must not keep the others from theirs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from lse_dagster.cli.running.instance import prepare_home
from lse_dagster.defs.failure import Retries
from lse_dagster.defs.project import archived_projects
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.worlds.dagster_ui import wait_until
from lse_dagster_tests.worlds.day_archive import DayArchive, materialized
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi


@pytest.fixture
def pooled(archive: DayArchive, tmp_path: Path) -> Iterator[DayArchive]:
    """The archive on a home with the pools that `lse` sets."""
    home = tmp_path / "home"
    prepare_home(home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield replace(archive, instance=instance, retries=Retries(first_wait_seconds=3))


def steps(instance: dg.DagsterInstance, job: str, kind: dg.DagsterEventType) -> list[float]:
    """When the fetch of a job was put back, or ended."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job))
    return [
        entry.timestamp
        for run in runs
        for entry in instance.all_logs(run.run_id, of_type=kind)
        if (entry.step_key or "").endswith("raw_runs")
    ]


def test_another_project_is_archived_while_one_that_fails_waits_to_try_again(
    pooled: DayArchive, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = LangSmithApi(sandbox)
    for api in (pooled.api, other):
        api.add_runs(2)
    monkeypatch.setenv("LSE_PROJECTS", f"{pooled.project},{other.project}")
    (_, second) = archived_projects([pooled.project, other.project])
    away = {"Retry-After": "86400"}
    sandbox.langsmith.fault(path=f"name={pooled.project}", status=503, headers=away, times=100_000)

    with ThreadPoolExecutor() as threads:
        failing = threads.submit(pooled.run, "archive")
        put_back = dg.DagsterEventType.STEP_UP_FOR_RETRY
        wait_until(lambda: steps(pooled.instance, "archive", put_back) or None, "a failed try", seconds=60)
        archived = pooled.run(second.job_name("archive"))
        sandbox.langsmith.clear_faults()

    assert archived.success
    ended = dg.DagsterEventType.STEP_SUCCESS
    (first_ended,) = steps(pooled.instance, "archive", ended)
    (other_ended,) = steps(pooled.instance, second.job_name("archive"), ended)
    assert other_ended < first_ended
    assert "raw_runs" in materialized(failing.result())
