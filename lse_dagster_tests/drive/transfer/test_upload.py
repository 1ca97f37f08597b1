"""Uploads when nothing goes wrong on the way: what is created, replaced, refused, and left alone."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import LocalFileChanged, LocalFileUnreadable, UploadCorrupted
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Person, put, some_bytes

Local = Callable[[bytes], Path]


@pytest.mark.parametrize("size", [0, 1, 5, 256 * 1024, 3 * 1024 * 1024 + 17])
def test_a_file_of_any_size_arrives_whole(
    drive: DriveArchive, person: Person, folder: str, local: Local, size: int
) -> None:
    content = some_bytes(size)

    uploaded = drive.upload(local(content), folder=folder, name="a.zip")

    assert (uploaded.action, uploaded.bytes_sent, uploaded.retries) == ("created", size, 0)
    assert person.content(uploaded.file.id) == content
    assert uploaded.file.name == "a.zip"
    assert uploaded.file.size == size
    assert uploaded.file.sha256 == hashlib.sha256(content).hexdigest()
    assert uploaded.file.created_time.tzinfo is not None
    assert drive.find(folder, "a.zip") == uploaded.file


def test_a_person_with_a_stored_token_uploads_to_their_own_drive(
    oauth_settings: DriveSettings, person: Person, folder: str, local: Local
) -> None:
    with DriveArchive.connect(oauth_settings) as drive:
        uploaded = drive.upload(local(b"mine"), folder=folder, name="a.zip")

    assert person.content(uploaded.file.id) == b"mine"


def test_the_same_content_is_sent_once(drive: DriveArchive, folder: str, local: Local) -> None:
    content = some_bytes(1000)
    first = drive.upload(local(content), folder=folder, name="a.zip")

    second = drive.upload(local(content), folder=folder, name="a.zip")

    assert (second.action, second.bytes_sent) == ("unchanged", 0)
    assert second.file == first.file


def test_other_content_replaces_the_same_file_and_keeps_the_old_as_a_revision(
    drive: DriveArchive, person: Person, folder: str, local: Local
) -> None:
    first = drive.upload(local(b"old"), folder=folder, name="a.zip")

    second = drive.upload(local(b"new content"), folder=folder, name="a.zip", replacing=first.file)

    assert second.action == "updated"
    assert second.file.id == first.file.id
    assert person.content(first.file.id) == b"new content"
    assert person.revisions_of(first.file.id) == [first.file.head_revision_id, second.file.head_revision_id]


def test_a_file_in_the_trash_is_no_file(
    drive: DriveArchive, person: Person, folder: str, local: Local
) -> None:
    first = drive.upload(local(b"old"), folder=folder, name="a.zip")
    person.trash(first.file.id)

    second = drive.upload(local(b"new"), folder=folder, name="a.zip")

    assert second.action == "created"
    assert second.file.id != first.file.id
    assert [file.id for file in drive.list(folder)] == [second.file.id]


def test_a_copy_that_drive_stored_wrongly_is_removed(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.settings(corrupt_uploads=1)

    with pytest.raises(UploadCorrupted, match="moved to the trash") as caught:
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert caught.value.transient
    assert list(drive.list(folder)) == []
    again = drive.upload(local(b"content"), folder=folder, name="a.zip")
    assert person.content(again.file.id) == b"content"


def test_a_bad_copy_that_may_not_be_removed_is_named(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.settings(corrupt_uploads=1, service_account_role="writer")

    with pytest.raises(UploadCorrupted, match="must be removed by hand") as caught:
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    (left,) = drive.list(folder)
    assert left.id in caught.value.why


def test_a_replacement_that_drive_stored_wrongly_names_the_intact_revision(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    first = drive.upload(local(b"old"), folder=folder, name="a.zip")
    drive_sandbox.settings(corrupt_uploads=1)

    with pytest.raises(UploadCorrupted) as caught:
        put(drive, local(b"new"), folder=folder, name="a.zip")

    assert first.file.head_revision_id in caught.value.why
    assert first.file.head_revision_id in person.revisions_of(first.file.id)


def test_md5_decides_where_drive_gives_no_sha256(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.settings(omit_sha256=True)

    first = drive.upload(local(b"content"), folder=folder, name="a.zip")
    second = drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert first.file.sha256 is None
    assert second.action == "unchanged"


def test_a_local_file_that_grows_meanwhile_is_an_error_and_leaves_nothing(
    drive: DriveArchive, folder: str, local: Local
) -> None:
    path = local(some_bytes(2 * 1024 * 1024))

    def grow(done: int, total: int) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(LocalFileChanged):
        drive.upload(path, folder=folder, name="a.zip", on_progress=grow)

    assert list(drive.list(folder)) == []


def test_a_local_file_that_shrinks_meanwhile_is_an_error_and_leaves_nothing(
    drive: DriveArchive, folder: str, local: Local
) -> None:
    path = local(some_bytes(3 * 1024 * 1024))

    def shrink(done: int, total: int) -> None:
        with path.open("r+b") as file:
            file.truncate(1024)

    with pytest.raises(LocalFileChanged):
        drive.upload(path, folder=folder, name="a.zip", on_progress=shrink)

    assert list(drive.list(folder)) == []


def test_a_missing_local_file_is_named(drive: DriveArchive, folder: str, tmp_path: Path) -> None:
    with pytest.raises(LocalFileUnreadable, match=r"no-such\.zip"):
        drive.upload(tmp_path / "no-such.zip", folder=folder, name="a.zip")


def test_progress_ends_at_the_size(drive: DriveArchive, folder: str, local: Local) -> None:
    size = 2 * 1024 * 1024 + 5
    seen: list[tuple[int, int]] = []

    drive.upload(
        local(some_bytes(size)),
        folder=folder,
        name="a.zip",
        on_progress=lambda done, total: seen.append((done, total)),
    )

    assert seen == [(1024 * 1024, size), (2 * 1024 * 1024, size), (size, size)]


def test_every_request_reaches_shared_drives_and_the_content_goes_in_one_request(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive.upload(local(some_bytes(5 * 1024 * 1024)), folder=folder, name="a.zip")

    requests = drive_sandbox.requests()
    about_files = [r for r in requests if "/files" in r.path and "generateIds" not in r.path]
    lists = [r for r in requests if r.method == "GET" and r.path.endswith("/drive/v3/files")]
    assert all("supportsAllDrives=true" in r.query for r in about_files)
    assert lists
    assert all("includeItemsFromAllDrives=true" in r.query and "trashed" in r.query for r in lists)
    assert [r.bytes_in for r in requests if r.method == "PUT"] == [5 * 1024 * 1024]
