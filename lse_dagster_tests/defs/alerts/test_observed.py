"""What no run fails by is told as well: the disk, settings, sensors that fail; once, and its end."""

import dataclasses
import errno
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from lse_dagster.day.space import KEPT_FREE
from lse_dagster.defs.alerts.ledger import Failure, Item, Ledger, Words
from lse_dagster.defs.alerts.observations import keep_health, with_observations
from lse_dagster.defs.health import LateDays
from lse_dagster.errors import ArchiveError
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
