"""Which days the settings of once asked for, and those of now do not."""

import re
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.calendar.rules import Rule
from lse_dagster.calendar.scope import Scope, early_start
from lse_dagster.defs.upkeep.dangers import told_of_scope
from lse_dagster.run.times import in_rows

NOW = datetime(2025, 8, 20, 6, tzinfo=UTC)
TODAY = NOW.date()
near = st.dates(date(2025, 7, 1), date(2025, 9, 10))
scopes = st.builds(Scope, first=near, retention_days=st.integers(2, 60))


def left_out(before: Scope, scope: Scope) -> list[date]:
    return sorted({*before.days(NOW)} - {*scope.days(NOW)})


def test_the_days_of_a_scope_are_those_that_are_over_and_not_forgotten() -> None:
    assert Scope(date(2025, 8, 1), 14).days(NOW) == [date(2025, 8, day) for day in range(7, 20)]
    assert Scope(date(2025, 8, 18), 14).days(NOW) == [date(2025, 8, 18), date(2025, 8, 19)]
    assert Scope(date.max, 14).days(NOW) == []


@given(scopes, scopes)
def test_what_other_settings_leave_out_is_told_with_each_day(before: Scope, scope: Scope) -> None:
    days = left_out(before, scope)

    told = told_of_scope(before, scope, days, today=TODAY)

    assert (told is not None) == (bool(days) or scope.first > max(before.first, TODAY))
    if told is not None and days:
        assert ", ".join(in_rows(days)) in told.why
        assert len(told.days) in (0, len(days))


@given(scopes)
def test_settings_that_stay_or_ask_for_more_are_nothing_to_tell(scope: Scope) -> None:
    more = Scope(scope.first - timedelta(days=1), scope.retention_days + 1)

    assert told_of_scope(scope, scope, [], today=TODAY) is None
    assert left_out(scope, more) == []
    assert told_of_scope(scope, more, [], today=TODAY) is None


@given(st.sets(near))
def test_days_in_a_row_are_one_range_and_no_day_is_left_out(days: set[date]) -> None:
    found: set[date] = set()
    for row in in_rows(sorted(days)):
        first, _, last = row.partition("..")
        day = date.fromisoformat(first)
        while day <= date.fromisoformat(last or first):
            found.add(day)
            day += timedelta(days=1)

    assert found == days


@given(near, st.none() | near, st.integers(2, 60))
def test_the_start_that_is_advised_leaves_out_no_day_that_lies_anywhere_or_that_langsmith_has(
    start: date, began: date | None, retention_days: int
) -> None:
    rule = Rule(retention_days=retention_days)

    said = early_start(start, began, rule, NOW)

    if said is not None:
        (text,) = re.findall(r"LSE_START_DATE=(\S+) into", said.next_step)
        advised = date.fromisoformat(text)
        assert advised > start
        assert advised <= (began or advised)
        left_out = {*Scope(start, retention_days).days(NOW)} - {*Scope(advised, retention_days).days(NOW)}
        assert left_out == set()


def test_a_start_long_before_the_archive_is_told_and_one_shortly_before_it_is_not() -> None:
    unset, began = date(2025, 1, 1), date(2025, 8, 10)

    told = early_start(unset, began, Rule(), NOW)

    assert told is not None
    assert "the first day of the archive is 2025-08-10: Dagster shows 218 days as missing" in told.why
    assert told.next_step.startswith("Put LSE_START_DATE=2025-08-07 into .env")  # LangSmith has it still
    assert early_start(date(2025, 7, 26), began, Rule(), NOW) is None
