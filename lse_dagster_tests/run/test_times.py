"""Dates, times and the half-open UTC day."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.run.times import DayInterval, InvalidDate, iso_z, parse_date, parse_time

DAY = date(2025, 8, 29)


def test_a_day_holds_its_first_and_last_microsecond_and_not_the_next_midnight() -> None:
    interval = DayInterval.of(DAY)

    assert datetime(2025, 8, 29, tzinfo=UTC) in interval
    assert datetime(2025, 8, 29, 23, 59, 59, 999999, tzinfo=UTC) in interval
    assert datetime(2025, 8, 30, tzinfo=UTC) not in interval
    assert datetime(2025, 8, 28, 23, 59, 59, 999999, tzinfo=UTC) not in interval


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(2000, 1, 2), max_value=datetime(2100, 1, 1)))
def test_every_moment_lies_in_exactly_one_day(moment: datetime) -> None:
    around = moment.astimezone(UTC).date()

    holding = [offset for offset in (-1, 0, 1) if moment in DayInterval.of(around + timedelta(days=offset))]

    assert holding == [0]


@pytest.mark.parametrize(
    "text",
    [
        "2025-02-30",
        "20250829",
        "2025-8-29",
        "yesterday",
        "",
        "２０２５-08-29",
        "1969-12-31",
        "3000-01-01",
    ],
)
def test_what_is_no_date_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidDate) as caught:
        parse_date(text)

    assert "YYYY-MM-DD" in caught.value.next_step


@pytest.mark.parametrize(
    "text",
    ["2026-01-05T16:46:01.068924", "2026-01-05T16:46:01.068924Z", "2026-01-05T17:46:01.068924+01:00"],
)
def test_naive_and_zoned_times_are_the_same_utc_moment(text: str) -> None:
    assert parse_time(text) == datetime(2026, 1, 5, 16, 46, 1, 68924, tzinfo=UTC)


def test_a_time_without_a_fraction_is_read_and_a_text_that_is_no_time_is_none() -> None:
    assert parse_time("2026-01-05T16:46:01") == datetime(2026, 1, 5, 16, 46, 1, tzinfo=UTC)
    assert parse_time("soon") is None


def test_times_are_written_in_utc_with_microseconds() -> None:
    assert iso_z(datetime(2025, 8, 29, tzinfo=UTC)) == "2025-08-29T00:00:00.000000Z"
