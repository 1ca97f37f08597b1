"""`free_disk`: what may go from this disk, what stays and why, and that all of it comes back."""

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from googleapiclient.http import MediaInMemoryUpload

from lse_dagster.defs.check_table import check_keys
from lse_dagster.defs.dagster_internals import AssetCheckExecutionRecordStatus
from lse_dagster.defs.project import archived_projects
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.drive_copy import session_path
from lse_dagster.steps.free_disk import sweep
from lse_dagster_tests.drive.conftest import Person
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi
from lse_dagster_tests.worlds.staged import content
from lse_dagster_tests.worlds.unattended import Daemon, Deploy

DAY = date(2025, 8, 1)
REALLY = {"ops": {"remove_local_copies": {"config": {"dry_run": False}}}}


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2025, 8, 1, hour, tzinfo=UTC) + timedelta(days=day - 1)


@pytest.fixture
def daemon(sandbox: Sandbox, deploy: Deploy) -> Daemon:
    """A deployment with one archived day, settled 40 days later."""
    api = LangSmithApi(sandbox)
    api.add_run(at(1, 12))
    daemon = deploy([api], at(1, 12), LSE_START_DATE=DAY.isoformat(), LSE_KEEP_LOCAL_DAYS="5")
    daemon.tick()
    daemon.run_until(at(2, 6))
    daemon.clock.now = at(40)
    return daemon


def project(daemon: Daemon) -> str:
    return daemon.settings.projects[0]


def report(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """What the job says it did."""
    assert result.success
    (event,) = (event for event in result.all_events if event.event_type_value == "STEP_OUTPUT")
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def is_here(daemon: Daemon) -> tuple[bool, bool]:
    """Whether the day's folder and its zip are on this disk."""
    name = project(daemon)
    return daemon.days.day_path(name, DAY).exists(), daemon.zips.zip_path(name, DAY).exists()


def copy_on_drive(daemon: Daemon, sandbox: Sandbox) -> tuple[Any, str]:
    """Drive's files as a person has them, and the id of the day's copy among them."""
    files = Person(sandbox.env).files
    (copy,) = files.list(
        q=f"name = '{daemon.zips.zip_path(project(daemon), DAY).name}'",
        includeItemsFromAllDrives=True,
        supportsAllDrives=True,
        corpora="allDrives",
    ).execute()["files"]
    return files, copy["id"]


def trash_copy(daemon: Daemon, sandbox: Sandbox) -> None:
    files, file_id = copy_on_drive(daemon, sandbox)
    files.update(fileId=file_id, body={"trashed": True}, supportsAllDrives=True).execute()


def change_copy(daemon: Daemon, sandbox: Sandbox, content: bytes) -> None:
    files, file_id = copy_on_drive(daemon, sandbox)
    media = MediaInMemoryUpload(content, "application/zip")
    files.update(fileId=file_id, media_body=media, supportsAllDrives=True).execute()


def test_a_dry_run_lists_and_removes_nothing(daemon: Daemon) -> None:
    found = report(daemon.execute("free_disk"))

    size = sum(
        path.stat().st_size
        for path in [
            *daemon.days.day_path(project(daemon), DAY).iterdir(),
            daemon.zips.zip_path(project(daemon), DAY),
        ]
    )
    assert (found["dry_run"], found["days"], found["bytes"]) == (True, 1, size)
    assert "2025-08-01 | would be removed" in found["list"]
    assert is_here(daemon) == (True, True)


def test_what_is_not_of_the_day_stays_where_it_lay(daemon: Daemon) -> None:
    place = daemon.days.day_path(project(daemon), DAY)
    before = content(place)
    (place / "notes.txt").write_text("mine")

    found = report(daemon.execute("free_disk", config=REALLY))
    left = content(place)
    restored = daemon.execute("restore", tags={"dagster/partition": DAY.isoformat()})

    assert (found["days"], left) == (1, {"notes.txt": b"mine"})
    assert restored.success
    assert content(place) == {**before, **left}


def test_a_day_that_is_verified_on_drive_goes_and_comes_back_the_same(daemon: Daemon) -> None:
    before = content(daemon.days.day_path(project(daemon), DAY))

    found = report(daemon.execute("free_disk", config=REALLY))
    gone = is_here(daemon)
    restored = daemon.execute("restore", tags={"dagster/partition": DAY.isoformat()})

    assert (found["days"], gone) == (1, (False, False))
    assert restored.success
    assert content(daemon.days.day_path(project(daemon), DAY)) == before
    observed = daemon.instance.fetch_observations(dg.AssetKey("raw_runs"), limit=1).records
    assert [record.partition_key for record in observed] == [DAY.isoformat()]


def verify(daemon: Daemon) -> dict[str, bool]:
    """What the checks say that `verify` makes of the day."""
    result = daemon.execute("verify", tags={"dagster/partition": DAY.isoformat()})
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def planned_checks(daemon: Daemon) -> list[str]:
    """Checks that were planned and never made: those the UI would call "Skipped", for all days."""
    keys = check_keys(archived_projects([project(daemon)])[0])
    found = daemon.instance.event_log_storage.get_asset_check_partition_info(list(keys))
    planned = AssetCheckExecutionRecordStatus.PLANNED
    return [one.check_key.name for one in found if one.latest_execution_status is planned]


def test_a_freed_day_is_green_as_long_as_drive_holds_what_was_proved(
    daemon: Daemon, sandbox: Sandbox
) -> None:
    shutil.rmtree(daemon.days.day_path(project(daemon), DAY))
    zip_alone = verify(daemon)
    assert report(daemon.execute("free_disk", config=REALLY))["days"] == 1
    freed = verify(daemon)
    change_copy(daemon, sandbox, b"other")
    changed = verify(daemon)
    trash_copy(daemon, sandbox)

    assert zip_alone == {"zip_matches_day": True, "drive_copy_matches_zip": True}
    assert freed == {"drive_copy_matches_zip": True}
    assert changed == verify(daemon) == {"drive_copy_matches_zip": False}
    assert planned_checks(daemon) == []


def test_a_damaged_zip_without_its_folder_is_red(daemon: Daemon) -> None:
    shutil.rmtree(daemon.days.day_path(project(daemon), DAY))
    path = daemon.zips.zip_path(project(daemon), DAY)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)

    assert verify(daemon) == {"zip_matches_day": False, "drive_copy_matches_zip": False}


def test_only_the_days_that_are_named_go(two_days: Daemon) -> None:
    config = {"ops": {"remove_local_copies": {"config": {"dry_run": False, "days": [SECOND.isoformat()]}}}}

    found = report(two_days.execute("free_disk", config=config))

    assert list(found["removed"]) == [SECOND.isoformat()]
    assert two_days.days.dates(project(two_days)) == [DAY]


def test_a_day_whose_folder_is_gone_already_loses_its_zip_too(daemon: Daemon) -> None:
    shutil.rmtree(daemon.days.day_path(project(daemon), DAY))

    assert report(daemon.execute("free_disk", config=REALLY))["days"] == 1
    assert is_here(daemon) == (False, False)


def test_what_an_upload_that_was_killed_kept_beside_the_zip_goes_with_it(daemon: Daemon) -> None:
    kept = session_path(daemon.zips.zip_path(project(daemon), DAY))
    kept.write_text("a secret")

    assert report(daemon.execute("free_disk", config=REALLY))["days"] == 1
    assert not kept.exists()


def test_a_day_that_is_yet_to_be_compared_with_langsmith_stays(daemon: Daemon) -> None:
    daemon.clock.now = at(9)

    found = report(daemon.execute("free_disk", config=REALLY))

    assert "yet to be compared with LangSmith" in found["list"]
    assert is_here(daemon) == (True, True)


def test_a_day_that_is_young_enough_is_not_even_looked_at(daemon: Daemon) -> None:
    daemon.clock.now = at(6)

    found = report(daemon.execute("free_disk", config=REALLY))

    assert (found["days"], found["days_kept"]) == (0, 0)


def change_zip(daemon: Daemon) -> None:
    path = daemon.zips.zip_path(project(daemon), DAY)
    path.write_bytes(path.read_bytes() + b" ")


def lose_zip(daemon: Daemon) -> None:
    daemon.zips.zip_path(project(daemon), DAY).unlink()


def change_folder(daemon: Daemon) -> None:
    (daemon.days.day_path(project(daemon), DAY) / "_summary.json").write_text("{}")


@pytest.mark.parametrize("harm", [change_zip, lose_zip, change_folder])
def test_a_day_that_is_not_what_drive_holds_stays(harm: Any, daemon: Daemon) -> None:
    harm(daemon)
    before = is_here(daemon)

    found = report(daemon.execute("free_disk", config=REALLY))

    assert (found["days"], found["days_kept"]) == (0, 1)
    assert is_here(daemon) == before


def test_a_day_that_drive_has_lost_stays(daemon: Daemon, sandbox: Sandbox) -> None:
    trash_copy(daemon, sandbox)

    found = report(daemon.execute("free_disk", config=REALLY))

    assert "is not on Drive" in found["list"]
    assert is_here(daemon) == (True, True)


def test_a_day_that_somebody_works_on_stays(daemon: Daemon) -> None:
    with daemon.days.locked(project(daemon), DAY):
        found = report(daemon.execute("free_disk", config=REALLY))

    assert "is locked" in found["list"]
    assert is_here(daemon) == (True, True)


def test_what_an_interrupted_removal_left_is_removed_by_the_next(daemon: Daemon) -> None:
    place = daemon.days.day_path(project(daemon), DAY)
    doomed = place.with_name(f".{place.name}.doomed")
    place.rename(doomed)

    sweep(daemon.days, project(daemon))

    assert not doomed.exists()


def test_without_the_setting_nothing_is_removed_and_the_job_says_how_to_set_it(daemon: Daemon) -> None:
    import dataclasses

    daemon.settings = dataclasses.replace(daemon.settings, keep_local_days=None)
    daemon.restart()

    result = daemon.execute("free_disk", config=REALLY)

    failure = result.failure_data_for_node("remove_local_copies")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "LSE_KEEP_LOCAL_DAYS=60" in (failure.user_failure_data.description or "")
    assert is_here(daemon) == (True, True)


# --- several days: what is wrong with the oldest keeps no other -----------------------------------------

SECOND = DAY + timedelta(days=1)


@pytest.fixture
def two_days(sandbox: Sandbox, deploy: Deploy) -> Daemon:
    """The same with two archived days."""
    api = LangSmithApi(sandbox)
    api.add_run(at(1, 12))
    api.add_run(at(2, 12))
    daemon = deploy([api], at(1, 12), LSE_START_DATE=DAY.isoformat(), LSE_KEEP_LOCAL_DAYS="5")
    daemon.tick()
    daemon.run_until(at(3, 6))
    daemon.clock.now = at(40)
    return daemon


def make_a_twin(daemon: Daemon, sandbox: Sandbox) -> None:
    person = Person(sandbox.env)
    name = daemon.zips.zip_path(project(daemon), DAY).name
    (copy,) = person.files.list(
        q=f"name = '{name}'",
        fields="files(parents)",
        includeItemsFromAllDrives=True,
        supportsAllDrives=True,
        corpora="allDrives",
    ).execute()["files"]
    person.make_file(name, copy["parents"][0], b"something else")


def move_and_link(path: Path, elsewhere: Path) -> None:
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def link_the_folder(daemon: Daemon, sandbox: Sandbox) -> None:
    move_and_link(daemon.days.day_path(project(daemon), DAY), daemon.days.root.parent / "elsewhere")


def link_the_zip(daemon: Daemon, sandbox: Sandbox) -> None:
    move_and_link(daemon.zips.zip_path(project(daemon), DAY), daemon.days.root.parent / "elsewhere.zip")


def link_a_file(daemon: Daemon, sandbox: Sandbox) -> None:
    trace = next(daemon.days.day_path(project(daemon), DAY).glob("*Z.json"))
    move_and_link(trace, daemon.days.root.parent / "elsewhere.json")


def whole_tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix != ".lock"}


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (make_a_twin, "Drive has 2 files called"),
        (link_the_folder, "2025-08-01 is a symbolic link"),
        (link_the_zip, "2025-08-01.zip is a symbolic link"),
        (link_a_file, ".json is a symbolic link"),
    ],
)
def test_a_day_that_must_stay_is_told_untouched_and_keeps_no_other(
    harm: Callable[[Daemon, Sandbox], None], why: str, two_days: Daemon, sandbox: Sandbox
) -> None:
    harm(two_days, sandbox)
    folder = two_days.days.root.parent
    others = {name for name in whole_tree(folder) if str(SECOND) not in name}

    first = report(two_days.execute("free_disk", config=REALLY))
    again = report(two_days.execute("free_disk", config=REALLY))

    assert (first["days"], first["days_kept"]) == (1, 1)
    assert (again["days"], again["days_kept"]) == (0, 1)
    assert why in first["list"]
    assert whole_tree(folder) == others


def test_a_link_that_an_older_version_set_aside_is_put_back(two_days: Daemon, sandbox: Sandbox) -> None:
    link_the_folder(two_days, sandbox)
    place = two_days.days.day_path(project(two_days), DAY)
    place.rename(place.with_name(f".{place.name}.doomed"))

    found = report(two_days.execute("free_disk", config=REALLY))

    assert (found["days"], found["days_kept"]) == (1, 1)
    assert two_days.days.load(project(two_days), DAY).path == place


def test_what_cannot_be_removed_fails_the_job_after_the_others_are_done(two_days: Daemon) -> None:
    name = project(two_days)
    leftover = two_days.days.day_path(name, DAY).with_name(".2025-07-31.doomed")
    leftover.write_text("rmtree removes no file")

    result = two_days.execute("free_disk", config=REALLY)

    failure = result.failure_data_for_node("remove_local_copies")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert f"Removing {leftover}" in (failure.user_failure_data.description or "")
    assert two_days.days.dates(name) == []
    observed = two_days.instance.fetch_observations(dg.AssetKey("raw_runs"), limit=9).records
    assert {record.partition_key for record in observed} == {DAY.isoformat(), SECOND.isoformat()}
