"""Days about to be lost, or lost, or fetched too late, and what people are told of them."""

from datetime import timedelta

import dagster as dg
import pytest

from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.webhook_receiver import Receiver


def dangers(place: Place, receiver: Receiver) -> list[str]:
    """The messages that the first day is in danger, once all that waits was sent, a few at a time."""
    before = -1
    while len(receiver.texts) != before:
        before = len(receiver.texts)
        place.daemon.tick()
    told = (text for text in receiver.texts if "not safe on Drive" in text)
    return [text for text in told if ", 2025-08-01\n" in text or ", 2025-08-01: " in text]


@pytest.mark.slow
def test_a_day_about_to_expire_fails_its_check_and_people_are_told_once_for_each_stage(
    place: Place, receiver: Receiver
) -> None:
    place.api.add_run(at(1, 12))
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    place.skip_to(at(12))

    place.daemon.run_until(at(13, 12), every=timedelta(hours=4))
    early = dangers(place, receiver)
    place.daemon.run_until(at(14), every=timedelta(hours=4))
    dangers(place, receiver)
    place.daemon.run_until(at(16), every=timedelta(hours=12))
    last = dangers(place, receiver)

    assert len(early) == 1
    assert "deletes it from 2025-08-15 00:00 UTC on" in early[0]
    assert f"lse archive --date 2025-08-01 --project {place.api.project}" in early[0]
    assert len(last) == 2  # the archive never began, so the expired day is no loss of this archive
    found = place.failed_checks("drive_archive", "drive_copy_matches_zip")[0]
    assert "Attempts go on" in (found.description or "")


def test_a_day_that_expired_while_the_daemon_was_down_is_told_as_lost(
    place: Place, receiver: Receiver
) -> None:
    place.daemon.run_until(at(2, 12))
    place.daemon.clock.now = at(18)

    place.skip_to(at(18))
    place.daemon.tick()

    (lost,) = [text for text in receiver.texts if "not safe on Drive, and LangSmith deleted" in text]
    assert "3 days (2025-08-02..2025-08-04) are not safe" in lost
    place.daemon.run_until(at(18, 12))
    assert [text for text in receiver.texts if "not safe on Drive, and LangSmith deleted" in text] == [lost]


def test_a_day_that_is_saved_before_its_danger_is_told_is_told_nowhere_and_its_check_stays_green(
    place: Place, receiver: Receiver
) -> None:
    place.api.add_run(at(1, 12))
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    place.skip_to(at(14, 6))
    place.daemon.clock.now = at(14, 7)

    def mend() -> None:
        place.langsmith.clear_faults()
        place.daemon.execute("archive", tags={"dagster/partition": DAY.isoformat()})

    place.daemon.tick(meanwhile=mend)

    assert [run.job_name for run in place.daemon.runs("expires in a day") if run.is_success] == ["expiry"]
    assert dangers(place, receiver) == []
    assert not place.failed_checks("drive_archive", "drive_copy_matches_zip")


@pytest.mark.slow
def test_a_day_that_langsmith_has_half_forgotten_is_archived_with_a_warning(place: Place) -> None:
    place.api.add_run(at(1, 13))
    place.skip_to(at(15, 12))  # it has deleted the morning by now

    place.daemon.execute("archive", tags={"dagster/partition": DAY.isoformat()})

    key = dg.AssetCheckKey(dg.AssetKey("raw_runs"), "langsmith_still_had_the_day")
    found = place.daemon.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert found.event is not None
    assert found.event.dagster_event is not None
    evaluation = found.event.dagster_event.asset_check_evaluation_data
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "what started before 2025-08-01T12:00" in (evaluation.description or "")
    assert place.daemon.zips.load(place.api.project, DAY)
