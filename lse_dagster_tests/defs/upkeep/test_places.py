"""What a day needs is decided by what lies on the disk, on Drive and on LangSmith, not by records."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from lse_dagster.day.names import project_path_part
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.steps.drive_copy import find_copy
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.unattended import Clock, Daemon, instance_of_a_daemon


def replace_the_disk(place: Place) -> None:
    for folder in (place.daemon.settings.data_dir, place.daemon.settings.archives_dir):
        shutil.rmtree(folder)


def remove_from_drive(place: Place) -> None:
    with DriveArchive.connect(place.daemon.settings.drive) as drive:
        found = find_copy(drive, place.api.project, DAY)
        assert found is not None
        drive.set_aside(found)


def test_a_day_whose_disk_was_replaced_while_drive_was_full_is_fetched_again(place: Place) -> None:
    root = place.api.add_run(at(1, 12))
    place.drive.fault(path="/upload/", status=403, times=100_000)
    place.daemon.run_until(at(2, 12))
    replace_the_disk(place)
    place.drive.clear_faults()

    place.look_often(hours=12)

    assert place.on_drive().run_ids() == {root}
    assert place.steps(DAY)[-1] == "fetch"


def test_a_day_that_is_safe_on_drive_needs_nothing_when_the_disk_is_replaced(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.skip_to(at(4))
    replace_the_disk(place)
    before = place.steps()

    place.look_often(hours=3)

    assert place.steps() == before


def test_a_copy_that_somebody_removed_from_drive_is_sent_again(place: Place) -> None:
    root = place.api.add_run(at(1, 12))
    place.skip_to(at(4))
    copy = place.on_drive()
    remove_from_drive(place)

    place.look_often(hours=3)

    assert place.steps(DAY) == ["fetch", "upload"]
    assert (place.on_drive().run_ids(), place.on_drive().sha256()) == ({root}, copy.sha256())


def test_a_zip_without_its_folder_is_sent_as_it_is(place: Place) -> None:
    root = place.api.add_run(at(1, 12))
    place.skip_to(at(4))
    remove_from_drive(place)
    shutil.rmtree(place.daemon.settings.data_dir / project_path_part(place.api.project))

    place.skip_to(at(20))  # LangSmith has forgotten the day by now
    place.look_often(hours=1)

    assert place.on_drive().run_ids() == {root}


def test_a_day_that_is_here_is_neither_fetched_again_nor_sent_again_without_records(
    place: Place, other_home: Daemon
) -> None:
    place.api.add_run(at(1, 12))
    place.skip_to(at(4))

    other_home.clock.now = at(4)
    other_home.run_until(at(4, 12), every=timedelta(hours=2))

    steps = [run.tags["lse/step"].partition("/")[2] for run in other_home.runs()]
    assert [step for step in steps if step.startswith("2025-08-01")] == ["2025-08-01/upload"]
    (copied,) = other_home.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey("drive_archive"), asset_partitions=[DAY.isoformat()]), limit=9
    ).records
    assert copied.asset_materialization is not None
    assert copied.asset_materialization.metadata["bytes_sent"].value == 0


@pytest.fixture
def other_home(place: Place, tmp_path: Path) -> Iterator[Daemon]:
    """The same deployment after Dagster's database was lost."""
    with instance_of_a_daemon(tmp_path / "other schedules") as instance:
        yield Daemon(place.daemon.settings, instance, Clock(at(4)), place.daemon.servers)


def test_a_step_is_tried_again_though_somebody_deletes_its_runs(place: Place) -> None:
    root = place.api.add_run(at(1, 12))
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    place.daemon.run_until(at(2, 20))
    first, *others = place.daemon.runs("2025-08-01/fetch")
    place.daemon.instance.delete_run(first.run_id)
    place.langsmith.clear_faults()

    place.daemon.run_until(at(3))

    assert others
    assert place.on_drive().run_ids() == {root}


def test_a_day_whose_fetch_is_mended_hours_before_it_expires_is_archived(place: Place) -> None:
    root = place.api.add_run(at(1, 12))
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    place.skip_to(at(14, 2))
    place.daemon.run_until(at(14, 20), every=timedelta(hours=9))
    place.langsmith.clear_faults()

    place.daemon.run_until(at(15) - timedelta(minutes=1), every=timedelta(hours=1))

    assert place.on_drive().run_ids() == {root}
