"""What is known of a day, by what lies where; what is recorded adds only when something was done."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.calendar.days import DriveCopy
from lse_dagster.calendar.evidence import (
    AT_ONCE,
    SECONDS_BETWEEN_LOOKS,
    Evidence,
    Recorded,
    in_turn,
    unsafe_days,
)
from lse_dagster.calendar.inventory import LocalDay, LocalZip
from lse_dagster.calendar.rules import KnownDay, Need, Rule, dangers, needs
from lse_dagster.day.summary import Counts, SummaryHead
from lse_dagster.run.times import iso_z

DAY = date(2025, 8, 1)
RULE = Rule((2, 12), 14)
NIGHTLY = datetime(2025, 8, 2, 4, tzinfo=UTC)
moments = st.datetimes(datetime(2025, 8, 2), datetime(2025, 8, 30), timezones=st.just(UTC))
contents = st.sampled_from(["one", "two"])
sizes = st.sampled_from([100, 200])


def head(content: str, fetched_at: datetime) -> SummaryHead:
    counts = Counts(1, 0, 0, 1, 1, 0, 0, 0)
    return SummaryHead("lse.day/2", "p", DAY.isoformat(), iso_z(fetched_at), counts, 1, content)


summaries = st.none() | st.builds(head, contents, moments)
zips = st.none() | st.builds(
    LocalZip, path=st.just(Path("x.zip")), bytes=sizes, whole=st.booleans(), files=st.just(2)
)
locals_ = st.builds(LocalDay, day=st.just(DAY), summary=summaries, broken=st.booleans(), zip=zips)
copies = st.none() | st.builds(DriveCopy, bytes=sizes, link=st.just("link"))
records = st.none() | st.builds(
    Recorded,
    content=st.none() | contents,
    copied=st.none() | contents,
    copied_since=st.booleans(),
    fetched_at=st.none() | moments,
    pending_runs=st.integers(0, 1),
    passed_checks=st.booleans(),
    compared_at=st.none() | moments,
)


def known(local: LocalDay, copy: DriveCopy | None, recorded: Recorded | None) -> KnownDay | None:
    on_drive = {DAY: copy} if copy is not None else {}
    return Evidence({DAY: local}, on_drive, {DAY: recorded} if recorded else {}).known(DAY)


@given(locals_, copies, records)
def test_a_day_is_known_only_where_it_lies(
    local: LocalDay, copy: DriveCopy | None, recorded: Recorded | None
) -> None:
    here = local.summary is not None or (local.zip is not None and local.zip.whole)

    assert (known(local, copy, recorded) is not None) == (here or copy is not None)


@given(locals_, copies, records)
def test_only_what_drive_lists_is_on_drive(
    local: LocalDay, copy: DriveCopy | None, recorded: Recorded | None
) -> None:
    found = known(local, copy, recorded)

    if found is not None and found.on_drive:
        assert copy is not None


@given(locals_, copies, records, moments)
def test_no_record_keeps_a_day_from_what_it_needs_where_it_lies_nowhere(
    local: LocalDay, copy: DriveCopy | None, recorded: Recorded | None, now: datetime
) -> None:
    found = known(LocalDay(DAY), None, recorded)

    wanted = needs(DAY, found, RULE, now=now, missing_after=NIGHTLY - datetime(2025, 8, 2, tzinfo=UTC))
    if NIGHTLY <= now < RULE.expires(DAY):
        assert wanted == (Need.FETCH,)


@given(locals_, copies, records, moments)
def test_a_day_of_which_drive_has_the_zip_is_called_lost_only_if_a_record_says_that_another_was_copied(
    local: LocalDay, copy: DriveCopy | None, recorded: Recorded | None, now: datetime
) -> None:
    found = known(local, copy, recorded)

    zipped = local.zip is not None and local.zip.whole
    has_copy = copy is not None and (not zipped or (local.zip is not None and local.zip.bytes == copy.bytes))
    if has_copy and (recorded is None or recorded.copied is None):
        assert "expired" not in dangers(DAY, found, RULE, now=now)


@given(locals_, records, moments)
def test_a_day_that_is_here_alone_is_uploaded_at_last(
    local: LocalDay, recorded: Recorded | None, now: datetime
) -> None:
    found = known(local, None, recorded)

    if found is not None and now >= RULE.expires(DAY):
        assert needs(DAY, found, RULE, now=now, missing_after=NIGHTLY - datetime(2025, 8, 2, tzinfo=UTC)) == (
            Need.UPLOAD,
        )


@given(locals_, copies)
def test_a_day_that_is_here_counts_as_safe_only_with_a_copy_as_long_as_its_zip(
    local: LocalDay, copy: DriveCopy | None
) -> None:
    unsafe = unsafe_days({DAY: local}, {DAY: copy} if copy is not None else {})

    if not local.is_readable:
        assert unsafe == []
    elif copy is None or (local.zip is not None and local.zip.bytes != copy.bytes):
        assert unsafe == [DAY]
    assert unsafe_days({DAY: local}, None) == []  # nobody asked Drive


@given(st.integers(0, 5 * AT_ONCE), moments)
def test_of_years_of_days_each_has_its_turn(count: int, now: datetime) -> None:
    days = [date(2010, 1, 1) + timedelta(days=number) for number in range(count)]

    looks = [in_turn(days, now + timedelta(seconds=SECONDS_BETWEEN_LOOKS) * number) for number in range(6)]

    assert all(len(look) == min(count, AT_ONCE) for look in looks)
    assert {day for look in looks for day in look} == {*days}
