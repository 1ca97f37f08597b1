"""What the reconciliation asks for, through the real sensor, schedule and jobs."""

from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.steps.drive_copy import list_copies
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.unattended import Clock, Daemon
from lse_dagster_tests.worlds.webhook_receiver import Receiver


def test_a_day_costs_one_fetch_and_one_count_when_they_are_due_and_nothing_between(place: Place) -> None:
    place.count_soon()
    place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 12))
    place.skip_to(at(3))
    place.look_often(hours=18)
    once = place.steps(DAY)
    place.langsmith.clear_requests()

    place.skip_to(at(5))
    place.look_often(hours=18)

    assert once == ["fetch"]
    assert place.steps(DAY) == ["fetch", "count"]
    counts = [
        entry.json["filter"] for entry in place.langsmith.requests() if entry.path.endswith("/runs/stats")
    ]
    assert len([asked for asked in counts if "2025-08-01T00" in asked and "2025-08-02T00" in asked]) == 1
    by_whomever = place.daemon.instance.get_runs()  # the schedule and the sensor
    assert {run.tags["lse/project"] for run in by_whomever} == {place.api.project}
    assert {run.job_name for run in by_whomever} == {"archive", "reconcile"}


def test_a_late_run_and_a_deleted_one_are_told_apart_from_no_change_by_their_ids(place: Place) -> None:
    place.count_soon()
    deleted = place.api.add_run(at(1, 12))
    place.skip_to(at(4))
    late = place.api.add_run(at(1, 13))
    place.langsmith.settings(delete_runs=[deleted])

    place.skip_to(at(5))
    place.look_often(hours=1)

    assert place.steps(DAY) == ["fetch", "count", "fetch"]
    day = place.daemon.days.load(place.api.project, DAY)
    assert day.run_ids() == {late}
    assert day.summary.counts.kept_runs == 1


def test_an_older_server_is_counted_without_its_ids(place: Place) -> None:
    place.count_soon()
    place.langsmith.settings(v2=False)
    place.api.add_run(at(1, 12))
    place.skip_to(at(4))
    place.langsmith.clear_requests()

    place.daemon.clock.now = at(5)
    place.daemon.restart()
    place.daemon.tick()

    assert place.steps(DAY) == ["fetch", "count"]
    asked = [entry.json["filter"] for entry in place.langsmith.requests() if entry.json]
    assert len([one for one in asked if "2025-08-01T00" in one]) == 1


def test_a_server_that_hides_that_it_has_no_v2_is_counted_all_the_same(place: Place) -> None:
    place.count_soon()
    place.api.add_run(at(1, 12))
    place.skip_to(at(4))
    place.langsmith.fault(path="/api/v2/", status=404, times=100_000)

    place.skip_to(at(5))

    assert place.steps(DAY) == ["fetch", "count"]
    (count,) = place.daemon.runs("2025-08-01/count")
    assert count.status is dg.DagsterRunStatus.SUCCESS


def test_a_day_that_could_not_be_uploaded_is_not_fetched_again(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.drive.fault(path="/drive/", status=503, headers={"Retry-After": "3600"}, times=100_000)
    place.daemon.run_until(at(2, 6))
    place.drive.clear()
    place.langsmith.clear_requests()

    place.daemon.run_until(at(2, 18))

    assert set(place.steps()) == {"2025-08-01/upload"}
    assert place.requests("/runs/query") == 0
    with DriveArchive.connect(place.daemon.settings.drive) as drive:
        assert set(list_copies(drive, place.api.project)) == {DAY}


def test_a_day_that_was_restored_from_drive_is_not_uploaded_again(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 12))

    restored = place.daemon.execute("restore", tags={"dagster/partition": DAY.isoformat()})
    place.look_often(hours=2)

    assert restored.success
    assert place.steps(DAY) == []


def test_a_day_whose_blocking_check_failed_is_fetched_again_and_never_uploaded_as_it_is(place: Place) -> None:
    place.api.add_run(at(1, 12))
    # After the fetch's two counts: the check's.
    place.langsmith.fault(path="/runs/stats$", skip=2, times=1, status=200, body={"run_count": 5})

    place.daemon.run_until(at(2, 18))

    assert place.steps() == ["2025-08-01/fetch"]
    statuses = [run.status for run in place.daemon.executed]
    assert statuses == [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS]
    copies = place.daemon.instance.fetch_materializations(dg.AssetKey("drive_archive"), limit=10).records
    assert len(copies) == 1


def test_a_count_that_stays_short_fails_each_run_and_its_reason_is_told_once(
    place: Place, receiver: Receiver
) -> None:
    runs = [place.api.add_run(at(1, hour)) for hour in (12, 13)]
    place.langsmith.settings(hidden_runs=runs[:1])

    place.daemon.run_until(at(2, 18))
    place.daemon.tick()

    told = [text for text in receiver.texts if "1 of 2 runs could be fetched" in text]
    failed = [run for run in place.daemon.executed if run.status is dg.DagsterRunStatus.FAILURE]
    assert (len(told), len(failed) >= 3) == (1, True)
    count = dg.AssetCheckKey(dg.AssetKey("raw_runs"), "run_count_matches_langsmith")
    latest = place.daemon.instance.event_log_storage.get_latest_asset_check_execution_by_key([count])[count]
    assert latest.status is AssetCheckExecutionRecordStatus.FAILED


@pytest.mark.slow
def test_a_step_that_keeps_failing_is_tried_four_times_and_then_once_a_day(place: Place) -> None:
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)

    place.daemon.run_until(at(5), every=timedelta(hours=3))

    assert 5 <= place.steps().count("2025-08-01/fetch") <= 7


def test_nothing_is_remembered_outside_dagster(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.daemon.run_until(at(3, 6))
    steps = place.steps()

    again = Daemon(place.daemon.settings, place.daemon.instance, Clock(at(3, 6)), place.daemon.servers)
    again.tick()

    assert steps.count("2025-08-01/fetch") == 1
    assert again.executed == []


def test_a_project_that_langsmith_refuses_asks_for_all_its_days_at_once_until_it_works(place: Place) -> None:
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    place.skip_to(at(6))
    place.daemon.run_until(at(6, 12), every=timedelta(hours=2))
    refused = place.steps()
    place.langsmith.clear_faults()

    place.daemon.run_until(at(6, 20), every=timedelta(hours=2))

    # Nobody knew at first. Then one every six hours; the nightly day had the schedule's try, and is next.
    assert refused == [f"2025-08-0{day}/fetch" for day in (1, 2, 3, 4, 5, 1)]
    assert sorted(place.steps()[6:]) == [f"2025-08-0{day}/fetch" for day in (1, 2, 3, 4, 5)]
    assert all(place.daemon.days.load(place.api.project, DAY.replace(day=day)) for day in range(1, 6))
