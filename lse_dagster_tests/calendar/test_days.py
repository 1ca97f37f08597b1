"""The calendar: what a day needs first, and days in a row taken together."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.calendar.days import CalendarDay, CheckResults, DriveCopy, Findings, gaps
from lse_dagster.calendar.inventory import LocalDay, LocalZip
from lse_dagster.calendar.rules import KnownDay, Need, Rule, needs
from lse_dagster.day.identity import id_hash
from lse_dagster.day.summary import Counts, SummaryHead, Unverified

DAY = date(2025, 8, 29)
START = datetime(2025, 8, 29, tzinfo=UTC)
NOW = START + timedelta(days=1, hours=8)
PASSED = CheckResults(complete=True, current=True, counts_failed=False, others_failed=False, in_time=True)
COPY = DriveCopy(100, "https://drive.example/x")


def summary(
    *, runs: int = 3, total: int | None = 3, pending: int = 0, fetched_at: str = "2025-08-30T03:30:00Z"
) -> SummaryHead:
    counts = Counts(runs, 0, 0, 2, 2, pending, 0, 0)
    return SummaryHead("lse.day/1", "my-project", DAY.isoformat(), fetched_at, counts, total, "00")


def a_zip(*, size: int = 100, whole: bool = True, files: int | None = 3) -> LocalZip:
    return LocalZip(Path("x.zip"), size, whole, files)


def the_day(
    local: LocalDay | None,
    *,
    on_drive: DriveCopy | None = COPY,
    checks: CheckResults | None = PASSED,
    total: int | None = None,
    now: datetime = NOW,
) -> CalendarDay:
    return Findings(
        now=now,
        rule=Rule(),
        local={DAY: local} if local is not None else {},
        on_drive={DAY: on_drive} if on_drive is not None else {},
        checks={DAY: checks} if checks is not None else {},
        totals={DAY: total} if total is not None else None,
    ).day(DAY)


def test_a_day_that_is_right_everywhere_needs_nothing() -> None:
    assert the_day(LocalDay(DAY, summary(), zip=a_zip())).gap is None


def test_a_day_that_was_freed_from_the_disk_needs_nothing_while_drive_has_it() -> None:
    assert the_day(None).gap is None
    assert the_day(LocalDay(DAY, zip=a_zip())).gap is None


@pytest.mark.parametrize(
    ("local", "on_drive", "need"),
    [
        (LocalDay(DAY, broken=True), COPY, Need.RESTORE),
        (LocalDay(DAY, broken=True), None, Need.FETCH),
        (LocalDay(DAY, summary(runs=2), zip=a_zip()), COPY, Need.FETCH),
        (LocalDay(DAY, summary(pending=1), zip=a_zip()), COPY, Need.FETCH),
        (LocalDay(DAY, summary()), None, Need.ZIP),
        (LocalDay(DAY, summary(), zip=a_zip(whole=False)), COPY, Need.ZIP),
        (LocalDay(DAY, summary(), zip=a_zip(files=9)), COPY, Need.ZIP),
        (LocalDay(DAY, zip=a_zip(whole=False)), COPY, Need.RESTORE),
        (LocalDay(DAY, zip=a_zip(whole=False)), None, Need.ARCHIVE),
        (LocalDay(DAY, summary(), zip=a_zip()), None, Need.UPLOAD),
        (LocalDay(DAY, summary(), zip=a_zip(size=99)), COPY, Need.UPLOAD),
    ],
)
def test_what_is_wrong_first_in_the_way_of_the_data_is_needed_first(
    local: LocalDay, on_drive: DriveCopy | None, need: Need
) -> None:
    gap = the_day(local, on_drive=on_drive).gap

    assert gap is not None
    assert gap[0] is need


def test_langsmith_having_more_runs_now_means_fetching_again() -> None:
    gap = the_day(LocalDay(DAY, summary(), zip=a_zip()), total=4).gap

    assert gap == (Need.FETCH, "runs are missing")


@given(st.integers(25, 20 * 24), st.integers(0, 20 * 24))
def test_unfinished_runs_are_a_gap_as_long_as_the_day_will_be_fetched_again_for_them(
    fetched_after: int, looked_after: int
) -> None:
    fetched_at = START + timedelta(hours=fetched_after)
    now = fetched_at + timedelta(hours=looked_after)
    head = summary(pending=1, fetched_at=fetched_at.isoformat())
    known = KnownDay.of(head, on_drive=True)
    later = (now + timedelta(hours=hours) for hours in range(15 * 24))

    gap = the_day(LocalDay(DAY, head, zip=a_zip()), now=now).gap

    comes_again = any(needs(DAY, known, Rule(), now=at, missing_after=timedelta(0)) for at in later)
    assert (gap == (Need.FETCH, "runs were unfinished")) == comes_again


@pytest.mark.parametrize(
    ("checks", "verified"),
    [
        (PASSED, "passed"),
        (None, "never"),
        (
            CheckResults(
                complete=False, current=True, counts_failed=False, others_failed=False, in_time=True
            ),
            "never",
        ),
        (
            CheckResults(
                complete=True, current=False, counts_failed=False, others_failed=False, in_time=True
            ),
            "outdated",
        ),
        (
            CheckResults(complete=True, current=False, counts_failed=False, others_failed=True, in_time=True),
            "failed",
        ),
        (
            CheckResults(complete=True, current=True, counts_failed=True, others_failed=False, in_time=True),
            "failed",
        ),
        (
            CheckResults(
                complete=True, current=True, counts_failed=False, others_failed=False, in_time=False
            ),
            "unproved",
        ),
    ],
)
def test_checks_count_when_all_were_made_after_the_day_was_written(
    checks: CheckResults | None, verified: str
) -> None:
    day = the_day(LocalDay(DAY, summary(), zip=a_zip()), checks=checks)

    assert day.verified == verified
    assert (day.gap is None) == (verified in {"passed", "unproved"})
    assert day.proved_whole_by == ("when it was fetched" if verified == "passed" else None)


def test_a_day_that_langsmith_never_counted_is_neither_verified_nor_a_gap() -> None:
    counts = summary().counts
    head = SummaryHead(
        "lse.day/1",
        "my-project",
        str(DAY),
        "2025-08-30T00:00:00Z",
        counts,
        None,
        "00",
        Unverified("first_system", "not counted", None),
    )
    failed = CheckResults(complete=True, current=True, counts_failed=True, others_failed=False, in_time=True)

    day = the_day(LocalDay(DAY, head, zip=a_zip()), checks=failed)

    assert day.verified == "unverified"
    assert day.gap is None


def test_a_place_that_nobody_looked_at_makes_no_gap() -> None:
    found = Findings(now=NOW, rule=Rule(), local={DAY: LocalDay(DAY, summary(), zip=a_zip())})

    assert found.day(DAY).gap is None
    assert found.day(DAY + timedelta(days=1)).gap is None


def test_days_before_the_first_known_one_are_no_gaps_and_days_after_it_are() -> None:
    found = Findings(now=NOW, rule=Rule(), local={}, on_drive={DAY: COPY})

    assert found.day(DAY - timedelta(days=1)).gap is None
    assert found.day(DAY + timedelta(days=1)).gap == (Need.ARCHIVE, "not archived")


def test_a_day_without_runs_at_langsmith_is_no_gap() -> None:
    found = Findings(
        now=NOW, rule=Rule(), local={}, on_drive={DAY: COPY}, totals={DAY + timedelta(days=1): 0}
    )

    assert found.day(DAY + timedelta(days=1)).gap is None


@given(st.lists(st.sampled_from(["good", "absent", "no zip"]), min_size=1, max_size=40))
def test_every_day_that_needs_something_is_in_exactly_one_gap(kinds: list[str]) -> None:
    days = [DAY + number * timedelta(days=1) for number in range(len(kinds))]
    found = Findings(
        now=NOW,
        rule=Rule(),
        local={
            day: LocalDay(day, summary(), zip=a_zip() if kind == "good" else None)
            for day, kind in zip(days, kinds, strict=True)
            if kind != "absent"
        },
        on_drive={day: COPY for day, kind in zip(days, kinds, strict=True) if kind == "good"},
    )
    calendar = [found.day(day) for day in days]

    closed = gaps(calendar)

    needing = [(day.day, day.gap[0]) for day in calendar if day.gap is not None]
    covered = [(gap.first + n * timedelta(days=1), gap.need) for gap in closed for n in range(gap.days)]
    assert covered == needing
    assert all(
        before.need is not after.need or (after.first - before.last).days > 1
        for before, after in pairwise(closed)
    )


OLD, NEW = "id-of-the-old-one", "id-of-the-new-one"


def zip_only(project_id: str, *others: LocalDay, size: int = 100) -> LocalDay:
    return LocalDay(DAY, zip=a_zip(size=size), said_id=project_id, others=others)


def copies(*sizes: tuple[str, int]) -> DriveCopy:
    """On Drive, the latest first."""
    latest, *others = [DriveCopy(size, "https://drive.example/x", id_hash(of)) for of, size in sizes]
    return replace(latest, others=tuple(others))


@pytest.mark.parametrize(
    ("local", "on_drive", "expected"),
    [
        (zip_only(NEW, zip_only(OLD)), copies((NEW, 100), (OLD, 100)), [(NEW, None), (OLD, None)]),
        (zip_only(NEW, zip_only(OLD)), copies((OLD, 100), (NEW, 100)), [(NEW, None), (OLD, None)]),
        (zip_only(NEW, zip_only(OLD)), copies((NEW, 100)), [(NEW, None), (OLD, Need.UPLOAD)]),
        (zip_only(NEW, zip_only(OLD)), copies(("", 100)), [(NEW, None), (OLD, Need.UPLOAD)]),
        (
            zip_only(NEW, zip_only(OLD, size=9)),
            copies((NEW, 100), (OLD, 8)),
            [(NEW, None), (OLD, Need.UPLOAD)],
        ),
        (zip_only(OLD), copies((NEW, 100), (OLD, 100)), [(OLD, None), (id_hash(NEW), None)]),
        (zip_only("", size=8), copies((NEW, 100), (OLD, 8)), [(id_hash(OLD), None), (id_hash(NEW), None)]),
        (None, copies((NEW, 100), (OLD, 8)), [(id_hash(NEW), None), (id_hash(OLD), None)]),
        (
            zip_only(NEW, LocalDay(DAY, broken=True, said_id=id_hash(OLD))),
            copies((NEW, 100), (OLD, 8)),
            [(NEW, None), (id_hash(OLD), Need.RESTORE)],
        ),
        (
            zip_only(NEW, LocalDay(DAY, broken=True, said_id=OLD)),
            copies((NEW, 100)),
            [(NEW, None), (OLD, None)],
        ),
    ],
)
def test_of_two_projects_of_one_name_each_has_its_copy_and_nothing_is_fetched_of_the_old_one(
    local: LocalDay | None, on_drive: DriveCopy, expected: list[tuple[str, Need | None]]
) -> None:
    here = {DAY: local} if local is not None else {}
    found = Findings(here, NOW, Rule(), on_drive={DAY: on_drive})

    each = found.each_day(DAY)

    assert [(one.project_id, one.gap and one.gap[0]) for one in each] == expected
    assert [one.is_beside for one in each] == [False, True]
    assert [(gap.need, gap.project_id) for gap in gaps(each)] == [
        (need, project_id) for project_id, need in expected[1:] if need is not None
    ]


@pytest.mark.parametrize("age", [1, 13, 14, 15, 400])
@pytest.mark.parametrize("total", [None, 0, 2])
@pytest.mark.parametrize("drive_is_known", [True, False])
@pytest.mark.parametrize("was_archived", [True, False])
def test_a_day_that_langsmith_has_forgotten_is_nothing_to_look_after_unless_it_counts_runs_of_it(
    age: int, total: int | None, drive_is_known: bool, was_archived: bool
) -> None:
    begun = DAY - timedelta(days=1)
    found = Findings(
        now=START + timedelta(days=age, hours=1),
        rule=Rule(),
        local={begun: LocalDay(begun, summary())},
        on_drive={} if drive_is_known else None,
        totals={DAY: total} if total is not None else None,
        checks={DAY: PASSED} if was_archived else {},
    )

    day = found.day(DAY)

    is_there = total > 0 if total is not None else age < 14
    need = Need.ARCHIVE if is_there else Need.RESTORE if was_archived and age >= 14 else None
    assert (day.gap[0] if day.gap is not None else None) == (need if drive_is_known else None)
    assert day.is_forgotten == (drive_is_known and age >= 14 and not is_there and not was_archived)


@pytest.mark.parametrize("local", [LocalDay(DAY, broken=True), LocalDay(DAY, zip=a_zip(whole=False))])
@pytest.mark.parametrize("on_drive", [COPY, None])
@pytest.mark.parametrize("days", [13, 15])
def test_what_is_damaged_is_fetched_only_while_langsmith_has_it(
    local: LocalDay, on_drive: DriveCopy | None, days: int
) -> None:
    gap = the_day(local, on_drive=on_drive, now=START + timedelta(days=days)).gap

    assert gap is not None
    assert (gap[0] in {Need.FETCH, Need.ARCHIVE}) == (on_drive is None and days < 14)
    assert gap[0] in {Need.FETCH, Need.ARCHIVE, Need.RESTORE}
