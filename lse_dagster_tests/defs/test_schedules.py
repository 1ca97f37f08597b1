"""What runs by itself, and when: schedules and sensors as the settings say."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from lse_dagster.calendar.rules import Rule
from lse_dagster.definitions import build_definitions
from lse_dagster.settings import InvalidSetting, Settings

NAMES = ("one", "two", "three")


def repository(**variables: str) -> dg.RepositoryDefinition:
    settings = Settings.from_environment({"LSE_PROJECTS": ",".join(NAMES), **variables})
    return build_definitions(settings).get_repository_def()


def test_every_project_is_archived_at_the_hour_of_the_settings() -> None:
    loaded = repository(LSE_SCHEDULE_HOUR_UTC="5")
    tick = datetime(2025, 8, 30, 5, 30, tzinfo=UTC)

    schedules = [schedule for schedule in loaded.schedule_defs if schedule.name != "overview_schedule"]
    assert {schedule.name for schedule in schedules} == {
        "archive_schedule",
        "archive_two_schedule",
        "archive_three_schedule",
    }
    with dg.DagsterInstance.ephemeral() as instance:
        for schedule in schedules:
            context = dg.build_schedule_context(
                instance, scheduled_execution_time=tick, repository_def=loaded
            )
            requests = schedule.evaluate_tick(context).run_requests or []
            assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 5 * * *", "UTC")
            assert [request.partition_key for request in requests] == ["2025-08-29"]


@pytest.mark.parametrize(
    ("setting", "schedules", "sensors"),
    [
        (None, "STOPPED", "STOPPED"),
        ("off", "STOPPED", "STOPPED"),
        ("nightly", "RUNNING", "STOPPED"),
        ("on", "RUNNING", "RUNNING"),
    ],
)
def test_a_new_deployment_does_nothing_by_itself_until_it_is_told_to(
    setting: str | None, schedules: str, sensors: str
) -> None:
    loaded = repository(**({"LSE_SCHEDULES": setting} if setting else {}))

    # With its sensors on, the overview needs no schedule.
    found = [one for one in loaded.schedule_defs if (setting, one.name) != ("on", "overview_schedule")]
    assert {schedule.default_status.value for schedule in found} == {schedules}
    assert {sensor.default_status.value for sensor in loaded.sensor_defs} == {sensors}


def test_failures_are_told_as_soon_as_there_is_somewhere_to_tell_them() -> None:
    quiet = {sensor.name for sensor in repository().sensor_defs}
    loud = {sensor.name: sensor for sensor in repository(LSE_WEBHOOK_URL="https://x.example/y").sensor_defs}

    assert quiet == {"health_sensor", "reconcile_sensor", "reconcile_two_sensor", "reconcile_three_sensor"}
    assert loud.keys() - quiet == {"alerts_sensor"}
    assert loud["alerts_sensor"].default_status is dg.DefaultSensorStatus.RUNNING


def test_the_disk_is_freed_by_schedule_only_where_that_is_set_and_then_only_once_it_is_switched_on() -> None:
    loaded = repository(LSE_KEEP_LOCAL_DAYS="60", LSE_SCHEDULES="on")

    schedule = loaded.get_schedule_def("free_disk_schedule")

    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert not [one for one in repository().schedule_defs if "free_disk" in one.name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LSE_SCHEDULES", "yes"),
        ("LSE_SCHEDULE_HOUR_UTC", "24"),
        ("LSE_SCHEDULE_HOUR_UTC", "-1"),
        ("LSE_RECONCILE_AFTER_DAYS", "2,14"),
        ("LSE_RECONCILE_AFTER_DAYS", "soon"),
        ("LSE_RECONCILE_AFTER_DAYS", ","),
        ("LSE_RETENTION_DAYS", "1"),
        ("LSE_KEEP_LOCAL_DAYS", "0"),
        ("LSE_WEBHOOK_URL", "file:///etc/passwd"),
        ("LSE_DAGSTER_URL", "dagster.example"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=name):
        Settings.from_environment({name: value})


def test_an_address_that_is_refused_is_not_repeated() -> None:
    with pytest.raises(InvalidSetting) as caught:
        Settings.from_environment({"LSE_WEBHOOK_URL": "hooks.slack.com/services/s3cr3t"})

    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in repr(Settings.from_environment({"LSE_WEBHOOK_URL": "https://x/s3cr3t"}))


def test_extended_retention_moves_the_end_and_short_retention_drops_what_would_come_too_late() -> None:
    extended = Settings.from_environment({"LSE_RETENTION_DAYS": "400", "LSE_RECONCILE_AFTER_DAYS": "30, 2"})
    short = Settings.from_environment({"LSE_RETENTION_DAYS": "7"})

    assert extended.reconciliation == Rule((2, 30), 400)
    assert short.reconciliation == Rule((2,), 7)
