"""A day whose fetch can be interrupted in the middle and taken up again."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.errors import Unavailable
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.fetch.day import FetchedDay, fetch_day
from lse_dagster.steps.fetch.progress import FetchProgress
from lse_dagster_tests.steps.fetch.planned import DAY, PlannedRun, expect_whole, hidden_files
from lse_dagster_tests.worlds.langsmith import TracedProject

NOW = datetime(2025, 9, 1, tzinfo=UTC)
QUERY = r"/runs/query$"
SOME_RANGES = 4
"""Queries that are answered before the server goes down: of all ranges and the tail, three at least."""
RUNS_IN_A_RANGE = 40


@dataclass
class Interrupted:
    """A project with a day whose fetch can be interrupted and taken up again."""

    project: TracedProject
    control: ControlClient
    connect: Callable[..., Transport]
    store: DayStore
    runs: list[PlannedRun]

    @property
    def staging(self) -> Path:
        """What an interrupted fetch leaves."""
        return self.store.staging_path(self.project.name, DAY)

    def fetch(
        self,
        *,
        now: datetime = NOW,
        on_progress: Callable[[FetchProgress], None] | None = None,
        overwrite: Overwrite = "superset",
    ) -> FetchedDay:
        """Fetch the day with little patience."""
        self.control.settings(now=now.isoformat())
        transport = self.connect(patience=5.0)
        name = self.project.name
        return fetch_day(
            transport,
            self.store,
            name,
            DAY,
            overwrite=overwrite,
            on_progress=on_progress,
            now=lambda: now,
        )

    def interrupt(self, *, after: int = SOME_RANGES) -> None:
        """Let a fetch fail in the middle, because the server goes down after so many queries."""
        self.control.fault(path=QUERY, status=503, skip=after, times=100_000)
        with pytest.raises(Unavailable):
            self.fetch()
        self.control.clear()

    def expect_published(self, fetched: FetchedDay) -> None:
        """The day is whole and nothing is left beside it."""
        day = self.store.publish(fetched.staged, "superset").day
        expect_whole(day, self.runs)
        assert hidden_files(day.path.parent) == {f".{DAY}.lock"}

    def completed(self) -> list[tuple[str, str]]:
        """The intervals of start times that the checkpoint calls complete."""
        lines = (self.staging / "checkpoint.jsonl").read_text().splitlines()[1:]
        return [(done["low"], done["high"]) for done in map(json.loads, lines)]

    def asked(self) -> list[tuple[str, str]]:
        """The intervals that queries for whole runs asked for since the log was cleared, without the tail."""
        bodies: list[dict[str, Any]] = [
            entry.json for entry in self.control.requests() if entry.path.endswith("/runs/query")
        ]
        filters = [body["filter"].split('"') for body in bodies if _is_for_runs_of_the_day(body)]
        return [(parts[1], parts[3]) for parts in filters]


def _is_for_runs_of_the_day(body: dict[str, Any]) -> bool:
    return "trace_filter" not in body and body.get("selects", body.get("select")) not in (["ID"], ["id"])
