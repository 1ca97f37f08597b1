"""How the days of a project stand: the same whoever asks, and each day that is not safe is named once."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.calendar.days import DriveCopy
from lse_dagster.calendar.evidence import Evidence
from lse_dagster.calendar.inventory import LocalDay, LocalZip
from lse_dagster.calendar.overview import LATE_AFTER, Overview, Standing, overview_of, standing
from lse_dagster.calendar.rules import KnownDay, Need, Rule, dangers

DAY = date(2025, 8, 1)
RULE = Rule((2, 12), 14)
SCHEDULE = timedelta(hours=3, minutes=30)
LATE = datetime(2025, 8, 2, tzinfo=UTC) + SCHEDULE + LATE_AFTER
HERE = KnownDay(datetime(2025, 8, 2, 4, tzinfo=UTC), 0, is_sound=True, on_drive=False)
COPIED = KnownDay(datetime(2025, 8, 2, 4, tzinfo=UTC), 0, is_sound=True, on_drive=True)
LACKS = KnownDay(datetime(2025, 8, 2, 4, tzinfo=UTC), 0, is_sound=True, on_drive=True, lacks_runs=True)


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2025, 8, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("known", "now", "expected"),
    [
        (None, LATE - timedelta(seconds=1), "in time"),
        (None, LATE, "missing"),
        (HERE, LATE - timedelta(seconds=1), "in time"),
        (HERE, LATE, "late"),
        (COPIED, LATE, "safe"),
        (None, at(13), "at risk"),
        (HERE, at(13), "at risk"),
        (LACKS, at(13), "at risk"),
        (COPIED, at(13), "safe"),
        (None, at(15), "forgotten"),
        (LACKS, at(15), "forgotten"),
        (HERE, at(15), "at risk"),  # it lies on this disk alone
        (COPIED, at(28), "safe"),
    ],
)
def test_how_a_day_stands(known: KnownDay | None, now: datetime, expected: Standing) -> None:
    assert standing(DAY, known, RULE, now=now, schedule=SCHEDULE) == expected


@given(
    st.sampled_from([None, HERE, COPIED, LACKS]),
    st.datetimes(at(2).replace(tzinfo=None), timezones=st.just(UTC)),
)
def test_a_day_is_at_risk_or_forgotten_just_when_its_danger_is_told(
    known: KnownDay | None, now: datetime
) -> None:
    told = {*dangers(DAY, known, RULE, now=now)} & {"expires in two days", "expires in a day", "expired"}

    found = standing(DAY, known, RULE, now=now, schedule=SCHEDULE)

    assert bool(told) == (found in {"at risk", "forgotten"})


def test_a_day_on_which_a_run_works_is_in_time_until_langsmith_has_forgotten_it() -> None:
    for now, expected in ((at(14), "in time"), (at(15), "forgotten")):
        assert standing(DAY, None, RULE, now=now, schedule=SCHEDULE, is_at_work=True) == expected


where = st.sampled_from(["nowhere", "here", "drive", "both", "other content on Drive"])


@given(st.lists(where, min_size=40, max_size=40), st.integers(0, 45), st.integers(0, 30))
def test_each_day_that_was_asked_for_is_safe_or_named_once(
    places: list[str], first: int, moment: int
) -> None:
    # given: forty days, each somewhere, a first day that settings ask for, and a moment
    days = [DAY + timedelta(days=number) for number in range(len(places))]
    now = at(1, 12) + timedelta(days=moment)
    here, there = {"here", "both", "other content on Drive"}, {"drive", "both", "other content on Drive"}
    found = dict(zip(days, places, strict=True))
    local = {
        day: LocalDay(day, zip=LocalZip(Path("x.zip"), 100, whole=True, files=2))
        for day, place in found.items()
        if place in here
    }
    copies = {
        day: DriveCopy(100 if place != "other content on Drive" else 99, "link")
        for day, place in found.items()
        if place in there
    }
    evidence = Evidence(local, copies, {})

    # when
    overview = look(evidence, days[0] + timedelta(days=first), now)

    # then
    over = [day for day in days if day <= (now - SCHEDULE).date() - timedelta(days=1)]
    named = [one.day for one in overview.unsafe]
    assert named == sorted({*named})
    for day in over:
        if found[day] in {"drive", "both"}:
            assert day not in named
        elif found[day] != "nowhere":
            assert day in named
        elif day >= days[0] + timedelta(days=first) and now < RULE.expires(day):
            assert day in named  # LangSmith has it, and it is asked for
        elif day < days[0] + timedelta(days=first):
            assert day not in named  # nobody asks for it
    safe = [day for day in copies if day not in named]
    assert overview.last == max(safe, default=None)
    assert (overview.on_drive, overview.on_disk) == (len(copies), len(local))
    assert overview.drive_bytes == sum(copy.bytes for copy in copies.values())


def look(evidence: Evidence, first: date, now: datetime) -> Overview:
    return overview_of("p", evidence, RULE, first=first, now=now, schedule=SCHEDULE, looked_at=[])


def test_the_day_that_langsmith_forgets_next_and_what_is_to_be_done_about_it_are_named() -> None:
    zipped = LocalZip(Path("x.zip"), 100, whole=True, files=2)
    evidence = Evidence({DAY: LocalDay(DAY, zip=zipped)}, {}, {})

    before, after = (look(evidence, DAY, now) for now in (at(14, 23), at(15)))

    assert before.next_expiry == (DAY, at(15))
    assert [(one.day, one.standing, one.need) for one in before.unsafe[:2]] == [
        (DAY, "at risk", Need.UPLOAD),
        (DAY + timedelta(days=1), "at risk", Need.ARCHIVE),
    ]
    assert after.next_expiry == (DAY + timedelta(days=1), at(16))


def test_what_lies_before_the_archive_began_is_not_forgotten_and_what_lies_within_is() -> None:
    copies = {day: DriveCopy(1, "link") for day in (date(2025, 1, 1), date(2025, 1, 3))}

    overview = look(Evidence({}, copies, {}), date(2024, 1, 1), at(1, 12))

    forgotten = overview.days("forgotten")
    assert forgotten[:2] == [date(2025, 1, 2), date(2025, 1, 4)]
    assert forgotten[-1] == date(2025, 7, 18)


def test_while_drive_cannot_be_asked_only_days_with_records_are_judged() -> None:
    old = Evidence({date(2020, 1, 1): LocalDay(date(2020, 1, 1))}, None, {})

    overview = look(old, date(2020, 1, 1), at(1, 12))

    assert (overview.unsafe, overview.drive_was_asked) == ((), False)
