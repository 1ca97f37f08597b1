"""A fetch that had got all it wanted is over: whenever its process dies after that, the next one begins anew.

Until its staging is removed all of its runs lie there, as they were then. Gone on with, they would be put
over what LangSmith has now.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.steps.fetch.planned import DAY, START, hidden_files
from lse_dagster_tests.worlds.archiver import Archiver, Order
from lse_dagster_tests.worlds.langsmith import TracedProject, TracedRun

RUNS = 3


@dataclass
class ChangingDay:
    """A day of few runs that LangSmith has in another form each time it is fetched."""

    sandbox: Sandbox
    project: TracedProject
    connect: Callable[..., Transport]
    runs: list[TracedRun]
    version: int = 0

    def change(self) -> None:
        """Every run is patched."""
        self.version += 1
        patches = [
            {
                "id": run.id,
                "trace_id": run.trace_id,
                "dotted_order": run.dotted_order,
                "outputs": {"version": self.version},
            }
            for run in self.runs
        ]
        answer = self.project.api.post("/runs/batch", {"post": [], "patch": patches})
        assert answer.status_code == 202, answer.text

    def fetch(self, root: Path) -> int:
        """Archive the day as it is now; how many runs were taken over from a fetch before."""
        store = DayStore(root)
        fetched = fetch_day(self.connect(), store, self.project.name, DAY)
        store.publish(fetched.staged, "superset")
        return fetched.resumed_runs

    def versions(self, root: Path) -> list[int]:
        """The form in which each archived run is."""
        day = DayStore(root).load(self.project.name, DAY)
        return [json.loads(bytes(raw))["outputs"]["version"] for trace in day.traces() for raw in trace.runs]

    def die_while_archiving(self, root: Path, step: int) -> bool:
        """Archive it in a process that dies at a step after the fetch. False when it was done before."""
        order = Order(
            self.sandbox.langsmith_url, self.project.name, str(root), DAY.isoformat(), dies_at_step=step
        )
        with Archiver(order, self.sandbox.env["LANGSMITH_API_KEY"]) as archiver:
            return archiver.outcome() != "published"


@pytest.fixture
def changing(sandbox: Sandbox, project: TracedProject, connect: Callable[..., Transport]) -> ChangingDay:
    day = ChangingDay(sandbox, project, connect, [project.root(START) for _ in range(RUNS)])
    day.change()
    return day


@pytest.mark.slow
@pytest.mark.parametrize("older", [False, True], ids=["first", "replacing"])
def test_what_a_finished_fetch_brought_is_never_put_over_what_came_later(
    older: bool, changing: ChangingDay, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    if older:
        changing.fetch(before)
    died = True
    step = 0
    while died:
        step += 1
        root = tmp_path / str(step)
        if older:
            shutil.copytree(before, root)
        changing.change()
        died = changing.die_while_archiving(root, step)
        changing.change()

        resumed = changing.fetch(root)

        assert (resumed, changing.versions(root)) == (0, [changing.version] * RUNS), f"(died at step {step})"
        store = DayStore(root)
        place = store.day_path(changing.project.name, DAY).parent
        assert hidden_files(place) == {f".{DAY}.lock"}, f"(died at step {step})"
    assert step > 5  # it has died at several
