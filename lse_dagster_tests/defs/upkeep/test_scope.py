"""What becomes of days while nobody looks, while a run never ends, and when settings leave them out."""

import dataclasses
from datetime import date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from lse_dagster.calendar.rules import Rule
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.webhook_receiver import Receiver


def told(place: Place, receiver: Receiver) -> list[str]:
    """All messages, once all that waits was sent, a few at a time."""
    before = -1
    while len(receiver.texts) != before:
        before = len(receiver.texts)
        place.daemon.tick()
    return receiver.texts


def leave(place: Place, status: dg.DagsterRunStatus, since: datetime, step: str) -> None:
    """A run of the first day that began then, for a step."""
    create_run_for_test(
        place.daemon.instance,
        job_name="archive",
        status=status,
        tags={
            "dagster/partition": DAY.isoformat(),
            "lse/requested_at": since.isoformat(),
            "lse/step": f"{place.api.project}/{DAY}/{step}",
        },
    )


def leave_started(place: Place, since: datetime) -> None:
    """A run whose end nobody records."""
    leave(place, dg.DagsterRunStatus.STARTED, since, "")


def test_what_was_lost_in_a_long_time_off_is_told_once_with_the_whole_list(
    place: Place, receiver: Receiver
) -> None:
    place.daemon.run_until(at(2, 12))
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)

    place.skip_to(at(1) + timedelta(days=60))
    told(place, receiver)
    place.skip_to(at(1) + timedelta(days=60, hours=1))

    texts = told(place, receiver)
    (lost,) = [text for text in texts if "not safe on Drive, and LangSmith deleted" in text]
    assert "46 days (2025-08-02..2025-09-16)" in lost
    (early,) = [text for text in texts if "fetched while runs could still come" in text]
    assert ", 2025-08-01: The day was fetched" in early


def test_what_was_lost_while_drive_could_not_be_asked_is_told_when_it_can(
    place: Place, receiver: Receiver
) -> None:
    place.daemon.run_until(at(2, 12))
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    place.drive.fault(path="/drive/v3/files", status=403, times=100_000)
    place.skip_to(at(1) + timedelta(days=60))
    before = [text for text in told(place, receiver) if "LangSmith deleted" in text]
    place.drive.clear_faults()

    place.daemon.run_until(at(1) + timedelta(days=60, hours=1))

    after = [text for text in told(place, receiver) if "LangSmith deleted them" in text]
    assert before == []
    assert len([text for text in after if "(2025-08-02..2025-09-16)" in text]) == 1


def test_a_run_whose_end_nobody_recorded_holds_its_day_up_for_half_a_day(place: Place) -> None:
    root = place.api.add_run(at(1, 12))
    place.daemon.clock.now = at(2, 5)
    leave_started(place, at(2, 5))
    place.daemon.restart()

    place.daemon.run_until(at(2, 16), every=timedelta(hours=1))
    stuck = place.steps(DAY)
    place.daemon.run_until(at(2, 18), every=timedelta(hours=1))

    assert stuck == []
    assert place.on_drive().run_ids() == {root}


def test_an_alarm_does_not_wait_for_a_run_that_never_ends(place: Place, receiver: Receiver) -> None:
    place.daemon.clock.now = at(13, 10)
    leave_started(place, at(13, 10))
    place.daemon.restart()

    place.daemon.run_until(at(13, 12), every=timedelta(hours=1))

    assert "fetch" not in place.steps(DAY)
    alarms = [text for text in told(place, receiver) if "not safe on Drive" in text and "2025-08-01" in text]
    assert len(alarms) == 1
    assert "LangSmith deletes it from 2025-08-15" in alarms[0]


@pytest.mark.parametrize(("hours", "again"), [(5, False), (7, True)])
def test_a_danger_is_told_again_hours_after_the_run_that_was_to_tell_it_failed(
    place: Place, hours: int, again: bool
) -> None:
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    leave(place, dg.DagsterRunStatus.FAILURE, at(14, 10) - timedelta(hours=hours), "expires in a day")
    leave(place, dg.DagsterRunStatus.FAILURE, at(14, 10) - timedelta(hours=1), "fetch")

    place.skip_to(at(14, 10))

    assert ("2025-08-01/expires in a day" in place.steps()) == again


def test_an_alarm_waits_for_an_attempt_that_has_just_begun(place: Place) -> None:
    place.daemon.clock.now = at(13, 10)
    leave_started(place, at(13, 10))
    place.daemon.restart()

    place.daemon.tick()

    assert place.steps(DAY) == []


def change(place: Place, **settings: object) -> None:
    """Other settings, as a restart of the code server reads them."""
    place.daemon.settings = dataclasses.replace(place.daemon.settings, **settings)  # type: ignore[arg-type]
    place.daemon.restart()


def archive_without_drive(place: Place) -> str:
    """The first day is here, and Drive has no room for it."""
    root = place.api.add_run(at(1, 12))
    place.drive.fault(path="/upload/", status=403, times=100_000)
    place.daemon.run_until(at(2, 6))
    place.drive.clear_faults()
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    return root


def test_a_day_that_is_here_is_sent_to_drive_though_start_date_and_retention_leave_it_out(
    place: Place,
) -> None:
    root = archive_without_drive(place)

    change(place, start_date=date(2026, 8, 1), reconciliation=Rule((2,), 3))
    place.daemon.run_until(at(3, 8), every=timedelta(hours=12))

    assert place.on_drive().run_ids() == {root}
    assert not {"2025-08-01/fetch", "2025-08-01/count"} & set(place.steps())
    assert {run.tags.get("dagster/partition") for run in place.daemon.executed} <= {DAY.isoformat(), None}


def test_a_day_of_a_project_that_is_no_longer_named_is_sent_to_drive_and_people_are_told_once(
    place: Place, receiver: Receiver
) -> None:
    root = archive_without_drive(place)

    change(place, projects=("another",))
    place.daemon.run_until(at(3, 8), every=timedelta(hours=12))

    assert place.on_drive().run_ids() == {root}
    asked = {run.tags["lse/step"] for run in place.daemon.runs() if place.api.project in run.tags["lse/step"]}
    assert asked == {f"{place.api.project}/2025-08-01/upload"}
    (gone,) = [text for text in told(place, receiver) if "Not archived any more" in text]
    assert repr(place.api.project) in gone


def test_days_that_a_start_date_leaves_out_are_told_once(place: Place, receiver: Receiver) -> None:
    place.daemon.run_until(at(2, 12))
    place.daemon.clock.now = at(6)

    change(place, start_date=date(2026, 8, 1))
    place.daemon.tick()
    place.daemon.tick()

    (left_out,) = [text for text in told(place, receiver) if "LSE_START_DATE is 2026-08-01 by now" in text]
    assert "not fetched any more: 4 days (2025-08-02..2025-08-05)" in left_out
    assert "Until then no day is archived" in left_out


def test_days_that_a_shorter_retention_leaves_out_are_told_once_and_not_called_lost(
    place: Place, receiver: Receiver
) -> None:
    change(place, reconciliation=Rule((2, 12), 400))
    place.daemon.run_until(at(2, 12))
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    place.daemon.clock.now = at(20, 8)

    change(place, reconciliation=Rule((2, 12), 14))
    place.daemon.tick()
    place.daemon.tick()

    texts = told(place, receiver)
    (left_out,) = [text for text in texts if "LSE_RETENTION_DAYS is 14 by now, it was 400" in text]
    assert "not fetched any more: 5 days (2025-08-02..2025-08-06)" in left_out
    assert not [text for text in texts if "not safe on Drive, and LangSmith deleted" in text]


def test_days_that_were_left_out_by_mistake_are_told_when_they_are_lost_after_all(
    place: Place, receiver: Receiver
) -> None:
    place.daemon.run_until(at(2, 12))
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    place.daemon.clock.now = at(6)
    change(place, start_date=date(2026, 8, 1))
    place.daemon.tick()
    place.daemon.tick()

    change(place, start_date=DAY)
    place.skip_to(at(18))

    texts = told(place, receiver)
    assert [text for text in texts if "LSE_START_DATE is 2026-08-01 by now" in text]
    (lost,) = [text for text in texts if "not safe on Drive, and LangSmith deleted" in text]
    assert "3 days (2025-08-02..2025-08-04)" in lost


def test_a_day_of_a_former_project_that_drive_does_not_take_is_told_before_it_expires(
    place: Place, receiver: Receiver
) -> None:
    place.api.add_run(at(1, 12))
    place.drive.fault(path="/upload/", status=403, times=100_000)
    place.daemon.run_until(at(2, 6))
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)

    change(place, projects=("another",))
    place.skip_to(at(13, 6))
    place.daemon.run_until(at(13, 8), every=timedelta(hours=1))

    alarms = [text for text in told(place, receiver) if "deletes it from 2025-08-15" in text]
    assert [text for text in alarms if f"{place.api.project}, 2025-08-01" in text]
