"""What the installation finds out about itself, and who hears of it: ticks, `lse health`, a switch."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from lse_dagster.cli.health.facts import problems_of
from lse_dagster.cli.health.here import facts_of_instance
from lse_dagster.day.space import KEPT_FREE
from lse_dagster.defs.failure import parts_of_failure
from lse_dagster.settings import Settings
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.unattended import Clock, Daemon
from lse_dagster_tests.worlds.webhook_receiver import Receiver

SIMULATED = {"daemon", "archive_schedule"}
"""Always missing here: the simulated daemon has no heart that beats, and keeps no ticks of schedules."""


def error_of(daemon: Daemon, sensor: str) -> str | None:
    """The words of a sensor's last tick, if it failed."""
    error = daemon.ticks(sensor)[0].error
    return None if error is None else error.to_string()


def subjects(daemon: Daemon) -> set[str]:
    """What `lse health` finds wrong."""
    found = problems_of(facts_of_instance(daemon.instance, daemon.settings), daemon.clock.now.timestamp())
    return {one.subject for one in found}


def look(daemon: Daemon) -> None:
    """Ten minutes later."""
    daemon.clock.now += timedelta(minutes=10)
    daemon.tick()


def redeployed(place: Place, **variables: str) -> Daemon:
    """The same instance with other variables of the environment."""
    settings = place.daemon.settings
    environment = {
        "LSE_PROJECTS": place.api.project,
        "LSE_SCHEDULES": "on",
        "LSE_START_DATE": DAY.isoformat(),
        "LSE_DATA_DIR": str(settings.data_dir),
        "LSE_ARCHIVES_DIR": str(settings.archives_dir),
        "LANGSMITH_ENDPOINT": settings.langsmith.endpoint,
        "LSE_LANGSMITH_RATES": "none",
        "LANGSMITH_API_KEY": settings.langsmith.api_key,
        "GOOGLE_DRIVE_FOLDER_URL": settings.drive.folder_url or "",
        "GOOGLE_DRIVE_CREDENTIALS_PATH": str(settings.drive.credentials_path),
        "GOOGLE_DRIVE_ENDPOINT": settings.drive.endpoint or "",
        **variables,
    }
    return Daemon(
        Settings.as_far_as_right(environment),
        place.daemon.instance,
        Clock(place.daemon.clock.now),
        place.daemon.servers,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("LSE_RETENTION_DAYS", "14 days"), ("LSE_PROJECTS", "[oops"), ("LSE_SCHEDULES", "yes")],
)
def test_a_setting_that_is_wrong_is_told_by_every_tick_and_every_run(
    place: Place, name: str, value: str
) -> None:
    daemon = redeployed(place, **{name: value})

    look(daemon)
    run = daemon.execute("archive", tags={"dagster/partition": DAY.isoformat()})

    for sensor in ("reconcile_sensor", "health_sensor"):
        assert name in (error_of(daemon, sensor) or "")
    (failed,) = [event for event in run.all_events if event.is_step_failure]
    assert name in parts_of_failure(failed, otherwise_next="")[0]
    assert subjects(daemon) == {"reconcile_sensor", "health_sensor"} | SIMULATED
    assert place.requests("/runs/query") == 0


def test_an_address_of_a_webhook_that_is_wrong_is_told_and_holds_up_no_day(place: Place) -> None:
    place.api.add_run(at(1, 12))
    daemon = redeployed(place, LSE_WEBHOOK_URL="hooks.example/s3cr3t")

    daemon.tick()
    daemon.run_until(at(2, 6))

    assert daemon.zips.load(place.api.project, DAY)
    told = error_of(daemon, "health_sensor") or ""
    assert "LSE_WEBHOOK_URL" in told
    assert "s3cr3t" not in told


def test_a_good_night_is_told_to_the_dead_mans_switch_once_and_a_bad_one_is_not(
    place: Place, receiver: Receiver
) -> None:
    place.api.add_run(at(1, 12))
    place.api.add_run(at(2, 12))
    daemon = redeployed(place, LSE_PING_URL=receiver.url)
    daemon.tick()

    daemon.run_until(at(2, 23))
    first = receiver.pings
    place.drive.fault(path="/", status=403, times=100_000)
    daemon.run_until(at(3, 23))

    assert first == 1
    assert receiver.pings == 1
    assert subjects(daemon) == {"health_sensor"} | SIMULATED
    assert "2025-08-02" in (error_of(daemon, "health_sensor") or "")


def test_a_day_that_was_found_on_drive_is_late_once_something_else_lies_here(place: Place) -> None:
    root = place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 12))
    found_there = error_of(place.daemon, "health_sensor")
    place.add_child(root, at(1, 12), at(1, 13))  # it is fetched again at the beginning of the third
    place.drive.fault(path="/upload/", status=403, times=100_000)

    place.daemon.run_until(at(3, 6))

    assert found_there is None
    assert "2025-08-01" in (error_of(place.daemon, "health_sensor") or "")


def test_a_switch_that_does_not_answer_is_asked_again(place: Place, receiver: Receiver) -> None:
    place.api.add_run(at(1, 12))
    receiver.status = 500
    daemon = redeployed(place, LSE_PING_URL=receiver.url)
    daemon.tick()
    daemon.run_until(at(2, 12))
    assert receiver.pings == 0

    receiver.status = 200
    look(daemon)
    look(daemon)

    assert receiver.pings == 1


def test_a_key_that_is_revoked_is_found_within_a_day_and_its_mending_at_once(place: Place) -> None:
    assert error_of(place.daemon, "health_sensor") is None
    place.langsmith.fault(path="/sessions", status=401, times=100_000)

    place.daemon.clock.now += timedelta(hours=21)
    place.daemon.tick()
    revoked = error_of(place.daemon, "health_sensor")
    place.langsmith.clear()
    look(place.daemon)

    assert "LANGSMITH_API_KEY" in (revoked or "")
    assert error_of(place.daemon, "health_sensor") is None


def test_a_fetch_that_would_fill_the_disk_is_refused_before_it_starts(place: Place) -> None:
    place.api.add_run(at(1, 12))
    full: list[Path] = []

    def nearly_full(path: Path) -> int:
        full.append(path)
        return KEPT_FREE - 1

    place.daemon.free = nearly_full
    place.daemon.run_until(at(2, 6))

    assert full
    assert place.requests("/runs/query") == 0
    assert "free" in (error_of(place.daemon, "health_sensor") or "")
    place.daemon.free = lambda path: 10 * KEPT_FREE
    place.daemon.run_until(at(2, 18))
    assert place.daemon.zips.load(place.api.project, DAY)
    assert error_of(place.daemon, "health_sensor") is None


def test_a_full_disk_of_the_zips_alone_holds_up_the_zip_and_not_the_fetch(place: Place) -> None:
    place.api.add_run(at(1, 12))
    zips = place.daemon.zips.root
    place.daemon.free = lambda path: KEPT_FREE - 1 if path == zips else 10 * KEPT_FREE
    place.daemon.run_until(at(2, 6))

    assert place.daemon.days.load(place.api.project, DAY)
    assert [*zips.glob("*.zip*")] == []
    place.daemon.free = lambda path: 10 * KEPT_FREE
    place.daemon.run_until(at(2, 18))
    assert place.daemon.zips.load(place.api.project, DAY)


def test_a_disk_that_lasts_for_a_few_days_is_told_before_it_is_full(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 6))
    size = place.daemon.days.load(place.api.project, DAY).summary.bytes

    place.daemon.free = lambda path: KEPT_FREE + 8 * size
    look(place.daemon)
    tight = error_of(place.daemon, "health_sensor")
    place.daemon.free = lambda path: KEPT_FREE + 12 * size
    look(place.daemon)

    assert "full in 6 days" in (tight or "")
    assert error_of(place.daemon, "health_sensor") is None


def test_a_sensor_that_no_longer_looks_is_found_though_all_its_ticks_were_good(place: Place) -> None:
    daemon = place.daemon
    assert subjects(daemon) == SIMULATED

    an_hour_later = (daemon.clock.now + timedelta(hours=1)).timestamp()
    found = problems_of(facts_of_instance(daemon.instance, daemon.settings), an_hour_later)

    assert {one.subject for one in found} == {
        "health_sensor",
        "reconcile_sensor",
        "alerts_sensor",
    } | SIMULATED
    assert time.time() > an_hour_later


@pytest.mark.parametrize(("name", "value"), [("LSE_START_DATE", "2999-08-01"), ("LSE_PROJECTS", "")])
def test_settings_by_which_nothing_is_archived_are_no_health(place: Place, name: str, value: str) -> None:
    daemon = redeployed(place, **{name: value})

    look(daemon)

    assert name in (error_of(daemon, "health_sensor") or "")
