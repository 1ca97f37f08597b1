"""When steps that failed are tried again, each by itself and all those of a project together."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lse_dagster.calendar.attempts import Step, pause_after, steps_to_try
from lse_dagster.calendar.rules import Need, Rule

DAY = date(2025, 8, 1)
START = datetime(2025, 8, 1, tzinfo=UTC)
RULE = Rule((2, 12), 14)


def after(**passed: float) -> datetime:
    return START + timedelta(**passed)


def day(number: int) -> date:
    """The first is `DAY`."""
    return DAY + timedelta(days=number - 1)


def test_steps_that_keep_failing_are_tried_less_often() -> None:
    assert [pause_after(attempts) for attempts in (1, 4)] == [timedelta(hours=6), timedelta(days=1)]


@given(st.integers(1, 30), st.timedeltas(timedelta(minutes=1), timedelta(days=14)))
def test_the_nearer_the_end_the_shorter_the_pause(attempts: int, left: timedelta) -> None:
    pause = pause_after(attempts, left)

    assert pause <= pause_after(attempts)
    assert pause <= max(left / 2, timedelta(minutes=10))
    assert pause >= timedelta(minutes=10)


@given(st.timedeltas(timedelta(hours=1), timedelta(days=3)))
def test_a_last_attempt_lies_shortly_before_the_end(left: timedelta) -> None:
    attempts = 1
    while (pause := pause_after(attempts, left)) < left:
        left, attempts = left - pause, attempts + 1

    assert left <= timedelta(minutes=10)
    assert attempts <= 20


def going(*steps: Step, now: datetime, worked_at: datetime | None = None) -> list[tuple[date, Need]]:
    found = steps_to_try(steps, RULE, now=now, worked_at=worked_at)
    return [(day, step.need) for day, step in sorted(found.items())]


def fetch(number: int, *tried: datetime, at_work: bool = False) -> Step:
    return Step(day(number), Need.FETCH, tried, at_work)


def test_days_of_a_project_that_works_go_together_each_after_its_own_pause() -> None:
    steps = [fetch(1), fetch(2, after(days=4)), Step(day(3), Need.COUNT)]

    found = going(*steps, now=after(days=4, hours=5), worked_at=after(days=4))

    assert found == [(day(1), Need.FETCH), (day(3), Need.COUNT)]


@pytest.mark.parametrize(
    ("steps", "hours", "asks"),
    [
        pytest.param([fetch(1, after(days=4)), fetch(2)], 5, [], id="a pause holds all"),
        pytest.param([fetch(1, after(days=4)), fetch(2), fetch(3)], 6, [2], id="never tried goes first"),
        pytest.param([fetch(1, after(days=4)), fetch(2, after(days=3))], 6, [2], id="then the longest ago"),
        pytest.param([fetch(1, after(days=3)), fetch(2, after(days=4), at_work=True)], 5, [], id="at work"),
    ],
)
def test_of_a_project_that_fails_one_day_asks_for_all(
    steps: Sequence[Step], hours: int, asks: list[int]
) -> None:
    upload = Step(day(4), Need.UPLOAD, [after(days=3)])

    found = going(*steps, upload, now=after(days=4, hours=hours), worked_at=after(days=3, hours=-1))

    assert found == [*((day(number), Need.FETCH) for number in asks), (day(4), Need.UPLOAD)]


def test_what_drive_refuses_does_not_hold_up_what_langsmith_has() -> None:
    uploads = [Step(day(number), Need.UPLOAD, [after(days=4)]) for number in range(1, 4)]

    assert going(*uploads, fetch(4), now=after(days=4, hours=1)) == [(day(4), Need.FETCH)]
    both = [Step(day(1), Need.FETCH, [after(days=4)]), Step(day(1), Need.UPLOAD)]
    assert going(*both, now=after(days=4, hours=1)) == [(day(1), Need.UPLOAD)]


def in_vain(days: int, look: timedelta, runs_for: timedelta) -> Iterator[tuple[datetime, date]]:
    """The attempts for days of a project that always fails, the first of them after the last day's end."""
    tried: dict[date, list[datetime]] = {day(number): [] for number in range(1, days + 1)}
    now = after(days=days)
    while now < after(days=days + 14):
        steps = [
            Step(one, Need.FETCH, times, bool(times) and now < times[-1] + runs_for)
            for one, times in tried.items()
            if now < RULE.expires(one)
        ]
        for one in steps_to_try(steps, RULE, now=now, worked_at=None):
            tried[one].append(now)
            yield now, one
        now += look


@settings(max_examples=10, deadline=None)
@given(
    st.integers(1, 13),
    st.sampled_from([timedelta(minutes=10), timedelta(hours=12)]),
    st.sampled_from([timedelta(0), timedelta(minutes=15)]),
)
def test_a_project_that_fails_tries_a_few_times_a_day_and_each_day_shortly_before_its_end(
    days: int, look: timedelta, runs_for: timedelta
) -> None:
    attempts = list(in_vain(days, look, runs_for))

    last = {day: at for at, day in attempts}
    assert len(last) == days
    assert all(RULE.expires(day) - at <= max(look, timedelta(minutes=30)) for day, at in last.items())
    later = [at for at, _ in attempts[days:]]  # at first nobody knows that it fails
    assert all(sum(at <= one < at + timedelta(days=1) for one in later) <= 12 for at in later)
    assert all(two > one for one, two in pairwise(later))
