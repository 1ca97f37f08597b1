"""The fixtures of this room: a project on the sandbox's LangSmith, and a day of it that is interrupted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.fetch.workers import WORKERS
from lse_dagster_tests.steps.fetch.interrupted import RUNS_IN_A_RANGE, Interrupted
from lse_dagster_tests.steps.fetch.planned import Planner, ingest
from lse_dagster_tests.worlds.langsmith import *  # noqa: F403
from lse_dagster_tests.worlds.langsmith import TracedProject


@pytest.fixture
def interrupted(
    project: TracedProject,
    langsmith_sandbox: ControlClient,
    connect: Callable[..., Transport],
    tmp_path: Path,
) -> Interrupted:
    """The same number of runs in each of the ranges that a fetch begins with."""
    runs = Planner(f"resume {project.name}").spread(RUNS_IN_A_RANGE * WORKERS)
    ingest(project.api, runs)
    return Interrupted(project, langsmith_sandbox, connect, DayStore(tmp_path), runs)
