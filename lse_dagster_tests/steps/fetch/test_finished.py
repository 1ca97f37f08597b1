"""kill -9 when a fetch had got all it wanted: the day is the old or the new one, and the next begins anew.

Until its staging is removed all of its runs lie there, as they were then. Gone on with, they would be put
over what LangSmith has now.
"""

import json
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

    def archive_moment_by_moment(self, root: Path, moments: Path) -> None:
        """Archive it in a process that keeps what would be left had it died then, for each moment."""
        url, name = self.sandbox.langsmith_url, self.project.name
        order = Order(url, name, str(root), DAY.isoformat(), moments=str(moments))
        with Archiver(order, self.sandbox.env["LANGSMITH_API_KEY"]) as archiver:
            assert archiver.outcome() == "published"


@pytest.fixture
def changing(sandbox: Sandbox, project: TracedProject, connect: Callable[..., Transport]) -> ChangingDay:
    day = ChangingDay(sandbox, project, connect, [project.root(START) for _ in range(RUNS)])
    day.change()
    return day


@pytest.mark.parametrize("older", [False, True], ids=["first", "replacing"])
def test_a_process_that_dies_after_its_fetch_harms_nothing_and_nobody_goes_on_with_what_it_brought(
    older: bool, changing: ChangingDay, tmp_path: Path
) -> None:
    # given: what is left of a process that dies while it publishes, at any moment
    root, moments = tmp_path / "root", tmp_path / "moments"
    if older:
        changing.fetch(root)
    changing.change()
    changing.archive_moment_by_moment(root, moments)
    changing.change()
    assert len(list(moments.iterdir())) >= 5

    for moment in sorted(moments.iterdir()):
        place = DayStore(moment).day_path(changing.project.name, DAY)
        if older or place.exists():
            assert changing.versions(moment) in ([1] * RUNS, [2] * RUNS), moment.name

        # when
        resumed = changing.fetch(moment)

        # then
        assert (resumed, changing.versions(moment)) == (0, [changing.version] * RUNS), moment.name
        assert hidden_files(place.parent) == {f".{DAY}.lock"}, moment.name
