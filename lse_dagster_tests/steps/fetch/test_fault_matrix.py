"""Days under faults by the dozen, drawn from seeds: each ends in exactly the truth, or in a typed error.

Of the twelve ways to lose runs silently (by the numbers of the notes on LangSmith's API) these faults
cover 1 (children), 2 (bounds and midnight), 3 (no lower bound: the days are old), 4 (empty pages), 5 (a
cursor again), 8 (429), 9 (late runs), 10 (runs forgotten), 11 (pages too large) and 12 (answers cut off).
6 is in `test_v1.py`, 7 in `test_day.py` and in every comparison of bytes here.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.store import DayStore
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient, FaultFields
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster.steps.fetch.progress import FetchProgress
from lse_dagster_tests.steps.fetch.planned import DAY, START, Planner, contents, expect_whole, ingest
from lse_dagster_tests.worlds.langsmith import TracedProject

Connect = Callable[..., Transport]

QUERY = r"/runs/query$"
PLACES = [QUERY, QUERY, QUERY, r"/runs/stats$", r"/sessions", r"/info$"]


def passing_fault(chance: random.Random) -> FaultFields:
    """A fault that goes away by itself: it may cost time and must not cost a run."""
    nonsense: list[FaultFields] = [
        {"truncate": chance.randrange(3000)},
        {"status": 200, "body": chance.choice(["", "{", '{"items": [', "<html>", "null"])},
        {"corrupt": True},
    ]
    other: list[FaultFields] = [
        {"status": 429, "headers": {"Retry-After": chance.choice(["0", "1", "20"])}},
        {"status": 429, "body": "<html><h1>429 Too Many Requests</h1></html>"},
        {"status": chance.choice([408, 425])},
        {"status": chance.choice([500, 502, 503, 504])},
        {"delay": 0.0},
        {"drop_after": -1},
        {"drop_after": chance.randrange(3000)},
        {"drop_request_after": chance.randrange(1500)},
        {"empty_page": True},
    ]
    how = chance.choice(nonsense + other)
    # Nonsense is given up after five answers; four faults that come once each stay below that.
    times = 1 if how in nonsense else chance.choice([1, 1, 2, 3])
    return {"path": chance.choice(PLACES), "skip": chance.randrange(9), "times": times, **how}


class Scenario:
    """One day, its server and its faults, all from a seed."""

    def __init__(self, seed: int, project: TracedProject, control: ControlClient, root: Path) -> None:
        self.planner = Planner(f"fault matrix {seed}")
        self.chance = self.planner.chance
        self.note = f"(seed {seed})"
        self.project = project
        self.control = control
        self.store = DayStore(root)
        self.runs = self.planner.day(
            self.chance.choice([0, 1, 3, 10, 30, 60, 130, self.chance.randrange(401)])
        )
        self.forgotten: set[str] = set()
        self.may_fail = False
        self.on_progress: Callable[[FetchProgress], None] | None = None

    @property
    def path(self) -> Path:
        """Where the day is published."""
        return self.store.day_path(self.project.name, DAY)

    def archive(self, transport: Transport, overwrite: Overwrite = "superset") -> DayFolder:
        """Fetch the day and publish it."""
        name = self.project.name
        fetched = fetch_day(transport, self.store, name, DAY, on_progress=self.on_progress)
        return self.store.publish(fetched.staged, overwrite).day

    def trace(self, transport: Transport) -> None:
        """Give the sandbox the runs; in every third case a part of them is archived before the rest comes."""
        cut = self.chance.randrange(len(self.runs) + 1) if self.chance.random() < 0.3 else 0
        if cut:
            ingest(self.project.api, self.runs[:cut])
            self.archive(transport)
        ingest(self.project.api, self.runs[cut:])

    def go_wrong(self) -> None:
        """Settings and faults, passing ones and at most one that does not pass."""
        chance = self.chance
        self.control.settings(
            v2=chance.random() < 0.75,
            order=chance.choice(["desc", "desc", "asc", "unsorted"]),
            min_inclusive=chance.random() < 0.5,
            max_inclusive=chance.random() < 0.5,
            max_page_bytes=chance.choice([None, None, None, 80_000]),
        )
        for _ in range(chance.randrange(1, 5)):
            self.control.fault(**passing_fault(chance))
        chance.choice([self._nothing] * 4 + [
            self._down, self._repeated_cursor, self._hidden, self._liar, self._forgetful, self._late,
        ])()  # fmt: skip

    def _nothing(self) -> None:
        pass

    def _down(self) -> None:
        self.may_fail = True
        skip = self.chance.randrange(14)
        self.control.fault(path=self.chance.choice(PLACES), status=503, skip=skip, times=100_000)

    def _repeated_cursor(self) -> None:
        self.may_fail = True
        self.control.fault(path=QUERY, repeat_cursor=True, skip=self.chance.randrange(12), times=3)

    def _hidden(self) -> None:
        in_day = [run.id for run in self.runs if run.in_day]
        self.may_fail = bool(in_day)
        self.control.settings(hidden_runs=in_day and self.chance.sample(in_day, 1))

    def _liar(self) -> None:
        self.may_fail = True
        self.control.settings(ignore_filter=True)

    def _forgetful(self) -> None:
        """LangSmith forgets whole traces while they are fetched; then an old day may be the fuller one."""
        traces = {run.trace_id for run in self.runs if run.in_day and self.chance.random() < 0.2}
        self.forgotten = {run.id for run in self.runs if run.trace_id in traces}
        self.may_fail = self.path.exists()
        self._once(lambda: self.control.settings(delete_runs=sorted(self.forgotten)))

    def _late(self) -> None:
        """Runs arrive while the day is fetched."""
        late = [self.planner.root(START + (run.start - START) / 2) for run in self.runs[:20] if run.in_day]
        self.runs = [*self.runs, *late]
        self._once(lambda: ingest(self.project.api, late))

    def _once(self, act: Callable[[], object]) -> None:
        waiting = [act]
        pages = self.chance.randrange(8)

        def on_progress(progress: FetchProgress) -> None:
            if waiting and progress.requests > pages:
                waiting.pop()()

        self.on_progress = on_progress

    def expect_truth(self, day: DayFolder) -> None:
        """All runs of the day are there, and no others."""
        expect_whole(day, self.runs, forgotten=self.forgotten, note=self.note)


@pytest.fixture
def scenario_of(
    project: TracedProject, langsmith_sandbox: ControlClient, tmp_path: Path
) -> Callable[[int], Scenario]:
    """The scenario of a seed."""
    return lambda seed: Scenario(seed, project, langsmith_sandbox, tmp_path)


@pytest.mark.parametrize("seed", range(70))
def test_a_day_under_faults_is_whole_or_a_typed_error_that_leaves_the_old_one(
    seed: int, scenario_of: Callable[[int], Scenario], connect: Connect
) -> None:
    # given: a day, perhaps archived in part, and a server out of order
    scenario = scenario_of(seed)
    scenario.trace(connect())
    before = contents(scenario.path)
    scenario.go_wrong()

    # when
    try:
        day = scenario.archive(connect(patience=300.0))
    except ArchiveError as error:
        # then: nothing was touched, and the next fetch gets it all
        assert scenario.may_fail, f"{error!r} {scenario.note}"
        assert contents(scenario.path) == before, scenario.note
        scenario.control.clear()
        day = scenario.archive(connect(), "always")

    # then
    scenario.expect_truth(day)
