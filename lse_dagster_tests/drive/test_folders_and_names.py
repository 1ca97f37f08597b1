"""Folders and names on a Drive where neither is unique: found exactly, made once, twins told apart."""

import threading
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import (
    FolderNotReachable,
    FolderTrashed,
    NotAFolder,
    TwinFiles,
)
from lse_dagster.drive.folder import quoted
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.transfer.upload import Uploaded
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Person, Waits, elsewhere

Local = Callable[[bytes], Path]

awkward_names = st.text(
    alphabet=st.sampled_from("aB'\\\"% ()=/é日\u202e😀") | st.characters(exclude_categories=("Cs", "Cc")),
    min_size=1,
    max_size=30,
)


def test_a_folder_that_is_not_there_has_no_files(drive: DriveArchive, folder: str) -> None:
    assert list(drive.list(folder)) == []
    assert drive.find(folder, "a.zip") is None


def test_looking_makes_no_folder(drive: DriveArchive, person: Person, root_id: str, folder: str) -> None:
    drive.find(folder, "a.zip")
    list(drive.list(folder))

    assert person.live_in(root_id, folder) == []


def test_a_folder_is_made_once(
    drive: DriveArchive, person: Person, root_id: str, folder: str, local: Local
) -> None:
    drive.upload(local(b"1"), folder=folder, name="1.zip")
    drive.upload(local(b"2"), folder=folder, name="2.zip")

    assert len(person.live_in(root_id, folder)) == 1
    assert sorted(file.name for file in drive.list(folder)) == ["1.zip", "2.zip"]


def test_a_folder_in_the_trash_is_not_used_again(
    drive: DriveArchive, person: Person, root_id: str, folder: str, local: Local
) -> None:
    trashed = person.make_folder(folder, root_id)
    person.trash(trashed)

    drive.upload(local(b"1"), folder=folder, name="1.zip")

    (made,) = person.live_in(root_id, folder)
    assert made["id"] != trashed


@hypothesis_settings(max_examples=20)
@given(folder=awkward_names, name=awkward_names)
def test_any_name_is_found_again_exactly(drive: DriveArchive, tmp_path: Path, folder: str, name: str) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"content")
    folder = f"{folder}{uuid4()}"

    uploaded = drive.upload(path, folder=folder, name=name)

    assert drive.find(folder, name) == uploaded.file
    assert [file.name for file in drive.list(folder)] == [name]
    assert drive.find(folder, name + "x") is None


def test_backslashes_are_escaped_before_quotes() -> None:
    assert quoted(r"it's a \ name") == r"'it\'s a \\ name'"


def test_names_that_differ_in_case_are_different_names(
    drive: DriveArchive, folder: str, local: Local
) -> None:
    drive.upload(local(b"small"), folder=folder, name="a.zip")

    other = drive.upload(local(b"large"), folder=folder, name="A.ZIP")

    assert other.action == "created"
    assert drive.find(folder, "A.zip") is None
    found = drive.find(folder, "A.ZIP")
    assert found is not None
    assert found.id == other.file.id


def test_a_file_of_the_same_name_in_another_folder_is_another_file(
    drive: DriveArchive, folder: str, local: Local
) -> None:
    drive.upload(local(b"here"), folder=folder, name="a.zip")

    there = drive.upload(local(b"there"), folder=f"{folder}-2", name="a.zip")

    assert there.action == "created"


def test_a_folder_with_the_name_of_a_file_is_no_file(
    drive: DriveArchive, person: Person, root_id: str, folder: str
) -> None:
    parent = person.make_folder(folder, root_id)
    person.make_folder("a.zip", parent)

    assert drive.find(folder, "a.zip") is None
    assert list(drive.list(folder)) == []


def test_a_long_list_comes_in_pages(
    drive: DriveArchive, person: Person, root_id: str, folder: str, drive_sandbox: ControlClient
) -> None:
    parent = person.make_folder(folder, root_id)
    for number in range(1001):
        body = {"name": f"{number}.zip", "parents": [parent], "mimeType": "application/zip"}
        person.files.create(body=body, supportsAllDrives=True).execute()
    person.make_file("with-content.zip", parent, b"content")
    drive_sandbox.clear()

    names = [file.name for file in drive.list(folder)]

    assert "with-content.zip" in names
    assert sum("pageToken" in request.query for request in drive_sandbox.requests()) >= 1


def test_two_live_files_of_one_name_are_named_and_never_chosen_between(
    drive: DriveArchive, person: Person, root_id: str, folder: str, local: Local
) -> None:
    parent = person.make_folder(folder, root_id)
    twins = [person.make_file("a.zip", parent, b"one"), person.make_file("a.zip", parent, b"two")]

    with pytest.raises(TwinFiles) as when_found:
        drive.find(folder, "a.zip")
    with pytest.raises(TwinFiles) as when_uploaded:
        drive.upload(local(b"three"), folder=folder, name="a.zip")

    assert all(twin in str(when_found.value) for twin in twins)
    assert all(twin in str(when_uploaded.value) for twin in twins)
    assert len(person.live_in(parent)) == 2


def test_files_in_twin_folders_are_all_seen_and_new_ones_go_to_the_oldest(
    drive: DriveArchive, person: Person, root_id: str, folder: str, local: Local
) -> None:
    younger = person.make_folder(folder, root_id)
    older = person.make_folder(folder, root_id, createdTime="2025-08-01T00:00:00.000Z")
    person.make_file("a.zip", older, b"a")
    in_younger = person.make_file("b.zip", younger, b"b")

    uploaded = drive.upload(local(b"c"), folder=folder, name="c.zip")

    assert sorted(file.name for file in drive.list(folder)) == ["a.zip", "b.zip", "c.zip"]
    found = drive.find(folder, "b.zip")
    assert found is not None
    assert found.id == in_younger
    assert uploaded.file.id in [file["id"] for file in person.live_in(older)]


@pytest.mark.parametrize("same", [True, False])
def test_writers_at_the_same_moment_leave_one_file_or_a_loud_error(
    settings: DriveSettings,
    person: Person,
    root_id: str,
    folder: str,
    local: Local,
    waits: Waits,
    drive_sandbox: ControlClient,
    same: bool,
) -> None:
    # Lists lag behind, so that no writer sees the others before it has made its own folder and file.
    paths = [local(b"content" if same else f"content {number}".encode()) for number in range(3)]
    drive_sandbox.latency({r"upload/drive/v3/files": 0.05})
    barrier = threading.Barrier(3)
    results: list[Uploaded | Exception] = []

    def write(path: Path) -> None:
        with DriveArchive.connect(settings, backoff=waits.backoff()) as drive:
            barrier.wait()
            try:
                results.append(drive.upload(path, folder=folder, name="a.zip"))
            except Exception as error:
                results.append(error)

    threads = [threading.Thread(target=write, args=[path]) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with DriveArchive.connect(settings) as drive:
        if same:
            (left,) = drive.list(folder)
            assert all(isinstance(result, Uploaded) and result.file.id == left.id for result in results)
            assert sum(isinstance(result, Uploaded) and result.action == "created" for result in results) == 1
        else:
            assert any(isinstance(result, TwinFiles | AssertionError) for result in results)
            assert len({file.md5 for file in drive.list(folder)}) == len(list(drive.list(folder)))
    assert len(person.live_in(root_id, folder)) == 1


def test_a_trashed_root_is_an_error_that_says_so(
    settings: DriveSettings, person: Person, root_id: str, folder: str
) -> None:
    trashed = person.make_folder(folder, root_id)
    person.trash(trashed)

    with pytest.raises(FolderTrashed, match="GOOGLE_DRIVE_FOLDER_URL"):
        DriveArchive.connect(elsewhere(settings, trashed))


def test_a_file_as_root_is_an_error_that_says_so(
    settings: DriveSettings, person: Person, root_id: str, folder: str
) -> None:
    file_id = person.make_file(folder, root_id, b"a file")

    with pytest.raises(NotAFolder, match=r"application/octet-stream.*GOOGLE_DRIVE_FOLDER_URL"):
        DriveArchive.connect(elsewhere(settings, file_id))


def test_a_root_that_the_account_cannot_see_is_an_error_that_names_the_account(
    settings: DriveSettings,
) -> None:
    with pytest.raises(FolderNotReachable, match=r"gserviceaccount\.com"):
        DriveArchive.connect(elsewhere(settings, "1NoSuchFolderNoSuchFolderNoSuchFo"))


def test_the_root_of_a_shared_drive_is_a_folder_too(
    settings: DriveSettings, env: dict[str, str], person: Person, folder: str, local: Local
) -> None:
    with DriveArchive.connect(elsewhere(settings, env["SANDBOX_SHARED_DRIVE_ID"])) as drive:
        drive.upload(local(b"content"), folder=folder, name="a.zip")

        assert [file.name for file in drive.list(folder)] == ["a.zip"]
        assert drive.folder_link()
