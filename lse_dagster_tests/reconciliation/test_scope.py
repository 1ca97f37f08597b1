"""What becomes of days while nobody looks, while a run never ends, and when settings leave them out."""

from datetime import datetime, timedelta

import dagster as dg
from dagster._core.test_utils import create_run_for_test

from lse_dagster_tests.reconciliation.place import DAY, Place, at
from lse_dagster_tests.webhook_receiver import Receiver


def told(place: Place, receiver: Receiver) -> list[str]:
    """All messages, once all that waits was sent, a few at a time."""
    before = -1
    while len(receiver.texts) != before:
        before = len(receiver.texts)
        place.daemon.tick()
    return receiver.texts


def leave_started(place: Place, since: datetime) -> None:
    """A run of the first day whose end nobody records."""
    create_run_for_test(
        place.daemon.instance,
        job_name="archive",
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": DAY.isoformat(), "lse/requested_at": since.isoformat()},
    )


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


def test_an_alarm_waits_for_an_attempt_that_has_just_begun(place: Place) -> None:
    place.daemon.clock.now = at(13, 10)
    leave_started(place, at(13, 10))
    place.daemon.restart()

    place.daemon.tick()

    assert place.steps(DAY) == []
