"""What an interrupted fetch left is used by the next one only if it can be trusted."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lse_dagster.langsmith.errors import Unavailable
from lse_dagster_tests.steps.fetch.interrupted import NOW, RUNS_IN_A_RANGE, Interrupted


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


def a_beginning_without_a_zone(interrupted: Interrupted) -> None:
    take_the_zone_of("started_at", interrupted)


def a_range_without_a_zone(interrupted: Interrupted) -> None:
    take_the_zone_of("high", interrupted)


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


def take_the_zone_of(field: str, interrupted: Interrupted) -> None:
    text, times = re.subn(rf'("{field}":"[^"]+)Z"', r'\1"', checkpoint(interrupted).read_text(), count=1)
    assert times == 1
    checkpoint(interrupted).write_text(text)


@pytest.mark.parametrize(
    "spoil",
    [
        later,
        sooner,
        of_another_api,
        of_another_project,
        of_other_fields,
        a_damaged_line,
        a_beginning_without_a_zone,
        a_range_without_a_zone,
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

    assert fetched.resumed_runs >= (ranges - 1) * RUNS_IN_A_RANGE
    interrupted.expect_published(fetched)


def test_a_line_that_a_crash_cut_off_does_not_spoil_those_that_are_added_later(
    interrupted: Interrupted,
) -> None:
    interrupted.interrupt()
    checkpoint(interrupted).write_bytes(checkpoint(interrupted).read_bytes()[:-20])
    interrupted.control.fault(path="/runs/stats", status=503, times=100_000)
    with pytest.raises(Unavailable):
        interrupted.fetch()
    interrupted.control.clear()

    fetched = interrupted.fetch()

    assert fetched.resumed_runs == len(interrupted.runs)
    interrupted.expect_published(fetched)


def test_a_day_less_a_second_is_not_too_old(interrupted: Interrupted) -> None:
    interrupted.interrupt()

    fetched = interrupted.fetch(now=NOW + timedelta(days=1, seconds=-1))

    assert fetched.resumed_runs > 0
