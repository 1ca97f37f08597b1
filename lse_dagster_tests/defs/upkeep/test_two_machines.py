"""Two machines on one Drive folder: one archives, the other one is told, until the first is gone."""

import dataclasses
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from lse_dagster.cli.doctor.services import check_drive
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.steps.drive_copy import list_copies
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.unattended import Clock, Daemon, instance_of_a_daemon
from lse_dagster_tests.worlds.webhook_receiver import Receiver


@pytest.fixture
def second(place: Place, tmp_path: Path) -> Iterator[Daemon]:
    """Another machine with the same settings, and disks and a Dagster of its own."""
    home = tmp_path / "second"
    settings = dataclasses.replace(
        place.daemon.settings, data_dir=home / "data", archives_dir=home / "archives", keep_local_days=1
    )
    with instance_of_a_daemon(home / "schedules") as instance:
        yield Daemon(settings, instance, Clock(at(1, 12)), place.daemon.servers)


def error_of(daemon: Daemon) -> str:
    """Why the last look failed; empty if it did not."""
    error = daemon.ticks("reconcile_sensor")[0].error
    return error.to_string() if error is not None else ""


def days_on_drive(place: Place) -> list[date]:
    with DriveArchive.connect(place.daemon.settings.drive) as drive:
        return sorted(list_copies(drive, place.api.project))


def live(daemons: list[Daemon], until: int) -> None:
    """All of them look at noon and at midnight."""
    for daemon in daemons:
        daemon.restart()  # its schedules have not ticked while it was off
    while daemons[0].clock.now < at(until):
        moment = daemons[0].clock.now + timedelta(hours=12)
        for daemon in daemons:
            daemon.clock.now = moment
            daemon.tick()


def test_the_second_machine_is_told_who_archives_sends_nothing_and_may_restore(
    place: Place, second: Daemon
) -> None:
    root = place.api.add_run(at(1, 12))
    live([place.daemon, second], until=3)

    run = second.execute("restore", tags={"dagster/partition": DAY.isoformat()})
    freed = second.execute("free_disk")
    found = {name: check_drive(daemon.settings) for name, daemon in (("1", place.daemon), ("2", second))}

    assert (second.runs(), place.steps(DAY)) == ([], ["fetch"])
    assert "archives to that folder; it was seen there last on 2025-08-0" in error_of(second)
    assert error_of(place.daemon) == ""
    assert run.success
    assert second.days.load(place.api.project, DAY).run_ids() == {root}
    (failed,) = [event for event in freed.all_events if event.is_step_failure]
    assert "archives to that folder" in str(failed.step_failure_data.user_failure_data)
    assert [one.subject for one in found["1"] if one.level == "problem"] == []
    assert [one.subject for one in found["2"] if one.level == "problem"] == [f"project {place.api.project}"]
    assert not place.failed_checks("drive_archive", "drive_copy_matches_zip")


def test_the_second_machine_goes_on_once_the_first_was_silent_for_two_days_and_both_tell_it_once(
    place: Place, second: Daemon, receiver: Receiver
) -> None:
    for day in range(1, 6):
        place.api.add_run(at(day, 12))
    live([place.daemon, second], until=3)

    live([second], until=5)
    second.run_until(at(5, 2), every=timedelta(hours=1))
    live([second], until=6)
    then = len(receiver.texts)
    live([second, place.daemon], until=7)

    taken, lost = receiver.texts[:then], receiver.texts[then:]
    (told,) = [text for text in taken if "Taking over" in text]
    assert f"Taking over the Drive folder of '{place.api.project}'\nWhy: " in told
    assert "and was not seen since 2025-08-03 00:00 UTC." in told
    assert told.endswith("\nThis machine archives there from now on.")
    (refused,) = lost
    assert "archives to that folder; it was seen there last on 2025-08-06 " in refused
    assert error_of(second) == ""
    assert "archives to that folder" in error_of(place.daemon)
    assert days_on_drive(place) == [at(day).date() for day in range(1, 6)]


@pytest.mark.parametrize("home", ["home", None])
def test_the_same_machine_with_new_disks_goes_on_at_once(
    place: Place, tmp_path: Path, home: str | None
) -> None:
    """Its Dagster home is the same, or only the database of it."""
    dagster_home = tmp_path / home if home is not None else None
    settings = dataclasses.replace(place.daemon.settings, dagster_home=dagster_home)
    daemon = Daemon(settings, place.daemon.instance, place.daemon.clock, place.daemon.servers)
    place.api.add_run(at(1, 12))
    live([daemon], until=3)
    for folder in (settings.data_dir, settings.archives_dir):
        shutil.rmtree(folder)

    live([daemon], until=4)

    assert error_of(daemon) == ""
    assert days_on_drive(place) == [DAY, at(2).date()]
