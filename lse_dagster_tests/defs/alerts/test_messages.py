"""What people are told of failures, and what becomes of messages that are not taken."""

import dataclasses
import logging

import dagster as dg
import msgspec
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset

from lse_dagster.defs.alerts.delivery import Delivery, Told
from lse_dagster.defs.alerts.ledger import Failure, Item, Ledger, Words
from lse_dagster.defs.alerts.webhook import Webhook
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.unattended import Clock, Daemon
from lse_dagster_tests.worlds.webhook_receiver import Receiver

DANGER = {"ops": {"report_danger": {"config": {"check": "drive", "why": "A test.", "next_step": "Nothing."}}}}


def test_a_project_that_does_not_exist_fails_alone(place: Place, receiver: Receiver) -> None:
    place.api.add_run(at(1, 12))
    missing = "no such / project ü"
    settings = dataclasses.replace(place.daemon.settings, projects=(missing, place.api.project))
    daemon = Daemon(settings, place.daemon.instance, Clock(at(1, 13)), place.daemon.servers)
    daemon.tick()

    daemon.run_until(at(2, 6))
    daemon.tick()

    assert len(daemon.zips.load(place.api.project, DAY).run_ids()) == 1
    assert not daemon.zips.zip_path(missing, DAY).exists()
    change, *told = receiver.texts
    assert "LSE_PROJECTS was changed" in change
    assert told
    assert all(missing in text and place.api.project not in text for text in told)


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
    from lse_dagster.defs.alerts.webhook import NotDelivered, Webhook

    webhook = Webhook("http://127.0.0.1:1/services/s3cr3t")
    with pytest.raises(NotDelivered) as caught:
        webhook.send("x")

    assert "s3cr3t" not in f"{caught.value} {caught.value.__cause__} {webhook!r} {caplog.text}"
    assert caught.value.__suppress_context__


def fail_three_days(place: Place) -> None:
    """Three days whose archiving fails, each by a cause of its own, so each with a message."""
    for day, status in (("2025-08-01", 403), ("2025-08-02", 400), ("2025-08-03", 404)):
        place.langsmith.fault(path="/sessions$", status=status, times=1)
        place.daemon.execute("archive", tags={"dagster/partition": day})
        place.langsmith.clear_faults()


def days_told(receiver: Receiver) -> list[str]:
    return [text.splitlines()[0].rsplit(", ")[-1] for text in receiver.texts]


def test_a_message_that_is_refused_comes_shortened_and_holds_up_no_other(
    place: Place, receiver: Receiver
) -> None:
    fail_three_days(place)
    receiver.words = {"2025-08-01\nGET ": 413}

    for _ in range(4):
        place.daemon.tick()

    assert days_told(receiver) == ["2025-08-01", "2025-08-02", "2025-08-03"]
    first, *others = receiver.texts
    assert "the whole message about it was refused" in first
    assert first.splitlines()[-1].startswith("run ")
    assert all("Why: " in text for text in others)
    assert receiver.refused == 3


def test_a_message_that_is_refused_at_any_length_is_stepped_over_with_its_words_in_the_log(
    place: Place, receiver: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.words = {"2025-08-01": 400}
    fail_three_days(place)

    with caplog.at_level(logging.DEBUG):
        for _ in range(6):
            place.daemon.tick()

    assert days_told(receiver) == ["2025-08-02", "2025-08-03"]
    assert receiver.refused == 4
    log = capfd.readouterr().err
    assert log.count("refuses this message, whole and shortened") == 1
    given_up = log.partition("whole and shortened:\n")[2]
    assert given_up.startswith(f"LangSmith archive: {place.api.project}, 2025-08-01\n")
    assert "403" in given_up
    assert "s3cr3t" not in log + caplog.text


@pytest.mark.parametrize("status", [404, 429, 500])
def test_an_address_that_takes_nothing_for_a_while_loses_no_message(
    place: Place, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    fail_three_days(place)
    for _ in range(8):
        place.daemon.tick()

    receiver.status = 200
    place.daemon.tick()

    assert days_told(receiver) == ["2025-08-01", "2025-08-02", "2025-08-03"]


def test_a_refused_check_does_not_shorten_the_message_of_a_run_that_fails_meanwhile(
    place: Place, receiver: Receiver
) -> None:
    place.daemon.execute("expiry", config=DANGER, tags={"dagster/partition": "2025-08-04"})
    receiver.words = {"2025-08-04\nThe check": 400}
    for _ in range(3):
        place.daemon.tick()
    fail_three_days(place)

    place.daemon.tick()

    assert days_told(receiver) == ["2025-08-04", "2025-08-01", "2025-08-02", "2025-08-03"]
    assert ["Why: " in text for text in receiver.texts] == [False, True, True, True]


def test_a_danger_is_told_before_failures_that_came_first(place: Place, receiver: Receiver) -> None:
    fail_three_days(place)
    place.daemon.execute("expiry", config=DANGER, tags={"dagster/partition": "2025-08-04"})

    place.daemon.tick()

    assert days_told(receiver) == ["2025-08-04", "2025-08-01", "2025-08-02", "2025-08-03"]


def test_a_danger_is_told_though_the_next_attempt_has_begun(place: Place, receiver: Receiver) -> None:
    place.daemon.execute("expiry", config=DANGER, tags={"dagster/partition": "2025-08-04"})
    key = dg.AssetCheckKey(dg.AssetKey("drive_archive"), "drive_copy_matches_zip")
    planned = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
        job_name="archive",
        event_specific_data=AssetCheckEvaluationPlanned(
            asset_key=key.asset_key,
            check_name=key.name,
            partitions_subset=DefaultPartitionsSubset({"2025-08-04"}),
        ),
    )
    attempt = place.daemon.instance.create_run_for_job(place.daemon.repository.get_job("archive"))
    place.daemon.instance.report_dagster_event(planned, run_id=attempt.run_id)

    place.daemon.tick()
    place.daemon.tick()

    assert days_told(receiver) == ["2025-08-04"]


def test_what_was_told_is_not_told_again_by_a_daemon_that_gave_the_tick_up(
    place: Place, receiver: Receiver
) -> None:
    fail_three_days(place)
    before = dict(place.daemon._cursors)

    place.daemon.tick()
    place.daemon._cursors = before
    place.daemon.tick()

    assert days_told(receiver) == ["2025-08-01", "2025-08-02", "2025-08-03"]


def test_a_webhook_that_answers_slowly_gets_every_message_once_and_no_tick_takes_a_minute(
    receiver: Receiver,
) -> None:
    # given: four messages, and 14 seconds for each
    clock, now = [0.0], at(1)
    ledger = Ledger().endangered(Words("a", "2025-08-01", "danger", "why", "next"))
    for cause in ("first", "second", "third"):
        words = Words(None, None, cause, "why", "next")
        ledger = ledger.failed(Failure(cause, Item(cause, None, None, at(20)), words, "Over."), now)
    receiver.on_message = lambda: clock.__setitem__(0, clock[0] + 14.0)
    told = Told(0, 0, ledger=ledger)
    ticks: list[float] = []

    # when
    while len(receiver.texts) < 4 and len(ticks) < 10:
        kept: list[Told] = []
        began = clock[0]
        Delivery(Webhook(receiver.url), logging.getLogger(), kept.append, lambda: clock[0]).deliver(told, now)
        ticks.append(clock[0] - began)
        told = kept[-1]

    # then
    assert [text.splitlines()[1] for text in receiver.texts] == ["danger", "first", "second", "third"]
    assert max(ticks) <= 30


def test_a_partition_that_is_no_date_ends_no_look(place: Place) -> None:
    place.api.add_run(at(1, 12))
    for asset in ("raw_runs", "drive_archive"):
        reported = dg.AssetMaterialization(asset, partition="by hand")
        place.daemon.instance.report_runless_asset_event(reported)

    place.daemon.run_until(at(2, 6))

    assert place.daemon.zips.load(place.api.project, DAY)
    assert place.daemon.ticks("reconcile_sensor")[0].error is None


@pytest.mark.parametrize(
    "more", ["", ', "refused_event": 3, "refusals": 2', ', "danger_event": -1, "unknown": {}']
)
def test_a_cursor_of_an_earlier_version_is_gone_on_with(more: str) -> None:
    told = msgspec.json.decode(f'{{"run_event": 3, "check_event": 4{more}}}', type=Told)

    assert (told.run_event, told.check_event, told.danger_event) == (3, 4, -1)
    assert told.ledger == Ledger()
    assert msgspec.json.decode(msgspec.json.encode(told), type=Told) == told


@pytest.mark.parametrize("spoilt", ["{", '{"run_event": "x", "check_event": 0, "looked_at": 3}'])
def test_what_dagster_keeps_of_messages_may_be_spoilt_and_they_still_come(
    spoilt: str, place: Place, receiver: Receiver
) -> None:
    spoilt_cursors = dict.fromkeys(("lse/alerts", "lse/known_projects", "lse/health"), spoilt)
    place.daemon.instance.daemon_cursor_storage.set_cursor_values(spoilt_cursors)
    place.daemon.tick()
    fail_three_days(place)
    place.daemon.tick()

    assert {tick.error for tick in place.daemon.ticks("alerts_sensor")} == {None}
    first, *others = receiver.texts
    assert "What was still to be told is lost" in first
    assert len(others) == 3


@pytest.mark.parametrize("spoilt", ["yesterday 2025-99-99", "2025-08-01T00:00:00 never", "{", "{}"])
def test_a_spoilt_cursor_ends_no_look(spoilt: str, place: Place) -> None:
    naive = f'{{"project": "{place.api.project}", "at": "2025-08-01T00:00:00", "scope": {{"first": '
    place.daemon._cursors = {
        "health_sensor": spoilt,
        "reconcile_sensor": f'{naive}"2025-08-01", "retention_days": 14}}}}' if spoilt == "{}" else spoilt,
    }
    place.daemon.tick()

    for sensor in place.daemon._cursors:
        assert [tick.error for tick in place.daemon.ticks(sensor)] == [None, None]


def test_what_fails_after_runs_were_deleted_is_told_though_their_numbers_are_given_again(
    place: Place, receiver: Receiver
) -> None:
    """SQLite gives the last numbers of events again when somebody deletes the runs that had them."""
    for day, status in ((1, 403), (2, 400)):
        place.langsmith.fault(path="/sessions$", status=status, times=1)
        place.daemon.execute("archive", tags={"dagster/partition": f"2025-08-0{day}"})
        if day == 2:
            place.daemon.execute("expiry", config=DANGER, tags={"dagster/partition": "2025-08-03"})
        place.daemon.tick()
        place.daemon.delete_runs()
        place.daemon.tick()

    assert sorted(days_told(receiver)) == ["2025-08-01", "2025-08-02", "2025-08-03"]
