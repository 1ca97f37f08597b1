"""The machine's clock may be wrong: days are decided by LangSmith's, and that is told."""

from datetime import date, timedelta

import pytest

from lse_dagster.cli.health.facts import problems_of
from lse_dagster.cli.health.here import facts_of_instance
from lse_dagster.cli.health.wake import wake
from lse_dagster.day.names import project_path_part
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.webhook_receiver import Receiver

DAYS = timedelta(days=1)


def look_with_a_clock_that_is(wrong: timedelta, place: Place) -> None:
    """One look, then the clock is right again."""
    place.daemon.clock.wrong = wrong
    place.daemon.tick()
    place.daemon.clock.wrong = timedelta(0)


def days_here(place: Place) -> list[date]:
    folder = place.daemon.settings.data_dir / project_path_part(place.api.project)
    return sorted(date.fromisoformat(path.name) for path in folder.glob("2*"))


def errors(place: Place) -> list[str]:
    return [tick.error.to_string() for tick in place.daemon.ticks("health_sensor") if tick.error is not None]


@pytest.mark.parametrize("wrong", [20 * DAYS, -20 * DAYS, 20 * timedelta(hours=1)])
def test_a_clock_that_is_wrong_for_a_look_archives_nothing_that_has_not_happened_and_loses_no_day(
    place: Place, wrong: timedelta
) -> None:
    roots = {at(day, 12): place.api.add_run(at(day, 12)) for day in range(1, 5)}
    place.daemon.run_until(at(2, 6))

    look_with_a_clock_that_is(wrong, place)
    here = days_here(place)
    place.daemon.run_until(at(5, 12), every=timedelta(hours=12))

    assert here == [DAY]
    assert "minutes" in errors(place)[0]
    assert days_here(place) == [at(day).date() for day in range(1, 5)]
    assert [place.on_drive(at(day).date()).run_ids() for day in range(1, 5)] == [
        {roots[at(day, 12)]} for day in range(1, 5)
    ]


def test_a_clock_that_was_wrong_for_a_while_is_told_and_its_end_and_no_more(
    place: Place, receiver: Receiver
) -> None:
    place.daemon.clock.wrong = 20 * DAYS
    place.daemon.run_until(at(2, 12), every=timedelta(hours=6))
    place.daemon.clock.wrong = timedelta(0)
    place.look_often(hours=2)
    place.daemon.run_until(at(4), every=timedelta(hours=12))

    assert [text for text in receiver.texts if "clock is 28,800 minutes ahead" in text] == receiver.texts
    assert len(receiver.texts) == 2
    assert "It was, since 2025-08-0" in receiver.texts[1]


def test_a_clock_that_was_wrong_for_a_single_look_is_told_with_its_end_and_no_more(
    place: Place, receiver: Receiver
) -> None:
    look_with_a_clock_that_is(20 * DAYS, place)
    place.look_often(hours=3)
    place.daemon.run_until(at(3), every=timedelta(hours=12))

    assert all("clock is 28,800 minutes ahead" in text for text in receiver.texts)
    assert ["The machine's clock is right again." in text for text in receiver.texts] == [False, True]


def test_a_tick_of_a_wrong_clock_is_not_told_when_the_time_that_it_is_dated_has_come(
    place: Place, receiver: Receiver
) -> None:
    place.daemon.run_until(at(2, 6))
    look_with_a_clock_that_is(timedelta(hours=20, minutes=1), place)

    place.daemon.run_until(at(3, 2), every=timedelta(hours=4))

    assert errors(place)
    assert not [text for text in receiver.texts if "The sensor `health_sensor` fails" in text]


def test_sensors_that_dagster_keeps_waiting_after_a_wrong_clock_are_told(place: Place) -> None:
    """It waits until the time of their last look has come (1.13)."""
    look_with_a_clock_that_is(20 * DAYS, place)

    facts = facts_of_instance(place.daemon.instance, place.daemon.settings)
    found = problems_of(facts, place.daemon.clock.now.timestamp())

    told = {one.subject for one in found if "the clock was wrong" in one.text}
    assert told == {"reconcile_sensor", "alerts_sensor"}  # the health sensor's look failed, which is told


def test_who_was_woken_looks_again_and_is_well(place: Place) -> None:
    look_with_a_clock_that_is(20 * DAYS, place)
    now = place.daemon.clock.now.timestamp()

    woken = wake(place.daemon.instance, now)
    again = wake(place.daemon.instance, now)

    facts = facts_of_instance(place.daemon.instance, place.daemon.settings)
    assert (woken, again) == (["alerts_sensor", "health_sensor", "reconcile_sensor"], [])
    assert not [one for one in problems_of(facts, now) if one.subject == "reconcile_sensor"]


def test_with_a_clock_that_stays_wrong_every_day_is_archived_and_dated_by_langsmiths(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.daemon.clock.wrong = 40 * DAYS

    place.daemon.run_until(at(3, 6), every=timedelta(hours=6))

    summary = place.daemon.days.load(place.api.project, DAY).summary
    assert (days_here(place), place.steps(DAY)) == ([DAY, at(2).date()], ["fetch", "fetch"])
    assert summary.fetched_at[:10] == "2025-08-02"
    assert not place.failed_checks("drive_archive", "drive_copy_matches_zip")


def test_a_clock_that_is_behind_asks_for_no_day_that_dagster_does_not_know(place: Place) -> None:
    root = place.api.add_run(at(1, 12))
    place.daemon.clock.wrong = -3 * DAYS

    place.daemon.run_until(at(3), every=timedelta(hours=6))
    here = days_here(place)
    place.daemon.clock.wrong = timedelta(0)
    place.look_often(hours=1)

    assert (here, place.steps()) == ([], [])
    assert place.on_drive().run_ids() == {root}


def test_a_day_that_is_not_over_by_langsmiths_clock_is_refused_and_the_reason_is_said(place: Place) -> None:
    place.daemon.clock.wrong = 20 * DAYS

    run = place.daemon.execute("archive", tags={"dagster/partition": "2025-08-20"})

    (failed,) = [event for event in run.all_events if event.is_step_failure]
    assert "LangSmith's clock says 2025-08-01 12:00" in str(failed.step_failure_data.user_failure_data)
    assert days_here(place) == []


def test_a_day_that_a_wrong_clock_had_archived_is_fetched_again_and_does_not_stand_over_the_real_one(
    place: Place,
) -> None:
    """As it was done before LangSmith was asked for the time."""
    langsmith, place.daemon.servers = place.daemon.servers, ()
    place.langsmith.settings(now=at(21).isoformat())
    place.daemon.clock.wrong = 20 * DAYS
    early = place.api.add_run(at(3, 6))
    place.daemon.execute("archive", tags={"dagster/partition": "2025-08-03"})
    before = place.on_drive(at(3).date())
    place.daemon.clock.wrong, place.daemon.servers = timedelta(0), langsmith
    root = place.api.add_run(at(3, 12))

    place.daemon.run_until(at(4, 12), every=timedelta(hours=6))
    copy = place.on_drive(at(3).date())
    place.daemon.run_until(at(4, 18), every=timedelta(hours=1))

    assert (before.run_ids(), before.summary.fetched_at[:10]) == ({early}, "2025-08-21")
    assert (copy.run_ids(), copy.summary.fetched_at[:10]) == ({early, root}, "2025-08-04")
    assert place.steps(at(3).date()) == ["fetch"]
