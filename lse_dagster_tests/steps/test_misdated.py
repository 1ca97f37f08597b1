"""A day that a wrong clock dated later than now does not stand over one that was fetched since."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.carry_over import with_summary
from lse_dagster.day.staging import StagedDay
from lse_dagster.day.store import DayStore
from lse_dagster.day.whole import Asked
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.run.times import DayInterval
from lse_dagster.steps.places import Places
from lse_dagster.steps.union import keep_what_was_there, take_as_it_is, unite
from lse_dagster.steps.zip import zip_day
from lse_dagster_tests.worlds.attached import stage_with
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT

RUN = root(at("10:00:00"))
NOW = DayInterval.of(DAY).end + timedelta(hours=4)
AHEAD = timedelta(days=20)
FORGOTTEN_FROM = DayInterval.of(DAY).start + timedelta(days=14)


def stage(places: Places, raws: list[bytes], ahead: timedelta = timedelta(0)) -> StagedDay:
    """What a fetch brings, on a machine whose clock is ahead."""
    staged = stage_with(places.days, raws, {}, [], fetched_at=NOW + ahead)
    asked = Asked.for_day(DAY, until=NOW + ahead, retention_days=36500)
    day = with_summary(staged.day, replace(staged.day.summary, asked=asked))
    return StagedDay(staged.staging, day)


def fetch(places: Places, raws: list[bytes]) -> DayFolder:
    staged = keep_what_was_there(stage(places, raws), places, "superset", forgotten_from=FORGOTTEN_FROM)
    return places.days.publish(staged, "superset").day


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """An empty day in the folder and the zip, dated three weeks ahead."""
    made = Places(DayStore(tmp_path / "data"), ZipStore(tmp_path / "archives"), None, lambda _: None)
    zip_day(made, made.days.publish(stage(made, [], AHEAD), "superset").day, "superset")
    return made


@pytest.mark.parametrize("raws", [[], [RUN.raw()]], ids=["the same", "another"])
def test_the_day_that_was_fetched_since_is_the_day_in_each_place(places: Places, raws: list[bytes]) -> None:
    day = fetch(places, raws)
    zipped = zip_day(places, day, "superset").zip
    united = unite(places, PROJECT, DAY, day.summary.project_id).day

    for summary in (day.summary, zipped.summary, united.summary):
        assert summary.fetched_at[:16] == f"{NOW:%Y-%m-%dT%H:%M}"
        assert summary.outranks is not None
        assert (summary.counts.runs_started_in_day, summary.counts.kept_runs) == (len(raws), 0)


def test_a_fetch_that_finds_the_real_day_beside_it_changes_nothing(places: Places) -> None:
    day = fetch(places, [RUN.raw()])

    assert fetch(places, [RUN.raw()]).summary == day.summary


def test_a_copy_is_restored_over_it(places: Places) -> None:
    staged = take_as_it_is(stage(places, [RUN.raw()]), places, "superset", now=lambda: NOW)

    day = places.days.publish(staged, "superset").day

    assert day.run_ids() == {RUN.id}
