"""What a step's log says while LangSmith or Drive has requests tried again: little, and the reason."""

import pytest

from lse_dagster.defs.progress import warn_of_retries
from lse_dagster.drive.errors import DriveUnavailable

FAULT = DriveUnavailable("Uploading day.zip", "503: Back soon.", "run the same step again")


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_blip_is_not_worth_a_line(lines: list[str], clock: Clock) -> None:
    warn = warn_of_retries(lines.append, clock=clock)

    for _ in range(5):
        warn(FAULT, 0.5)
        clock.now += 0.5
        warn(FAULT, 1.0)
        clock.now += 100.0

    assert lines == []


def test_a_long_wait_is_told_at_once_with_its_reason(lines: list[str], clock: Clock) -> None:
    warn_of_retries(lines.append, clock=clock)(FAULT, 90.4)

    assert lines == ["Uploading day.zip: 503: Back soon. Trying again in 90 s."]


def test_trouble_that_lasts_is_told_every_half_minute_by_however_many_workers(
    lines: list[str], clock: Clock
) -> None:
    warn = warn_of_retries(lines.append, clock=clock)

    told: list[int] = []
    for second in range(100):
        clock.now = 1000.0 + second
        for _ in range(12):
            warn(FAULT, 1.0)
        if len(lines) > len(told):
            told.append(second)

    assert told == [4, 34, 64, 94]
