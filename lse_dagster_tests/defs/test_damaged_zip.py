"""A damaged zip never travels, whatever the policy, and a zip that rots does not agree with itself."""

import os
import zipfile
from pathlib import Path

import dagster as dg
import pytest

from lse_dagster.day.names import day_zip_name
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.zip_proof import PROVED
from lse_dagster_tests.drive.conftest import Person
from lse_dagster_tests.worlds.day_archive import DATE, DayArchive, evaluation, failure

POLICIES = ("never", "superset", "always")


@pytest.fixture
def person(sandbox: Sandbox, drive_sandbox: ControlClient) -> Person:
    return Person(sandbox.env)


@pytest.fixture
def path(archive: DayArchive) -> Path:
    """The day's zip, which is made and not yet on Drive."""
    archive.api.add_runs(20)
    assert archive.materialize(["raw_runs", "day_zip"]).success
    return archive.zips.existing_path(archive.project, DATE)


def upload(archive: DayArchive, overwrite: str = "superset") -> dg.ExecuteInProcessResult:
    return archive.materialize(["drive_archive"], config={"drive_archive": {"overwrite": overwrite}})


def rot(path: Path) -> None:
    """One byte of a trace is another one; size and times are as they were."""
    status = path.stat()
    with zipfile.ZipFile(path) as archive, path.open("r+b") as file:
        trace = archive.infolist()[-2]
        file.seek(trace.header_offset + 30 + len(trace.filename) + trace.compress_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0xFF]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def copies(person: Person, archive: DayArchive) -> list[str]:
    """The ids of what is on Drive under the zip's name."""
    name = day_zip_name(archive.project, DATE)
    answer = person.files.list(
        q=f"name = '{name}' and trashed = false",
        corpora="allDrives",
        supportsAllDrives=True,
        includeItemsFromAllDrives=True,
    ).execute()
    return [found["id"] for found in answer["files"]]


def in_a_new_home(archive: DayArchive) -> DayArchive:
    """The same project and folders, and nothing that Dagster remembers."""
    return DayArchive(archive.api, archive.folder, dg.DagsterInstance.ephemeral())


def drive_check(archive: DayArchive) -> dg.AssetCheckEvaluation:
    return evaluation(archive.verify(), "drive_copy_matches_zip")


@pytest.mark.parametrize("home", ["the home that made it", "a new home"])
@pytest.mark.parametrize("on_drive", ["nothing", "a good copy", "the same damaged bytes"])
@pytest.mark.parametrize("overwrite", POLICIES)
def test_a_damaged_zip_is_not_sent(
    archive: DayArchive,
    person: Person,
    path: Path,
    drive_sandbox: ControlClient,
    overwrite: str,
    on_drive: str,
    home: str,
) -> None:
    if on_drive != "nothing":
        assert upload(archive).success
    rot(path)
    if on_drive == "the same damaged bytes":
        (copy,) = copies(person, archive)
        person.replace(copy, path.read_bytes())
    before = [person.get(copy) for copy in copies(person, archive)]
    drive_sandbox.clear()

    refused = upload(archive if home == "the home that made it" else in_a_new_home(archive), overwrite)

    assert not refused.success
    told = failure(refused, "drive_archive")
    assert "The zip is damaged" in (told.description or "")
    assert "lse archive zip" in str(told.metadata)
    assert [person.get(copy) for copy in copies(person, archive)] == before
    assert not any("/upload/" in request.path for request in drive_sandbox.requests())


def test_a_damaged_zip_is_made_again_and_then_travels(
    archive: DayArchive, person: Person, path: Path
) -> None:
    whole = path.read_bytes()
    rot(path)

    assert archive.materialize(["day_zip", "drive_archive"]).success

    assert path.read_bytes() == whole
    assert [person.content(copy) for copy in copies(person, archive)] == [whole]


def test_a_copy_carries_the_hash_that_was_proved(archive: DayArchive, person: Person, path: Path) -> None:
    assert upload(archive).success

    (copy,) = copies(person, archive)
    found = person.get(copy)
    latest = archive.instance.get_latest_materialization_event(dg.AssetKey("day_zip"))
    assert latest is not None and latest.asset_materialization is not None
    assert latest.asset_materialization.metadata["sha256"].value == found["sha256Checksum"]


@pytest.mark.parametrize("omit_sha256", [False, True])
@pytest.mark.parametrize("known_to", ["Dagster", "Drive", "nobody"])
def test_a_zip_and_a_copy_that_rotted_alike_do_not_agree(
    archive: DayArchive,
    person: Person,
    path: Path,
    drive_sandbox: ControlClient,
    known_to: str,
    omit_sha256: bool,
) -> None:
    drive_sandbox.settings(omit_sha256=omit_sha256)
    assert upload(archive).success
    (copy,) = copies(person, archive)
    looking = archive if known_to == "Dagster" else in_a_new_home(archive)
    sound = drive_check(looking if known_to != "nobody" else in_a_new_home(archive))
    rot(path)
    person.replace(copy, path.read_bytes())
    if known_to != "Drive":
        person.trash(copy)
        parent = person.get(copy)["parents"][0]
        person.make_file(path.name, parent, path.read_bytes())

    found = drive_check(looking)

    assert sound.passed
    assert not found.passed
    words = "is damaged" if known_to == "nobody" else "is not what was proved"
    assert words in (found.description or "")


def test_a_zip_of_before_is_proved_by_the_check_and_its_hash_is_recorded(
    archive: DayArchive, person: Person, path: Path
) -> None:
    assert upload(archive).success
    (made,) = copies(person, archive)
    parent = person.get(made)["parents"][0]
    person.trash(made)
    person.make_file(path.name, parent, path.read_bytes())
    elsewhere = in_a_new_home(archive)

    first = drive_check(elsewhere)
    # The same good zip of another making: in itself it is right, and it is not what was recorded.
    assert archive.materialize(["raw_runs", "day_zip"], config={"raw_runs": {"overwrite": "always"}}).success
    second = drive_check(elsewhere)

    assert first.passed
    assert not second.passed
    assert "recorded is" in (second.description or "")


def test_a_copy_of_the_same_bytes_without_a_hash_gets_one_and_is_not_sent_again(
    archive: DayArchive, person: Person, path: Path
) -> None:
    assert upload(archive).success
    (made,) = copies(person, archive)
    parent = person.get(made)["parents"][0]
    person.trash(made)
    by_hand = person.make_file(path.name, parent, path.read_bytes())

    again = upload(archive)

    (event,) = again.get_asset_materialization_events()
    assert event.materialization.metadata["action"].value == "unchanged"
    assert event.materialization.metadata["bytes_sent"].value == 0
    assert copies(person, archive) == [by_hand]
    looking = in_a_new_home(archive)
    assert drive_check(looking).passed
    assert looking.instance.fetch_observations(dg.AssetKey("day_zip"), limit=1).records[0] is not None


def test_the_property_fits_drives_limit() -> None:
    assert len(PROVED) + 64 <= 124
