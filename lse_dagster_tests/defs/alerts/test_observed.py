"""What no run fails by is told as well: the disk, settings, sensors that fail; once, and its end."""

import dataclasses
import errno
import os
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from lse_dagster.day.space import KEPT_FREE
from lse_dagster.defs.alerts.ledger import Failure, Item, Ledger, Words
from lse_dagster.defs.alerts.messages import message_of
from lse_dagster.defs.alerts.observations import (
    forget_seen,
    keep_health,
    keep_seen,
    with_observations,
    with_seen,
)
from lse_dagster.defs.health import LateDays
from lse_dagster.drive.errors import TakenOver
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.clock import WrongClock
from lse_dagster.settings import InvalidSetting
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.unattended import Clock, Daemon, instance_of_a_daemon
from lse_dagster_tests.worlds.webhook_receiver import Receiver


def look(daemon: Daemon) -> None:
    """An hour later: a sensor may miss some ticks. The second one tells what the first one found."""
    for _ in range(2):
        daemon.clock.now += timedelta(hours=1)
        daemon.tick()


def heads(receiver: Receiver) -> list[str]:
    return [text.splitlines()[0].removeprefix("LangSmith archive: ") for text in receiver.texts]


def test_a_setting_that_is_wrong_is_one_message_whatever_fails_by_it_and_its_end(
    place: Place, receiver: Receiver
) -> None:
    wrong = InvalidSetting("LSE_RETENTION_DAYS", "It is no number.", "14")
    settings = dataclasses.replace(place.daemon.settings, invalid=(wrong,))
    daemon = Daemon(settings, place.daemon.instance, Clock(at(2, 6)), place.daemon.servers)
    look(daemon)
    daemon.execute("archive", tags={"dagster/partition": DAY.isoformat()})
    look(daemon)
    (text,) = receiver.texts

    mended = Daemon(place.daemon.settings, place.daemon.instance, Clock(daemon.clock.now), daemon.servers)
    look(mended)
    mended.execute("archive", tags={"dagster/partition": DAY.isoformat()})
    look(mended)

    assert "LSE_RETENTION_DAYS" in text
    assert heads(receiver)[1:] == [f"It works again. 1 day caught up: {place.api.project} 2025-08-01."]


def test_a_sensor_that_fails_by_what_nobody_foresaw_is_told_once_and_its_end(
    place: Place, receiver: Receiver
) -> None:
    def breaks(path: Path) -> int:
        raise RuntimeError("no such thing")

    good, place.daemon.free = place.daemon.free, breaks
    look(place.daemon)
    look(place.daemon)
    place.daemon.free = good
    look(place.daemon)

    first, _ = receiver.texts
    assert "The sensor `health_sensor` fails\nWhy: RuntimeError: no such thing" in first
    assert heads(receiver)[1:] == ["`health_sensor` works again."]


def nearly_full(place: Place) -> Callable[[Path], int]:
    size = place.daemon.days.load(place.api.project, DAY).summary.bytes
    return lambda path: KEPT_FREE + 4 * size


def home_is_full(place: Place) -> Callable[[Path], int]:
    home = Path(place.daemon.instance.root_directory)
    return lambda path: KEPT_FREE - 1 if path == home else 10**15


def no_disk(place: Place) -> Callable[[Path], int]:
    def fails(path: Path) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    return fails


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        (nearly_full, "is full in 3 days at the present rate"),
        (home_is_full, "Looking at the disk of DAGSTER_HOME"),
        (no_disk, "Input/output error"),
    ],
)
def test_a_disk_that_is_full_or_will_be_is_a_message_of_its_own(
    place: Place, receiver: Receiver, disk: Callable[[Place], Callable[[Path], int]], words: str
) -> None:
    place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 6))
    good, place.daemon.free = place.daemon.free, disk(place)

    look(place.daemon)
    place.daemon.free = good
    told = list(receiver.texts)
    look(place.daemon)

    assert any(words in text for text in told)
    assert len(receiver.texts) == 2 * len(told)
    assert all("again" in head for head in heads(receiver)[len(told) :])


def test_late_days_are_told_only_where_nothing_that_fails_explains_them(tmp_path: Path) -> None:
    # given: the days of two projects are late, and one of them has a step that fails
    now = at(9)
    words = Words("a", "2025-08-01", "what", "why", "next")
    failure = Failure("no room", Item("drive_archive", "a", "2025-08-01", at(12)), words, "Over.")
    ledger = Ledger().failed(failure, now)
    late: list[ArchiveError] = [LateDays(project, [date(2025, 8, 1)]) for project in ("a", "b")]

    # when
    with instance_of_a_daemon(tmp_path) as instance:
        keep_health(instance, late, now)
        found = with_observations(ledger, instance, (), now)
        keep_health(instance, late[:1], now)
        after = with_observations(found, instance, (), now)
        stale = with_observations(found, instance, (), now + timedelta(hours=7))

    # then
    assert [item.project for item in found.causes["defs.LateDays"].items] == ["b"]
    assert after.causes["defs.LateDays"].items == ()
    assert after.causes["defs.LateDays"].over == "All days that were late are on Drive."
    assert stale.causes["defs.LateDays"].items != ()


def test_a_check_that_failed_weeks_ago_explains_no_day_that_is_late_now(tmp_path: Path) -> None:
    words = Words("a", "2025-08-01", "what", "why", "next")
    check = Item("drive_archive:drive_copy_matches_zip", "a", "2025-08-01", at(31))
    ledger = Ledger().failed(Failure("13 bytes on Drive", check, words, "Over."), at(2))

    with instance_of_a_daemon(tmp_path) as instance:
        keep_health(instance, [LateDays("a", [date(2025, 8, 20)])], at(21))
        found = with_observations(ledger, instance, (), at(21))

    assert [item.project for item in found.causes["defs.LateDays"].items] == ["a"]


TICK = timedelta(minutes=1)


def tell(instance: dg.DagsterInstance, ledger: Ledger, now: datetime) -> tuple[Ledger, list[str]]:
    """What the alerts sensor does in one tick, and sends."""
    ledger, taken = with_seen(ledger, instance, ["reconcile_sensor", "health_sensor"], now)
    ledger = with_observations(ledger, instance, [], now).passed(now)
    forget_seen(instance, taken)
    texts = []
    while (telling := ledger.due(now)) is not None:
        texts.append(message_of(telling).text)
        ledger = ledger.told(telling, now)
    return ledger, texts


@pytest.mark.parametrize(
    ("error", "begin", "end"),
    [
        (
            WrongClock(timedelta(days=20)),
            "clock is 28,800 minutes behind",
            "The machine's clock is right again.",
        ),
        (TakenOver("p", "attic", at(1)), "attic archived there", "This machine archives there from now on."),
    ],
)
def test_what_a_single_look_saw_is_one_message_with_its_end_once_the_next_look_at_the_health_has_not_found_it(
    tmp_path: Path, error: ArchiveError, begin: str, end: str
) -> None:
    with instance_of_a_daemon(tmp_path) as instance:
        keep_health(instance, [], at(2) - TICK)
        keep_seen(instance, "reconcile_sensor", error, at(2))
        keep_seen(instance, "health_sensor", error, at(2))
        ledger, before = tell(instance, Ledger(), at(2) + TICK)
        keep_health(instance, [], at(2) + 2 * TICK)
        ledger, then = tell(instance, ledger, at(2) + 3 * TICK)
        later = [text for day in range(3, 6) for text in tell(instance, ledger, at(day))[1]]

    (text,) = then
    assert (before, later) == ([], [])
    assert begin in text
    assert text.endswith(end)


def test_a_clock_that_is_wrong_still_at_the_next_look_is_told_once_and_its_end(tmp_path: Path) -> None:
    error, told, ledger = WrongClock(timedelta(days=20)), list[str](), Ledger()
    with instance_of_a_daemon(tmp_path) as instance:
        for number in range(20):
            now = at(2) + number * 10 * TICK
            if number < 10:
                keep_seen(instance, "reconcile_sensor", error, now)
            keep_health(instance, [error] if number < 10 else [], now + TICK)
            ledger, texts = tell(instance, ledger, now + 2 * TICK)
            told += texts

    assert ["is right again" in text for text in told] == [False, True]


def test_what_a_look_saw_waits_for_nobody_for_more_than_an_hour(tmp_path: Path) -> None:
    with instance_of_a_daemon(tmp_path) as instance:
        keep_seen(instance, "reconcile_sensor", TakenOver("p", "attic", at(1)), at(2))

        ledger, early = tell(instance, Ledger(), at(2) + 59 * TICK)
        (text,) = tell(instance, ledger, at(2) + 60 * TICK)[1]

    assert (early, "attic archived there" in text) == ([], True)
