"""The reconciliation of one project through the real sensor, schedule and jobs, and what people are told."""

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from lse_dagster.day.drive_copy import list_copies
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.sandbox.langsmith_api import LangSmithApi
from lse_dagster_tests.unattended import Clock, Daemon, unattended_settings
from lse_dagster_tests.webhook_receiver import Receiver, running_receiver

DAY = date(2025, 8, 1)


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2025, 8, day, hour, tzinfo=UTC)


@dataclass
class Place:
    """One project with a first day, its daemon, and both servers."""

    api: LangSmithApi
    daemon: Daemon
    langsmith: ControlClient
    drive: ControlClient

    def steps(self) -> list[str]:
        """What sensors asked for so far: the day and the step."""
        return [run.tags["lse/step"].split("/", 1)[1] for run in self.daemon.runs()]

    def skip_to(self, moment: datetime) -> None:
        """The daemon is down until then."""
        self.daemon.clock.now = moment
        self.daemon.restart()
        self.daemon.tick()

    def requests(self, path: str) -> int:
        return len([entry for entry in self.langsmith.requests() if entry.path.endswith(path)])

    def drive_check(self, day: date = DAY) -> dg.AssetCheckEvaluation:
        key = dg.AssetCheckKey(dg.AssetKey("drive_archive"), "drive_copy_matches_zip")
        found = self.daemon.instance.event_log_storage.get_asset_check_execution_history(
            key, limit=100, status={AssetCheckExecutionRecordStatus.FAILED}
        )
        events = [record.event.dagster_event for record in found if record.event is not None]
        evaluations = [event.asset_check_evaluation_data for event in events if event is not None]
        return next(one for one in evaluations if one.partition == day.isoformat())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture
def place(
    sandbox: Sandbox,
    langsmith_sandbox: ControlClient,
    drive_sandbox: ControlClient,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    api = LangSmithApi(sandbox)
    monkeypatch.setenv("LANGSMITH_API_KEY", sandbox.env["LANGSMITH_API_KEY"])
    settings = unattended_settings(
        sandbox.env,
        tmp_path,
        LSE_PROJECTS=api.project,
        LSE_START_DATE=DAY.isoformat(),
        LSE_WEBHOOK_URL=receiver.url,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(settings, instance, Clock(at(1, 12)))
        daemon.tick()
        yield Place(api, daemon, langsmith_sandbox, drive_sandbox)


def test_a_settled_day_costs_one_count_at_each_due_date_and_nothing_between(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 12))
    place.langsmith.clear()

    place.skip_to(at(3))
    place.daemon.run_until(at(3, 18), every=timedelta(hours=1))

    assert [step for step in place.steps() if step.startswith("2025-08-01")] == ["2025-08-01/count"]
    counts = [
        entry.json["filter"] for entry in place.langsmith.requests() if entry.path.endswith("/runs/stats")
    ]
    assert len([asked for asked in counts if "2025-08-01T00" in asked and "2025-08-02T00" in asked]) == 1


def test_a_late_run_is_found_by_the_count_and_fetched_zipped_and_uploaded(place: Place) -> None:
    first = place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 12))
    late = place.api.add_run(at(1, 13))

    place.skip_to(at(3))
    place.daemon.run_until(at(3, 2), every=timedelta(hours=1))

    assert place.steps()[:2] == ["2025-08-01/count", "2025-08-01/fetch"]
    assert place.daemon.zips.load(place.api.project, DAY).run_ids() == {first, late}


def test_a_late_run_and_a_deleted_one_are_told_apart_from_no_change_by_their_ids(place: Place) -> None:
    deleted = place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 12))
    place.api.add_run(at(1, 13))
    place.langsmith.settings(delete_runs=[deleted])

    place.skip_to(at(3))
    place.daemon.run_until(at(3, 1), every=timedelta(hours=1))

    # The fetch is refused: it would lose the deleted run. A person decides, long before the day expires.
    fetches = place.daemon.runs("2025-08-01/fetch")
    assert [run.status for run in fetches] == [dg.DagsterRunStatus.FAILURE]
    assert place.daemon.days.load(place.api.project, DAY).run_ids() == {deleted}


def test_an_older_server_is_counted_without_its_ids(place: Place) -> None:
    place.langsmith.settings(v2=False)
    place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 12))
    place.langsmith._call("DELETE", "requests")

    place.skip_to(at(3))

    assert place.steps()[0] == "2025-08-01/count"
    assert place.requests("/runs/stats") == 1
    assert place.requests("/runs/query") == 0


def test_a_day_that_could_not_be_uploaded_is_not_fetched_again(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.drive.fault(path="/drive/", status=503, headers={"Retry-After": "3600"}, times=100_000)
    place.daemon.run_until(at(2, 6))
    place.drive.clear()
    place.langsmith._call("DELETE", "requests")

    place.daemon.run_until(at(2, 18))

    assert set(place.steps()) == {"2025-08-01/upload"}
    assert place.requests("/runs/query") == 0
    with DriveArchive.connect(place.daemon.settings.drive()) as drive:
        assert set(list_copies(drive, place.api.project)) == {DAY}


def test_a_day_whose_blocking_check_failed_is_fetched_again_and_never_uploaded_as_it_is(place: Place) -> None:
    parent = place.api.add_run(at(1, 12))
    child = f"{parent[:-6]}c00001"
    order = f"{at(1, 12):%Y%m%dT%H%M%S%fZ}{parent}.{at(1, 13):%Y%m%dT%H%M%S%fZ}{child}"
    place.api.add_run(at(1, 13), id=child, trace_id=parent, parent_run_id=parent, dotted_order=order)
    place.langsmith.settings(delete_runs=[parent])

    place.daemon.run_until(at(2, 18))

    assert set(place.steps()) == {"2025-08-01/fetch"}
    with DriveArchive.connect(place.daemon.settings.drive()) as drive:
        assert list_copies(drive, place.api.project) == {}


def test_a_count_that_stays_short_fails_each_run_with_its_reason(place: Place, receiver: Receiver) -> None:
    runs = [place.api.add_run(at(1, hour)) for hour in (12, 13)]
    place.langsmith.settings(hidden_runs=runs[:1])

    place.daemon.run_until(at(2, 18))
    place.daemon.tick()

    told = [text for text in receiver.texts if "1 of 2 runs could be fetched" in text]
    assert len(told) == len(place.daemon.runs("2025-08-01/fetch")) + 1 >= 3
    count = dg.AssetCheckKey(dg.AssetKey("raw_runs"), "run_count_matches_langsmith")
    latest = place.daemon.instance.event_log_storage.get_latest_asset_check_execution_by_key([count])[count]
    assert latest.status is AssetCheckExecutionRecordStatus.FAILED


def test_a_step_that_keeps_failing_is_tried_four_times_and_then_once_a_day(place: Place) -> None:
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)

    place.daemon.run_until(at(8), every=timedelta(hours=3))

    assert 8 <= place.steps().count("2025-08-01/fetch") <= 10


def dangers(place: Place, receiver: Receiver) -> list[str]:
    """The messages that the first day is in danger, once all that waits was sent, a few at a time."""
    before = -1
    while len(receiver.texts) != before:
        before = len(receiver.texts)
        place.daemon.tick()
    return [text for text in receiver.texts if "not safe on Drive" in text and ", 2025-08-01\n" in text]


def test_a_day_about_to_expire_fails_its_check_and_people_are_told_once_for_each_stage(
    place: Place, receiver: Receiver
) -> None:
    place.api.add_run(at(1, 12))
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    place.skip_to(at(12))

    place.daemon.run_until(at(13, 12), every=timedelta(hours=4))
    early = dangers(place, receiver)
    place.daemon.run_until(at(16), every=timedelta(hours=4))
    last = dangers(place, receiver)

    assert len(early) == 1
    assert "deletes it from 2025-08-15 00:00 UTC on" in early[0]
    assert f"lse archive --project '{place.api.project}' --date 2025-08-01" in early[0]
    assert len(last) == 2  # the archive never began, so the expired day is no loss of this archive
    found = place.drive_check()
    assert not found.passed
    assert "Attempts go on" in (found.description or "")


def test_a_day_that_expired_while_the_daemon_was_down_is_told_as_lost(
    place: Place, receiver: Receiver
) -> None:
    place.daemon.run_until(at(2, 12))
    place.daemon.clock.now = at(18)

    place.skip_to(at(18))
    place.daemon.tick()

    lost = [text for text in receiver.texts if "LangSmith deleted it" in text]
    assert [text.splitlines()[0][-10:] for text in lost] == ["2025-08-02", "2025-08-03", "2025-08-04"]


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


def test_a_project_that_does_not_exist_fails_alone(place: Place, receiver: Receiver) -> None:
    place.api.add_run(at(1, 12))
    missing = "no such / project ü"
    settings = dataclasses.replace(place.daemon.settings, projects=(missing, place.api.project))
    daemon = Daemon(settings, place.daemon.instance, Clock(at(1, 13)))
    daemon.tick()

    daemon.run_until(at(2, 6))
    daemon.tick()

    assert len(daemon.zips.load(place.api.project, DAY).run_ids()) == 1
    assert not daemon.zips.zip_path(missing, DAY).exists()
    told = [text for text in receiver.texts if missing in text]
    assert told
    assert all(place.api.project not in text for text in told)
    assert not [text for text in receiver.texts if text not in told]


def test_a_message_says_what_failed_why_and_what_to_do(place: Place, receiver: Receiver) -> None:
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)

    place.daemon.run_until(at(2, 6))
    place.daemon.tick()

    text = receiver.texts[0]
    assert text.startswith(f"LangSmith archive: {place.api.project}, 2025-08-01\n")
    assert "403" in text
    assert "Next: " in text
    assert "run " in text.splitlines()[-1]


def test_messages_that_could_not_be_delivered_come_later_and_fail_nothing(
    place: Place, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    place.api.add_run(at(1, 12))
    place.langsmith.fault(path="/sessions$", status=403, times=1)
    receiver.status = 500

    with caplog.at_level(logging.DEBUG):
        place.daemon.run_until(at(2, 18))
        place.daemon.tick()
    refused, taken = receiver.refused, list(receiver.texts)
    receiver.status = 200
    place.daemon.tick()

    assert refused >= 2
    assert taken == []
    assert len([text for text in receiver.texts if "2025-08-01" in text]) == 1
    assert "s3cr3t" not in caplog.text
    assert place.daemon.zips.load(place.api.project, DAY)


def test_an_address_that_nobody_answers_at_is_not_repeated_in_the_log(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    from lse_dagster.webhook import NotDelivered, Webhook

    webhook = Webhook("http://127.0.0.1:1/services/s3cr3t")
    with pytest.raises(NotDelivered) as caught:
        webhook.send("x")

    assert "s3cr3t" not in f"{caught.value} {caught.value.__cause__} {webhook!r} {caplog.text}"
    assert caught.value.__suppress_context__


def test_nothing_is_remembered_outside_dagster(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.daemon.run_until(at(3, 6))
    steps = place.steps()

    again = Daemon(place.daemon.settings, place.daemon.instance, Clock(at(3, 6)))
    again.tick()

    assert steps.count("2025-08-01/count") == 1
    assert again.executed == []
