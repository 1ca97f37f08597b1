"""What a day still needs: the rules over what is known of it and the time."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.calendar.rules import KnownDay, Need, Rule, dangers, is_due, is_settled, needs

DAY = date(2025, 8, 1)
START = datetime(2025, 8, 1, tzinfo=UTC)
RULE = Rule((2, 12), 14)
NIGHTLY = timedelta(hours=4, minutes=30)


def after(**passed: float) -> datetime:
    return START + timedelta(**passed)


def a_day(
    fetched: datetime | None = after(days=1, hours=4),  # noqa: B008
    *,
    pending: int = 0,
    sound: bool = True,
    on_drive: bool = True,
    compared: datetime | None = None,
    lacks_runs: bool = False,
    missing: int = 0,
    changed: bool = False,
) -> KnownDay:
    return KnownDay(fetched, pending, sound, on_drive, compared, lacks_runs, changed, missing)


def a_late_day(*, compared: datetime | None = None, on_drive: bool = True) -> KnownDay:
    """One that was fetched when all must have arrived."""
    return a_day(after(days=2), compared=compared, on_drive=on_drive)


def needed(known: KnownDay | None, now: datetime) -> tuple[Need, ...]:
    return needs(DAY, known, RULE, now=now, missing_after=NIGHTLY)


def test_a_day_that_is_not_there_is_fetched_once_the_schedule_had_its_turn_and_until_it_expires() -> None:
    assert needed(None, after(days=1, hours=4)) == ()
    assert needed(None, after(days=1, hours=4, minutes=30)) == (Need.FETCH,)
    assert needed(None, after(days=14, seconds=-1)) == (Need.FETCH,)
    assert needed(None, after(days=14)) == ()


@pytest.mark.parametrize("due", [2, 12])
def test_a_day_that_was_fetched_before_all_had_arrived_is_fetched_again_once_it_is_due(due: int) -> None:
    early = a_day(after(days=2, seconds=-1), compared=after(days=due, seconds=-1))

    assert needed(early, after(days=due, seconds=-1)) == ()
    assert needed(early, after(days=due)) == (Need.FETCH,)
    assert needed(a_day(after(days=due)), after(days=due, hours=9)) == ()


def test_a_day_that_was_fetched_when_all_had_arrived_is_counted_once_when_it_is_due() -> None:
    assert needed(a_late_day(), after(days=12, seconds=-1)) == ()
    assert needed(a_late_day(), after(days=12)) == (Need.COUNT,)
    assert needed(a_late_day(compared=after(days=12)), after(days=12, hours=9)) == ()


def test_two_due_dates_that_were_missed_are_one_look() -> None:
    assert needed(a_day(), after(days=13)) == (Need.FETCH,)
    assert needed(a_day(after(days=13)), after(days=13, hours=1)) == ()


@pytest.mark.parametrize(("pending", "missing"), [(1, 0), (0, 1)])
def test_a_day_with_unfinished_runs_or_missing_files_is_fetched_again_instead_of_counted(
    pending: int, missing: int
) -> None:
    at_first = a_day(after(days=2), pending=pending, missing=missing)
    again = a_day(after(days=12), pending=pending, missing=missing)

    assert needed(at_first, after(days=11)) == ()
    assert needed(at_first, after(days=12)) == (Need.FETCH,)
    assert needed(again, after(days=13)) == ()


def test_a_day_that_lacks_runs_or_is_unsound_is_fetched_again_until_it_expires() -> None:
    for known in (a_day(lacks_runs=True), a_day(sound=False, on_drive=False)):
        assert needed(known, after(days=3)) == (Need.FETCH,)
        assert Need.FETCH not in needed(known, after(days=14))


def test_a_day_that_has_changed_is_fetched_again() -> None:
    counted = after(days=12)

    assert needed(a_day(after(days=2), compared=counted, changed=True), after(days=13)) == (Need.FETCH,)


def test_a_sound_day_that_is_not_on_drive_is_uploaded_also_after_langsmith_forgot_it() -> None:
    assert needed(a_day(on_drive=False), after(days=1, hours=6)) == (Need.UPLOAD,)
    assert needed(a_day(on_drive=False), after(days=20)) == (Need.UPLOAD,)


def test_drives_trouble_does_not_keep_a_day_from_being_compared() -> None:
    assert needed(a_late_day(on_drive=False), after(days=12)) == (Need.UPLOAD, Need.COUNT)
    assert needed(a_day(on_drive=False), after(days=2)) == (Need.FETCH, Need.UPLOAD)


def test_the_danger_grows_as_the_day_nears_its_end() -> None:
    at = [after(days=12, seconds=-1), after(days=12), after(days=13), after(days=14)]

    found = [dangers(DAY, None, RULE, now=now) for now in at]

    assert found == [(), ("expires in two days",), ("expires in a day",), ("expired",)]
    assert dangers(DAY, a_late_day(), RULE, now=after(days=20)) == ()
    assert dangers(DAY, a_day(lacks_runs=True), RULE, now=after(days=13)) == ("expires in a day",)


def test_missing_attachments_of_a_day_on_drive_are_a_danger_of_their_own() -> None:
    at = [after(days=12, seconds=-1), after(days=12), after(days=13), after(days=20)]

    day = replace(a_late_day(), missing_attachments=1)
    found = [dangers(DAY, day, RULE, now=now) for now in at]

    assert found == [(), ("lacks attachments",), ("lacks attachments",), ("lacks attachments",)]
    assert dangers(DAY, replace(day, on_drive=False), RULE, now=after(days=13)) == ("expires in a day",)


def test_a_day_on_drive_that_expired_without_a_look_after_all_had_arrived_may_lack_what_came_late() -> None:
    early, late = a_day(after(days=2, seconds=-1)), a_day(after(days=2))
    compared = a_day(compared=after(days=2))

    assert dangers(DAY, early, RULE, now=after(days=14, seconds=-1)) == ()
    assert dangers(DAY, early, RULE, now=after(days=14)) == ("never compared",)
    assert dangers(DAY, replace(early, missing_attachments=1), RULE, now=after(days=14)) == (
        "lacks attachments",
        "never compared",
    )
    for known in (late, compared, a_day(None)):  # of the last one nobody knows
        assert dangers(DAY, known, RULE, now=after(days=14)) == ()
    assert dangers(DAY, early, Rule((1,), 14), now=after(days=14)) == ()  # nobody asked for another look
    assert [is_settled(DAY, early, RULE, after(days=days)) for days in (13, 14)] == [False, True]


def test_nothing_is_said_of_a_day_whose_copy_nobody_has_compared_yet() -> None:
    known = replace(a_day(on_drive=False), copy_is_unknown=True)

    assert dangers(DAY, known, RULE, now=after(days=20)) == ()
    assert needed(known, after(days=20)) == (Need.UPLOAD,)


def test_days_are_watched_from_the_beginning_of_the_archive_to_yesterday() -> None:
    days = RULE.watched_days(after(days=3, hours=1), first=date(2025, 8, 2))

    assert days == [date(2025, 8, 2), date(2025, 8, 3)]
    assert len(RULE.watched_days(after(days=300), first=DAY)) == 28
    assert RULE.watched_days(after(hours=1), first=DAY) == []


def test_days_that_were_lost_since_somebody_looked_last_are_watched_too() -> None:
    days = RULE.watched_days(after(days=100), first=DAY, since=after(days=40))

    assert days[0] == after(days=12).date()
    assert days == RULE.watched_days(after(days=40), first=DAY) + days[28:]
    assert RULE.watched_days(after(days=100), first=DAY, since=after(days=900)) == RULE.watched_days(
        after(days=100), first=DAY
    )


moments = st.timedeltas(timedelta(0), timedelta(days=30)).map(lambda passed: START + passed)
known_days = st.builds(
    KnownDay,
    fetched_at=st.none() | moments,
    pending_runs=st.integers(0, 2),
    is_sound=st.booleans(),
    on_drive=st.booleans(),
    compared_at=st.none() | moments,
    lacks_runs=st.booleans(),
    missing_attachments=st.integers(0, 2),
    has_changed=st.booleans(),
)
rules = st.sets(st.integers(1, 13), min_size=1, max_size=4).map(lambda days: Rule(tuple(sorted(days)), 14))


@given(known_days, rules, moments)
def test_a_settled_day_needs_nothing_of_langsmith(known: KnownDay, rule: Rule, now: datetime) -> None:
    wanted = needs(DAY, known, rule, now=now, missing_after=NIGHTLY)

    if is_settled(DAY, known, rule, now) and known.is_sound and not known.lacks_runs:
        assert Need.COUNT not in wanted
        assert Need.FETCH not in wanted


@given(known_days, rules, moments)
def test_what_is_asked_of_langsmith_ends_the_need_for_it(known: KnownDay, rule: Rule, now: datetime) -> None:
    wanted = needs(DAY, known, rule, now=now, missing_after=NIGHTLY)

    if Need.COUNT in wanted:
        counted = replace(known, on_drive=True, compared_at=now, has_changed=False)
        assert needs(DAY, counted, rule, now=now, missing_after=NIGHTLY) == ()
    if Need.FETCH in wanted:
        fetched = replace(
            known, fetched_at=now, is_sound=True, on_drive=True, lacks_runs=False, has_changed=False
        )
        assert needs(DAY, fetched, rule, now=now, missing_after=NIGHTLY) == ()


@given(st.none() | known_days, rules, moments)
def test_nothing_is_asked_of_langsmith_for_a_day_it_has_forgotten(
    known: KnownDay | None, rule: Rule, now: datetime
) -> None:
    wanted = needs(DAY, known, rule, now=now, missing_after=NIGHTLY)

    if now >= rule.expires(DAY):
        assert set(wanted) <= {Need.UPLOAD}
    assert not {Need.FETCH, Need.COUNT} <= set(wanted)


@given(known_days, rules, moments)
def test_only_a_sound_day_is_uploaded_as_it_is_while_langsmith_has_a_better_one(
    known: KnownDay, rule: Rule, now: datetime
) -> None:
    wanted = needs(DAY, known, rule, now=now, missing_after=NIGHTLY)

    may_travel = known.is_sound or now >= rule.expires(DAY)
    assert (Need.UPLOAD in wanted) == (may_travel and not known.on_drive)


@given(known_days, rules, moments, st.timedeltas(timedelta(0), timedelta(days=5)))
def test_a_day_that_was_not_compared_when_due_stays_due(
    known: KnownDay, rule: Rule, now: datetime, later: timedelta
) -> None:
    known = known.as_of(now)
    if is_due(DAY, known, rule, now):
        assert is_due(DAY, known, rule, now + later)


@given(known_days, rules, moments)
def test_a_day_that_is_due_is_counted_only_if_all_had_arrived(
    known: KnownDay, rule: Rule, now: datetime
) -> None:
    wanted = needs(DAY, known, rule, now=now, missing_after=NIGHTLY)

    assert not (Need.COUNT in wanted and known.was_early(DAY))


@given(known_days, rules, moments, st.timedeltas(timedelta(hours=1), timedelta(days=400)))
def test_a_day_that_is_dated_later_than_now_was_neither_fetched_nor_compared(
    known: KnownDay, rule: Rule, now: datetime, ahead: timedelta
) -> None:
    misdated = replace(known, fetched_at=now + ahead, on_drive=True, is_sound=True)

    wanted = needs(DAY, misdated, rule, now=now, missing_after=NIGHTLY)

    assert (Need.FETCH in wanted) == (now < rule.expires(DAY))
    assert Need.COUNT not in wanted
    assert not is_settled(DAY, misdated, rule, now) or now >= rule.expires(DAY)
    compared = replace(known, compared_at=now + ahead)
    assert is_due(DAY, compared, rule, now) == is_due(DAY, replace(known, compared_at=None), rule, now)
