"""A fetch that was interrupted: the next one takes over what was completed, and only what is safe."""

import gc
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.errors import Unavailable
from lse_dagster.langsmith.fetch import FetchedDay, fetch_day
from lse_dagster.langsmith.progress import FetchProgress
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.langsmith.conftest import TracedProject
from lse_dagster_tests.langsmith.planned import (
    DAY,
    PlannedRun,
    Planner,
    contents,
    expect_whole,
    hidden_files,
    ingest,
)

NOW = datetime(2025, 9, 1, tzinfo=UTC)
QUERY = r"/runs/query$"
SOME_RANGES = 4
"""Queries that are answered before the server goes down: of six ranges and the tail, three at least."""


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
        self, *, now: datetime = NOW, on_progress: Callable[[FetchProgress], None] | None = None
    ) -> FetchedDay:
        """Fetch the day with little patience."""
        transport = self.connect(patience=5.0)
        name = self.project.name
        return fetch_day(transport, self.store, name, DAY, on_progress=on_progress, now=lambda: now)

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
        """The intervals that run queries asked for since the log was cleared, without the tail."""
        bodies: list[dict[str, Any]] = [
            entry.json for entry in self.control.requests() if entry.path.endswith("/runs/query")
        ]
        filters = [body["filter"].split('"') for body in bodies if "trace_filter" not in body]
        return [(parts[1], parts[3]) for parts in filters]


@pytest.fixture
def interrupted(
    project: TracedProject,
    langsmith_sandbox: ControlClient,
    connect: Callable[..., Transport],
    tmp_path: Path,
) -> Interrupted:
    runs = Planner(f"resume {project.name}").spread(240)
    ingest(project.api, runs)
    return Interrupted(project, langsmith_sandbox, connect, DayStore(tmp_path), runs)


def overlap(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two intervals of times share a moment."""
    lows, highs = zip(*(map(datetime.fromisoformat, pair) for pair in (one, other)), strict=True)
    return bool(max(lows) < min(highs))


def test_completed_ranges_are_taken_over_and_not_asked_for_again(interrupted: Interrupted) -> None:
    interrupted.interrupt()
    completed = interrupted.completed()

    fetched = interrupted.fetch()

    assert len(completed) >= SOME_RANGES - 1
    assert fetched.resumed_runs == len(completed) * 40
    asked = interrupted.asked()
    assert asked
    assert not [pair for pair in completed if any(overlap(pair, other) for other in asked)]
    interrupted.expect_published(fetched)


def test_a_fetch_can_be_interrupted_again(interrupted: Interrupted) -> None:
    interrupted.interrupt()
    first = interrupted.completed()
    interrupted.interrupt(after=1)
    second = interrupted.completed()

    fetched = interrupted.fetch()

    assert second[: len(first)] == first
    assert fetched.resumed_runs >= len(first) * 40
    interrupted.expect_published(fetched)


def test_ctrl_c_in_the_middle_leaves_what_was_completed_and_a_free_day(interrupted: Interrupted) -> None:
    interrupted.runs += Planner(f"more {interrupted.project.name}").spread(960)
    ingest(interrupted.project.api, interrupted.runs)
    pressed: list[FetchProgress] = []

    def press_ctrl_c(progress: FetchProgress) -> None:
        # 200 runs in each of six ranges, 100 on a page: two ranges at least have both of theirs.
        if progress.runs >= 900 and not pressed:
            pressed.append(progress)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted.fetch(on_progress=press_ctrl_c)
    with interrupted.store.locked(interrupted.project.name, DAY):
        completed = interrupted.completed()
    fetched = interrupted.fetch()

    assert completed
    assert fetched.resumed_runs >= len(completed) * 200
    interrupted.expect_published(fetched)


def test_what_an_interrupted_fetch_still_had_in_memory_never_reaches_the_next_one(
    interrupted: Interrupted,
) -> None:
    interrupted.interrupt(after=2)
    interrupted.control.fault(path=QUERY, status=503, skip=2, times=100_000)
    errors: list[BaseException] = []

    def interrupt(progress: FetchProgress) -> None:
        raise KeyboardInterrupt

    def forget_that_fetch(progress: FetchProgress) -> None:
        # Its error holds its open files; Python closes them now, which writes what is in their buffers.
        if progress.share == 1.0:
            errors.clear()
            gc.collect()

    try:
        interrupted.fetch(on_progress=interrupt)
    except (KeyboardInterrupt, Unavailable) as error:
        errors.append(error)
    interrupted.control.clear()
    interrupted.control.settings(order="asc")  # other runs at the same place of the file
    fetched = interrupted.fetch(on_progress=forget_that_fetch)

    assert not errors
    assert fetched.resumed_runs > 0
    interrupted.expect_published(fetched)


def later(interrupted: Interrupted) -> datetime:
    return NOW + timedelta(days=1)


def sooner(interrupted: Interrupted) -> datetime:
    return NOW - timedelta(seconds=1)


def of_another_api(interrupted: Interrupted) -> None:
    interrupted.control.settings(v2=False)


def of_another_project(interrupted: Interrupted) -> None:
    """The project was deleted and made anew under its name."""
    replace_in_checkpoint(interrupted, interrupted.project.id, "00000000-0000-4000-8000-000000000000")


def of_other_fields(interrupted: Interrupted) -> None:
    replace_in_checkpoint(interrupted, '"LS_USER_ID"', '"LS_USER_NAME"')


def a_damaged_line(interrupted: Interrupted) -> None:
    replace_in_checkpoint(interrupted, '{"low"', '{"low')


def an_empty_checkpoint(interrupted: Interrupted) -> None:
    checkpoint(interrupted).write_bytes(b"")


def no_spool(interrupted: Interrupted) -> None:
    spool(interrupted).unlink()


def a_spool_cut_off(interrupted: Interrupted) -> None:
    spool(interrupted).write_bytes(spool(interrupted).read_bytes()[:-9000])


def a_spool_cut_off_to_nothing(interrupted: Interrupted) -> None:
    spool(interrupted).write_bytes(b"")


def a_spool_of_zeros(interrupted: Interrupted) -> None:
    spool(interrupted).write_bytes(b"\0" * spool(interrupted).stat().st_size)


def a_spool_that_is_no_text(interrupted: Interrupted) -> None:
    spool(interrupted).write_bytes(b"\xff" * spool(interrupted).stat().st_size)


def a_spool_with_a_damaged_id(interrupted: Interrupted) -> None:
    whole = spool(interrupted).read_bytes()
    spool(interrupted).write_bytes(whole.replace(b'"id":"', b'"id":"\xff', 1)[: len(whole)])


def a_spool_with_a_damaged_length(interrupted: Interrupted) -> None:
    whole = spool(interrupted).read_bytes()
    spool(interrupted).write_bytes(bytes([whole[0] ^ 1]) + whole[1:])


def checkpoint(interrupted: Interrupted) -> Path:
    return interrupted.staging / "checkpoint.jsonl"


def spool(interrupted: Interrupted) -> Path:
    return interrupted.staging / "runs.spool"


def replace_in_checkpoint(interrupted: Interrupted, old: str, new: str) -> None:
    text = checkpoint(interrupted).read_text()
    assert old in text
    checkpoint(interrupted).write_text(text.replace(old, new))


@pytest.mark.parametrize(
    "spoil",
    [
        later,
        sooner,
        of_another_api,
        of_another_project,
        of_other_fields,
        a_damaged_line,
        an_empty_checkpoint,
        no_spool,
        a_spool_cut_off,
        a_spool_cut_off_to_nothing,
        a_spool_of_zeros,
        a_spool_that_is_no_text,
        a_spool_with_a_damaged_id,
        a_spool_with_a_damaged_length,
    ],
)
def test_what_cannot_be_trusted_is_not_taken_over(
    spoil: Callable[[Interrupted], datetime | None], interrupted: Interrupted
) -> None:
    interrupted.interrupt()
    now = spoil(interrupted)

    fetched = interrupted.fetch(now=now or NOW)

    assert fetched.resumed_runs == 0
    interrupted.expect_published(fetched)


def test_a_line_that_a_crash_cut_off_is_left_out_and_the_others_are_used(interrupted: Interrupted) -> None:
    interrupted.interrupt()
    ranges = len(interrupted.completed())
    checkpoint(interrupted).write_bytes(checkpoint(interrupted).read_bytes()[:-20])

    fetched = interrupted.fetch()

    assert fetched.resumed_runs >= (ranges - 1) * 40
    interrupted.expect_published(fetched)


def test_a_fetch_is_taken_over_even_when_the_one_before_it_followed_a_crash(interrupted: Interrupted) -> None:
    interrupted.interrupt()
    checkpoint(interrupted).write_bytes(checkpoint(interrupted).read_bytes()[:-20])
    for _ in range(10):
        # One query at a time, until one of them completes a range behind the line that was cut off.
        interrupted.interrupt(after=1)
        if not checkpoint(interrupted).read_bytes().endswith(b"\n"):
            continue
        break

    fetched = interrupted.fetch()

    assert fetched.resumed_runs > 0
    interrupted.expect_published(fetched)


def test_a_day_less_a_second_is_not_too_old(interrupted: Interrupted) -> None:
    interrupted.interrupt()

    fetched = interrupted.fetch(now=NOW + timedelta(days=1, seconds=-1))

    assert fetched.resumed_runs > 0


def test_an_interrupted_fetch_leaves_the_old_day_as_it_was(interrupted: Interrupted) -> None:
    old = interrupted.store.publish(interrupted.fetch().staged, "superset").day
    before = contents(old.path)
    more = Planner(f"more {interrupted.project.name}").spread(60)
    ingest(interrupted.project.api, more)

    interrupted.interrupt()

    assert contents(old.path) == before
    interrupted.runs += more
    interrupted.expect_published(interrupted.fetch())
