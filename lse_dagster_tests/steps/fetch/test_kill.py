"""kill -9 while a day is fetched or written: it is the old or the new one, and the next fetch gets it all.

While it is published: `test_finished.py`.
"""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.steps.fetch.planned import (
    DAY,
    PlannedRun,
    Planner,
    expect_whole,
    hidden_files,
    ingest,
    kept,
)
from lse_dagster_tests.worlds.archiver import Archiver, Order
from lse_dagster_tests.worlds.langsmith import TracedProject

NEW_RUNS = 250


@dataclass
class OlderDay:
    """A day that was archived when it had fewer runs, as often as a process is killed over it."""

    sandbox: Sandbox
    project: TracedProject
    connect: Callable[..., Transport]
    root: Path
    old: list[PlannedRun]
    new: list[PlannedRun]

    def fetch(self, root: Path) -> None:
        """Archive the day as it is now."""
        store = DayStore(root)
        store.publish(fetch_day(self.connect(), store, self.project.name, DAY).staged, "superset")

    def kill(self, root: Path, *, when: Callable[[Path, Path], bool]) -> bool:
        """Kill a process that replaces the older day, `when` this is true of its staging and its day.

        Whether it had not ended before.
        """
        shutil.copytree(self.root, root)
        store, name = DayStore(root), self.project.name
        staging, place = store.staging_path(name, DAY), store.day_path(name, DAY)
        order = Order(self.sandbox.langsmith_url, name, str(root), DAY.isoformat())
        with Archiver(order, self.sandbox.env["LANGSMITH_API_KEY"]) as archiver:
            while archiver.is_running and not when(staging, place):
                pass
            return archiver.kill()

    def expect_old_or_new_and_then_new(self, root: Path, note: str) -> None:
        """Nothing was harmed, and the next fetch leaves nothing behind."""
        store, name = DayStore(root), self.project.name
        day = store.load(name, DAY)
        expect_whole(day, self.new if day.run_ids() == kept(self.new) else self.old, note=note)
        self.fetch(root)
        expect_whole(store.load(name, DAY), self.new, note=note)
        assert hidden_files(day.path.parent) == {f".{DAY}.lock"}, note


@pytest.fixture
def older_day(
    sandbox: Sandbox,
    langsmith_sandbox: ControlClient,
    project: TracedProject,
    connect: Callable[..., Transport],
    tmp_path: Path,
) -> OlderDay:
    runs = Planner(f"kill {project.name}").spread(NEW_RUNS)
    older = OlderDay(sandbox, project, connect, tmp_path / "older", runs[::10], runs)
    ingest(project.api, older.old)
    older.fetch(older.root)
    ingest(project.api, older.new)
    langsmith_sandbox.clear()
    return older


def test_a_fetch_that_is_killed_harms_nothing(
    older_day: OlderDay, langsmith_sandbox: ControlClient, tmp_path: Path
) -> None:
    chance = random.Random("kill while fetching")
    for attempt in range(7):
        langsmith_sandbox.settings(max_page_bytes=60_000)
        langsmith_sandbox.latency({"/runs/": 0.03})
        enough = chance.randrange(1, 18)

        def enough_requests(staging: Path, place: Path, enough: int = enough) -> bool:
            log = langsmith_sandbox.requests()
            return len([entry for entry in log if "_control" not in entry.path]) >= enough

        root = tmp_path / str(attempt)
        was_killed = older_day.kill(root, when=enough_requests)

        langsmith_sandbox.clear()
        assert was_killed
        older_day.expect_old_or_new_and_then_new(root, f"(killed at request {enough})")


def test_a_fetch_that_is_killed_while_it_writes_the_day_harms_nothing(
    older_day: OlderDay, tmp_path: Path
) -> None:
    chance = random.Random("kill while writing")
    for attempt in range(3):
        enough = chance.randrange(1, NEW_RUNS)

        def enough_files(staging: Path, place: Path, enough: int = enough) -> bool:
            content = staging / "day"
            return content.exists() and len(list(content.iterdir())) >= enough

        root = tmp_path / str(attempt)
        older_day.kill(root, when=enough_files)

        older_day.expect_old_or_new_and_then_new(root, f"(killed at file {enough})")
