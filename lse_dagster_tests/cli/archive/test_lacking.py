"""What a day of a range lacks: every mix of folder, zip and copy, and of what LangSmith counts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.calendar.days import DriveCopy, Findings
from lse_dagster.calendar.inventory import LocalDay, LocalZip
from lse_dagster.calendar.rules import Rule
from lse_dagster.cli.archive.lacking import ALL_STEPS, WHOLE, Lack, lack_of, may_have_grown
from lse_dagster.day.summary import Counts, SummaryHead
from lse_dagster.run.times import iso_z

DAY = date(2025, 8, 29)
FETCHED = datetime(2025, 9, 2, tzinfo=UTC)
NOW = datetime(2025, 9, 5, tzinfo=UTC)
ZIP = LocalZip(Path("zip"), 100, whole=True, files=3)
COPY = DriveCopy(100, "link")


def folder(*, pending: int = 0, fetched_at: datetime = FETCHED) -> SummaryHead:
    """A day of three runs in two traces."""
    counts = Counts(
        runs_started_in_day=3,
        tail_runs=0,
        carried_over_runs=0,
        traces=2,
        root_runs=2,
        pending_runs=pending,
        feedback=0,
        attachments=0,
    )
    return SummaryHead("lse.day/2", "p", str(DAY), iso_z(fetched_at), counts, 3, "hash")


def found(
    *,
    summary: SummaryHead | None = None,
    zipped: LocalZip | None = None,
    copy: DriveCopy | None = None,
    looked: bool = True,
    broken: bool = False,
    total: int | None = None,
    now: datetime = NOW,
) -> Findings:
    """A project with this day, as far as somebody looked at Drive."""
    local = {DAY: LocalDay(DAY, summary, broken, zipped)} if summary or zipped or broken else {}
    on_drive = ({DAY: copy} if copy else {}) if looked else None
    return Findings(local, now, Rule(), on_drive, totals={DAY: total} if total is not None else None)


CUT = replace(ZIP, whole=False)
OTHER = replace(ZIP, files=9)
LONGER = DriveCopy(101, "link")


@pytest.mark.parametrize(
    ("where", "steps", "reason"),
    [
        (found(), ALL_STEPS, None),
        (found(broken=True), ALL_STEPS, None),
        (found(broken=True, copy=COPY), ALL_STEPS, "changed"),
        (found(zipped=CUT), ALL_STEPS, None),
        (found(summary=folder()), ("zip", "upload"), None),
        (found(summary=folder(), zipped=CUT), ("zip", "upload"), None),
        (found(summary=folder(), zipped=OTHER), ("zip", "upload"), None),
        (found(summary=folder(), zipped=ZIP), ("upload",), None),
        (found(summary=folder(), zipped=ZIP, total=4), ("upload",), None),  # what was begun is ended first
        (found(zipped=ZIP), ("upload",), None),
        (found(summary=folder(), zipped=ZIP, copy=COPY), (), None),
        (found(summary=folder(), zipped=ZIP, copy=COPY, total=2), (), None),
        (found(summary=folder(), zipped=ZIP, looked=False), (), None),
        (found(summary=folder(), copy=COPY), (), None),
        (found(zipped=ZIP, copy=COPY), (), None),
        (found(copy=COPY), (), None),
        (found(summary=folder(), zipped=ZIP, copy=COPY, total=4), ALL_STEPS, "short"),
        (found(summary=folder(pending=1), zipped=ZIP, copy=COPY), ALL_STEPS, "unfinished"),
        (found(summary=folder(), zipped=ZIP, copy=LONGER), ("zip", "upload"), "changed"),
        (found(zipped=ZIP, copy=LONGER), ("upload",), "changed"),
        (found(summary=folder(), zipped=OTHER, copy=COPY), ("zip", "upload"), "changed"),
        (found(zipped=CUT, copy=COPY), ALL_STEPS, "changed"),
    ],
)
def test_a_day_gets_the_steps_that_it_lacks_and_somebody_is_asked_where_they_replace(
    where: Findings, steps: tuple[str, ...], reason: str | None
) -> None:
    lack = lack_of(where.day(DAY))

    assert (lack.steps, lack.reason) == (steps, reason)
    assert bool(lack.why) == (reason is not None)


zips = st.none() | st.sampled_from([ZIP, CUT, OTHER])
folders = st.none() | st.builds(folder, pending=st.integers(0, 1))


@given(
    summary=folders | st.just("broken"),
    zipped=zips,
    copied=st.none() | st.sampled_from([COPY, LONGER]),
    looked=st.booleans(),
)
def test_nothing_that_is_seen_is_replaced_unasked_and_no_step_lacks_what_it_is_made_of(
    summary: SummaryHead | Literal["broken"] | None,
    zipped: LocalZip | None,
    copied: DriveCopy | None,
    looked: bool,
) -> None:
    broken = summary == "broken"
    summary = None if summary == "broken" else summary
    day = found(summary=summary, broken=broken, zipped=zipped, copy=copied, looked=looked).day(DAY)
    lack = lack_of(day)

    if lack.reason is None and lack.steps:
        assert "fetch" not in lack.steps or summary is None
        assert day.on_drive is None
    if lack.steps[:1] == ("zip",):
        assert summary is not None
    if lack.steps[:1] == ("upload",):
        assert zipped is not None and zipped.whole


@pytest.mark.parametrize(
    ("fetched", "now", "asked"),
    [
        (timedelta(days=1, hours=3), timedelta(days=3), True),
        (timedelta(days=2, minutes=-1), timedelta(days=3), True),
        (timedelta(days=2), timedelta(days=3), False),  # all had arrived
        (timedelta(days=1, hours=3), timedelta(days=14), False),  # LangSmith forgets it
    ],
)
def test_langsmith_counts_only_days_that_it_has_and_that_may_have_grown(
    fetched: timedelta, now: timedelta, asked: bool
) -> None:
    start = datetime(2025, 8, 29, tzinfo=UTC)
    where = found(summary=folder(fetched_at=start + fetched), zipped=ZIP, copy=COPY, now=start + now)

    assert lack_of(where.day(DAY)) == WHOLE == Lack()
    assert may_have_grown(where.day(DAY), where.rule, where.now) is asked
