"""`archive_overview`: up to date by itself, by hand at any time, and in nobody's way."""

from datetime import date, timedelta
from typing import Any

import dagster as dg

from lse_dagster.defs.overview.events import CHECK, KEY, refresh
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi
from lse_dagster_tests.worlds.place import DAY, at
from lse_dagster_tests.worlds.unattended import Daemon, Deploy


def shown(daemon: Daemon) -> list[dict[str, Any]]:
    """What it said, the newest first."""
    records = daemon.instance.fetch_materializations(KEY, limit=100).records
    found = [record.asset_materialization for record in records]
    return [{name: value.value for name, value in one.metadata.items()} for one in found if one is not None]


def checked(daemon: Daemon) -> dg.AssetCheckEvaluation:
    key = dg.AssetCheckKey(KEY, CHECK)
    record = daemon.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert record.event is not None
    evaluation: dg.AssetCheckEvaluation = record.event.get_dagster_event().asset_check_evaluation_data
    return evaluation


def deployed(sandbox: Sandbox, deploy: Deploy, **variables: str) -> tuple[list[LangSmithApi], Daemon]:
    """Two projects with a run on the first day, whose noon it is."""
    apis = [LangSmithApi(sandbox) for _ in range(2)]
    for api in apis:
        api.add_run(at(1, 12))
    return apis, deploy(apis, at(1, 12), LSE_START_DATE=DAY.isoformat(), **variables)


def test_it_says_by_itself_that_last_night_worked_and_says_it_once(sandbox: Sandbox, deploy: Deploy) -> None:
    apis, daemon = deployed(sandbox, deploy)
    daemon.run_until(at(2, 12))
    daemon.tick()
    said, check = shown(daemon), checked(daemon)
    daemon.run_until(at(2, 13), every=timedelta(minutes=10))

    assert (said[0]["archived_through"], said[0]["days_on_drive"], said[0]["projects"]) == (
        "2025-08-01",
        2,
        2,
    )
    assert all(f"| ✓ | {api.project} | 2025-08-01 |" in said[0]["overview"] for api in apis)
    assert (check.passed, check.description) == (
        True,
        "Every day of 2 projects is on Drive, through 2025-08-01.",
    )
    assert said[0]["drive_bytes"] > 0
    assert said[0]["disk_bytes"] > said[0]["drive_bytes"]  # folders lie here too
    assert len(shown(daemon)) == len(said)


def test_to_show_it_asks_nobody_and_says_when_nobody_looks_any_more(
    sandbox: Sandbox, drive_sandbox: ControlClient, langsmith_sandbox: ControlClient, deploy: Deploy
) -> None:
    apis, daemon = deployed(sandbox, deploy)
    daemon.tick()
    before = [len(server.requests()) for server in (drive_sandbox, langsmith_sandbox)]

    refresh(daemon.instance, [api.project for api in apis], None, at(1, 18))

    assert [len(server.requests()) for server in (drive_sandbox, langsmith_sandbox)] == before
    assert not checked(daemon).passed
    assert f"{apis[0].project}: not looked at since 2025-08-01 12:00 UTC" in (
        checked(daemon).description or ""
    )


def test_what_a_run_saw_of_a_passing_fault_does_not_stay(
    sandbox: Sandbox, drive_sandbox: ControlClient, deploy: Deploy
) -> None:
    _, daemon = deployed(sandbox, deploy)
    for _ in range(2):
        daemon.tick()
    well = shown(daemon)[0]
    drive_sandbox.fault(path="/drive/v3/files", status=403, times=100_000)
    daemon.execute("overview")
    fault = shown(daemon)[0]
    drive_sandbox.clear_faults()

    daemon.tick()

    assert "drive_bytes" not in fault
    assert shown(daemon)[0] == well


def test_a_project_that_waits_for_its_first_look_is_no_alarm_for_an_hour(
    sandbox: Sandbox, deploy: Deploy
) -> None:
    apis, daemon = deployed(sandbox, deploy)
    daemon.tick()
    names, before = [*(api.project for api in apis), "new"], len(shown(daemon))

    refresh(daemon.instance, names, None, at(1, 12))
    waiting = len(shown(daemon))
    refresh(daemon.instance, names, None, at(1, 13))

    assert waiting == before
    assert "new: not looked at yet" in (checked(daemon).description or "")


def test_a_night_that_failed_fails_its_check_with_project_days_and_command(
    sandbox: Sandbox, langsmith_sandbox: ControlClient, deploy: Deploy
) -> None:
    apis, daemon = deployed(sandbox, deploy)
    langsmith_sandbox.fault(path="/sessions$", status=403, times=100_000)
    daemon.run_until(at(2, 12))
    daemon.tick()

    check = checked(daemon)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    for api in apis:
        command = f"`lse archive --date 2025-08-01 --project {api.project}`"
        assert f"{api.project}: 1 day is missing (2025-08-01). {command}" in (check.description or "")
    assert shown(daemon)[0]["days_missing"] == 2


def test_by_hand_it_looks_itself_without_schedules_and_without_drive(
    sandbox: Sandbox, drive_sandbox: ControlClient, deploy: Deploy
) -> None:
    apis, daemon = deployed(sandbox, deploy, LSE_SCHEDULES="off", LSE_STORAGE_USD_PER_GB_MONTH="0.02")
    daemon.clock.now = at(2, 4)
    daemon.execute("archive", tags={"dagster/partition": DAY.isoformat()})

    first = daemon.execute("overview")
    (archived,) = shown(daemon)
    drive_sandbox.fault(path="/drive/v3/files", status=403, times=100_000)
    second = daemon.execute("overview")

    assert first.success
    assert (archived["days_on_drive"], archived["days_in_time"]) == (1, 1)
    assert archived["storage_usd_per_month"] == archived["drive_bytes"] / 1e9 * 0.02
    assert second.success  # a run that archives a day as well must not fail by it
    assert "Drive could not be asked" in (checked(daemon).description or "")
    assert f"| ✓ | {apis[0].project} | {DAY} |" in shown(daemon)[0]["overview"]
    assert "drive_bytes" not in shown(daemon)[0]  # nobody knows: a plot must not fall to nothing


def test_the_days_are_those_of_the_settings_and_where_nothing_fills_holes_they_only_warn(
    sandbox: Sandbox, deploy: Deploy
) -> None:
    _, daemon = deployed(sandbox, deploy, LSE_SCHEDULES="off")
    daemon.clock.now = at(4, 12)

    daemon.execute("overview")

    assert shown(daemon)[0]["days_missing"] == 2 * (date(2025, 8, 3) - DAY).days + 2
    assert (checked(daemon).passed, checked(daemon).severity) == (False, dg.AssetCheckSeverity.WARN)
