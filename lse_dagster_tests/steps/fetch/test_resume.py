"""A fetch that was interrupted: the next one takes over what was completed and asks for the rest alone."""

import gc
from datetime import datetime

import pytest

from lse_dagster.langsmith.errors import Unavailable
from lse_dagster.steps.fetch.progress import FetchProgress
from lse_dagster.steps.fetch.workers import WORKERS
from lse_dagster_tests.steps.fetch.interrupted import (
    QUERY,
    RUNS_IN_A_RANGE,
    SOME_RANGES,
    Interrupted,
)
from lse_dagster_tests.steps.fetch.planned import DAY, Planner, contents, ingest


def overlap(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two intervals of times share a moment."""
    lows, highs = zip(*(map(datetime.fromisoformat, pair) for pair in (one, other)), strict=True)
    return bool(max(lows) < min(highs))


def test_completed_ranges_are_taken_over_and_not_asked_for_again(interrupted: Interrupted) -> None:
    interrupted.interrupt()
    completed = interrupted.completed()

    fetched = interrupted.fetch()

    assert len(completed) >= SOME_RANGES - 1
    assert fetched.resumed_runs == len(completed) * RUNS_IN_A_RANGE
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
    assert fetched.resumed_runs >= len(first) * RUNS_IN_A_RANGE
    interrupted.expect_published(fetched)


def test_a_fetch_that_is_to_replace_whatever_is_there_begins_anew(interrupted: Interrupted) -> None:
    interrupted.interrupt()
    assert interrupted.completed()

    fetched = interrupted.fetch(overwrite="always")

    assert fetched.resumed_runs == 0
    interrupted.expect_published(fetched)


def test_ctrl_c_in_the_middle_leaves_what_was_completed_and_a_free_day(interrupted: Interrupted) -> None:
    interrupted.runs += Planner(f"more {interrupted.project.name}").spread(160 * WORKERS)
    ingest(interrupted.project.api, interrupted.runs)
    pressed: list[FetchProgress] = []

    def press_ctrl_c(progress: FetchProgress) -> None:
        # 200 runs in each range, 100 on a page: two ranges at least have both of theirs.
        if progress.runs >= 100 * (WORKERS + 3) and not pressed:
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


def test_an_interrupted_fetch_leaves_the_old_day_as_it_was(interrupted: Interrupted) -> None:
    old = interrupted.store.publish(interrupted.fetch().staged, "superset").day
    before = contents(old.path)
    more = Planner(f"more {interrupted.project.name}").spread(60)
    ingest(interrupted.project.api, more)

    interrupted.interrupt()

    assert contents(old.path) == before
    interrupted.runs += more
    interrupted.expect_published(interrupted.fetch())


def test_a_byte_that_changed_on_the_disk_meanwhile_is_noticed_and_nothing_is_taken_over(
    interrupted: Interrupted,
) -> None:
    interrupted.interrupt()
    spool = interrupted.staging / "runs.spool"
    content = bytearray(spool.read_bytes())
    inside_a_text = content.index(b'"name":"') + len(b'"name":"')
    content[inside_a_text] ^= 1
    spool.write_bytes(content)

    fetched = interrupted.fetch()

    assert fetched.resumed_runs == 0
    interrupted.expect_published(fetched)
