"""What people are told of failures, and what becomes of messages that are not taken."""

import dataclasses
import logging

import msgspec
import pytest

from lse_dagster.delivery import Told
from lse_dagster_tests.reconciliation.place import DAY, Place, at
from lse_dagster_tests.unattended import Clock, Daemon
from lse_dagster_tests.webhook_receiver import Receiver

DANGER = {"ops": {"report_danger": {"config": {"check": "drive", "why": "A test.", "next_step": "Nothing."}}}}


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


def fail_three_days(place: Place) -> None:
    """Three days whose archiving fails, each with a message."""
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    for day in ("2025-08-01", "2025-08-02", "2025-08-03"):
        place.daemon.execute("archive", tags={"dagster/partition": day})


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

    assert days_told(receiver) == ["2025-08-01", "2025-08-02", "2025-08-03", "2025-08-04"]
    assert ["Why: " in text for text in receiver.texts] == [True, True, True, False]


def test_a_cursor_of_before_refusals_were_counted_is_gone_on_with() -> None:
    assert msgspec.json.decode(b'{"run_event": 3, "check_event": 4}', type=Told) == Told(3, 4)
