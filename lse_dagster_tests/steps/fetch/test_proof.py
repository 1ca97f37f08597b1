"""The proof of completeness, where LangSmith's answers are at their most inconvenient."""

from pathlib import Path

import pytest

from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster.steps.fetch.progress import FetchProgress
from lse_dagster.steps.fetch.workers import WORKERS
from lse_dagster_tests.steps.fetch.planned import DAY, Planner, expect_whole, ingest
from lse_dagster_tests.worlds.langsmith import TracedProject

QUERY = r"/runs/query$"
FIRST_ANSWERS = WORKERS + len(["tail"])


@pytest.fixture
def store(tmp_path: Path) -> DayStore:
    return DayStore(tmp_path)


@pytest.mark.parametrize("v2", [True, False])
def test_an_empty_page_does_not_end_the_fetch_of_late_runs_either(
    v2: bool, store: DayStore, transport: Transport, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    # given: runs that arrive behind the queries, so that they are fetched by their ids
    planner = Planner(f"late {project.name}")
    runs, late = planner.spread(60), planner.spread(20)
    ingest(project.api, runs)
    langsmith_sandbox.settings(v2=v2)
    langsmith_sandbox.fault(path=QUERY, skip=FIRST_ANSWERS + len(["ids"]), empty_page=True)
    waiting = [late]

    def arrive(progress: FetchProgress) -> None:
        if progress.share == 1.0 and waiting:
            ingest(project.api, waiting.pop())

    # when
    fetched = fetch_day(transport, store, project.name, DAY, on_progress=arrive)

    # then
    expect_whole(store.publish(fetched.staged, "superset").day, [*runs, *late])
    assert langsmith_sandbox.faults() == []


@pytest.mark.parametrize("v2", [True, False])
def test_an_answer_that_is_no_text_is_asked_for_again_and_never_archived(
    v2: bool, store: DayStore, transport: Transport, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    # given: a byte in the middle of answers is wrong, which is in what is kept and not read (what comes so
    # three times running is what LangSmith holds: `test_unfiled.py`)
    runs = Planner(f"no text {project.name}").spread(60, size=3000)
    ingest(project.api, runs)
    langsmith_sandbox.settings(v2=v2)
    langsmith_sandbox.fault(path=QUERY, times=2, corrupt=True)

    # when
    fetched = fetch_day(transport, store, project.name, DAY)

    # then
    expect_whole(store.publish(fetched.staged, "superset").day, runs)
    assert langsmith_sandbox.faults() == []
