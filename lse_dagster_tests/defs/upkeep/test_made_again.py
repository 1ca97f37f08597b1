"""A project that is deleted and made again under its name has another id: it is another project."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from lse_dagster.cli.doctor.services import check_projects
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.identity import id_hash
from lse_dagster.day.names import day_zip_name, project_path_part
from lse_dagster.day.zip.file import read_zip
from lse_dagster.defs.check_table import COPY
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.steps.drive_copy import find_copy
from lse_dagster.steps.zip_proof import PROVED
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.webhook_receiver import Receiver

PARTITION = {"dagster/partition": str(DAY)}


def make_again(place: Place) -> tuple[str, str]:
    """The old id and the new one."""
    api, old = place.api, place.api.project_id
    assert api.session.delete(f"{api.url}/sessions/{old}").ok
    api.project_id = api.post("/sessions", {"name": api.project}).json()["id"]
    return old, api.project_id


def content(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def folder_of(place: Place, project_id: str, day: date = DAY) -> DayFolder:
    return place.daemon.days.load(place.api.project, day, project_id)


def copies(place: Place, day: date = DAY) -> dict[str, set[str]]:
    """The runs of each copy on Drive, by its name."""
    found = {}
    with DriveArchive.connect(place.daemon.settings.drive) as drive:
        for file in drive.list(project_path_part(place.api.project)):
            if str(day) in file.name and "damaged" not in file.name:
                path = Path(place.daemon.settings.archives_dir, "looked-at.zip")
                drive.download(file, path)
                found[file.name] = read_zip(path, project=place.api.project, day=day).run_ids()
                path.unlink()
    return found


def test_its_days_lie_beside_those_that_are_there_and_neither_touches_the_other(place: Place) -> None:
    first = place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 6))
    plain = place.daemon.days.day_path(place.api.project, DAY)
    before = content(plain)

    old, new = make_again(place)
    second = place.api.add_run(at(1, 20))
    third = place.api.add_run(at(2, 8))
    place.daemon.run_until(at(4))

    beside = plain.with_name(f"{DAY}~{id_hash(new)}")
    assert content(plain) == before
    assert (folder_of(place, old).path, folder_of(place, new).path) == (plain, beside)
    assert (folder_of(place, old).run_ids(), folder_of(place, new).run_ids()) == ({first}, {second})
    assert copies(place) == {
        day_zip_name(place.api.project, DAY): {first},
        day_zip_name(place.api.project, DAY, id_hash(new)): {second},
    }
    assert copies(place, date(2025, 8, 2)) == {day_zip_name(place.api.project, date(2025, 8, 2)): {third}}
    zips = place.daemon.zips
    assert zips.load(place.api.project, DAY, old).run_ids() == {first}
    assert zips.load(place.api.project, DAY).run_ids() == {second}


def test_a_day_on_which_the_new_one_has_no_run_stays_what_it_was(place: Place, receiver: Receiver) -> None:
    first = place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 6))
    before = content(place.daemon.days.day_path(place.api.project, DAY))

    make_again(place)
    place.daemon.run_until(at(4), every=timedelta(hours=12))
    place.skip_to(at(13))
    place.daemon.run_until(at(16), every=timedelta(hours=12))

    assert content(place.daemon.days.day_path(place.api.project, DAY)) == before
    assert copies(place) == {day_zip_name(place.api.project, DAY): {first}}
    assert len(place.steps(DAY)) <= 3
    assert [text for text in receiver.texts if "another project of this name" not in text] == []


def test_a_day_that_was_not_on_drive_yet_goes_there_with_the_new_one(place: Place) -> None:
    first = place.api.add_run(at(1, 12))
    place.drive.fault(path="/upload/", status=403, times=100_000)
    place.daemon.run_until(at(2, 6))

    make_again(place)
    second = place.api.add_run(at(1, 20))
    place.daemon.run_until(at(3, 12))
    place.drive.clear_faults()
    place.daemon.run_until(at(5))

    assert sorted(copies(place).values(), key=sorted) == sorted([{first}, {second}], key=sorted)


def test_a_restore_brings_the_day_of_the_project_of_now_or_of_the_id_that_is_asked_for(place: Place) -> None:
    first = place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 6))
    old, new = make_again(place)
    second = place.api.add_run(at(1, 20))
    place.daemon.run_until(at(4))
    shutil.rmtree(place.daemon.settings.data_dir)

    assert place.daemon.execute("restore", tags=PARTITION).success
    assert place.daemon.days.load(place.api.project, DAY).run_ids() == {second}
    config = {"ops": {"raw_runs": {"config": {"source": "drive", "project_id": old}}}}
    assert place.daemon.execute("restore", config=config, tags=PARTITION).success

    assert (folder_of(place, old).run_ids(), folder_of(place, new).run_ids()) == ({first}, {second})
    assert folder_of(place, old).path != folder_of(place, new).path


@pytest.mark.parametrize("overwrite", ["superset", "always"])
def test_no_policy_lets_one_replace_or_unite_with_the_other(place: Place, overwrite: str) -> None:
    first = place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 6))
    old, new = make_again(place)
    second = place.api.add_run(at(1, 20))

    steps = ("raw_runs", "day_zip", "drive_archive")
    config = {"ops": {step: {"config": {"overwrite": overwrite}} for step in steps}}
    assert place.daemon.execute("archive", config=config, tags=PARTITION).success

    assert (folder_of(place, old).run_ids(), folder_of(place, new).run_ids()) == ({first}, {second})
    assert folder_of(place, new).summary.counts.kept_runs == 0
    assert sorted(copies(place).values(), key=sorted) == sorted([{first}, {second}], key=sorted)


def test_what_lies_here_is_freed_when_each_is_verified_on_drive(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 6))
    make_again(place)
    place.api.add_run(at(1, 20))
    place.daemon.run_until(at(4))
    place.daemon.clock.now = at(30)
    place.daemon.settings = replace(place.daemon.settings, keep_local_days=5)
    place.daemon.restart()
    held = copies(place)

    config = {"ops": {"remove_local_copies": {"config": {"dry_run": False}}}}
    results = [place.daemon.execute("free_disk", config=config).success for _ in range(2)]

    assert results == [True, True]
    assert place.daemon.days.dates(place.api.project)[:1] != [DAY]
    assert copies(place) == held


def test_another_id_is_told_once_and_by_the_doctor(place: Place, receiver: Receiver) -> None:
    place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 6))
    old, new = make_again(place)
    (warned,) = check_projects(place.daemon.settings)
    place.api.add_run(at(2, 12))
    place.daemon.run_until(at(6))

    told = [text for text in receiver.texts if "another project of this name" in text]
    assert len(told) == 1
    assert (old in told[0], new in told[0]) == (True, True)
    assert (warned.level, old in warned.text, new in warned.text) == ("warning", True, True)
    assert [found.level for found in check_projects(place.daemon.settings)] == ["ok"]


def test_an_old_copy_that_says_no_id_is_looked_into(place: Place) -> None:
    """Copies from before the id was written down with them."""
    first = place.api.add_run(at(1, 12))
    place.daemon.run_until(at(2, 6))
    zipped = place.daemon.zips.load(place.api.project, DAY)
    with DriveArchive.connect(place.daemon.settings.drive) as drive:
        copy = find_copy(drive, place.api.project, DAY)
        assert copy is not None
        drive.set_aside(copy)
        drive.upload(
            zipped.path,
            folder=project_path_part(place.api.project),
            name=copy.name,
            properties={PROVED: zipped.sha256()},
        )
    make_again(place)
    second = place.api.add_run(at(1, 20))

    place.daemon.run_until(at(4))

    assert sorted(copies(place).values(), key=sorted) == sorted([{first}, {second}], key=sorted)


@pytest.mark.parametrize("spoilt", ["trace", "no trace", "zip"])
def test_what_is_damaged_of_one_does_not_keep_the_other_from_drive(place: Place, spoilt: str) -> None:
    first = place.api.add_run(at(1, 12))
    place.drive.fault(path="/upload/", status=403, times=100_000)
    place.daemon.run_until(at(2, 6))
    old, _ = make_again(place)
    second = place.api.add_run(at(1, 20))
    zipped = place.daemon.zips.zip_path(place.api.project, DAY, old)
    (trace,) = folder_of(place, old).path.glob("*Z.json")
    if spoilt == "zip":
        zipped.write_bytes(zipped.read_bytes()[:60] + b"123456789" + zipped.read_bytes()[69:])
    else:
        zipped.unlink()
        trace.write_bytes(b"{}") if spoilt == "trace" else trace.unlink()
    place.drive.clear_faults()

    place.daemon.run_until(at(3, 12), every=timedelta(hours=12))

    held = [*copies(place).values()]
    assert {second} in held
    told = [found.description or "" for found in place.failed_checks("drive_archive", COPY.name)]
    assert any("is of another project of this name" in why for why in told) == ({first} not in held)


def test_with_days_of_both_on_drive_none_counts_as_not_there(place: Place) -> None:
    """The older one came there last: it was not there yet."""
    place.count_soon()
    place.daemon.restart()
    place.api.add_run(at(1, 12))
    place.drive.fault(path="/upload/", status=403, times=100_000)
    place.daemon.run_until(at(2, 6))
    make_again(place)
    for hour in range(12, 22):
        place.api.add_run(at(1, hour), inputs={"text": "more" * hour})
    place.daemon.run_until(at(3, 12))
    place.drive.clear_faults()
    place.daemon.run_until(at(4, 18))
    assert len(copies(place)) == 2
    assert not place.failed_checks("drive_archive", COPY.name)
    asked = place.steps(DAY)

    place.daemon.run_until(at(6, 6), every=timedelta(hours=12))

    assert place.steps(DAY)[len(asked) :] == ["count"]
