"""Downloads: verified, resumed, in one step, and never of something else than was listed."""

import fcntl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import (
    DownloadCorrupted,
    DownloadInProgress,
    DriveUnavailable,
    FileMissing,
    FileReplaced,
    LocalFileUnwritable,
)
from lse_dagster.drive.file import DriveFile
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Person, Where, put, some_bytes

MEDIA: Where = {"method": "GET", "path": r"/drive/v3/files/.*alt=media"}
SIZE = 5 * 1024 * 1024 + 3


@pytest.fixture
def content() -> bytes:
    return some_bytes(SIZE)


@pytest.fixture
def stored(drive: DriveArchive, folder: str, local: Callable[[bytes], Path], content: bytes) -> DriveFile:
    return drive.upload(local(content), folder=folder, name="a.zip").file


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "down" / "a.zip"


def left_beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir()) if target.parent.exists() else []


def test_what_went_up_comes_down(
    drive: DriveArchive, stored: DriveFile, target: Path, content: bytes
) -> None:
    progress: list[tuple[int, int]] = []

    downloaded = drive.download(
        stored, target, on_progress=lambda done, total: progress.append((done, total))
    )

    assert target.read_bytes() == content
    assert left_beside(target) == ["a.zip"]
    assert (downloaded.path, downloaded.file, downloaded.bytes_received) == (target, stored, SIZE)
    assert progress[-1] == (SIZE, SIZE)


def test_an_empty_file_comes_down(
    drive: DriveArchive, folder: str, local: Callable[[bytes], Path], target: Path
) -> None:
    stored = drive.upload(local(b""), folder=folder, name="a.zip").file

    drive.download(stored, target)

    assert target.read_bytes() == b""


def test_an_old_file_at_the_target_is_replaced(
    drive: DriveArchive, stored: DriveFile, target: Path, content: bytes
) -> None:
    target.parent.mkdir()
    target.write_bytes(b"old")

    drive.download(stored, target)

    assert target.read_bytes() == content


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("omit_sha256", [False, True])
@pytest.mark.parametrize(
    ("here", "saves"),
    [
        ([lambda content: content], True),
        ([flipped], False),
        ([lambda content: content[:-1]], False),
        ([lambda content: content + b"!"], False),
        ([lambda content: b""], False),
        ([flipped, lambda content: content], True),
    ],
    ids=["the same", "one bit", "shorter", "longer", "empty", "the second"],
)
def test_a_file_that_is_here_saves_the_download_where_drive_tells_its_size_and_checksum(
    here: list[Callable[[bytes], bytes]],
    saves: bool,
    omit_sha256: bool,
    drive: DriveArchive,
    folder: str,
    local: Callable[[bytes], Path],
    content: bytes,
    target: Path,
    tmp_path: Path,
    drive_sandbox: ControlClient,
) -> None:
    drive_sandbox.settings(omit_sha256=omit_sha256)
    stored = drive.upload(local(content), folder=folder, name="a.zip").file
    files = [tmp_path / f"{number}.zip" for number in range(len(here))]
    for path, change in zip(files, here, strict=True):
        path.write_bytes(change(content))
    drive_sandbox.clear_requests()

    downloaded = drive.download(stored, target, here=[tmp_path / "none", tmp_path, *files])

    assert target.read_bytes() == content
    assert left_beside(target) == ["a.zip"]
    assert downloaded.bytes_received == (0 if saves else SIZE)
    assert any("alt=media" in request.query for request in drive_sandbox.requests()) is not saves


def test_a_file_that_is_here_is_not_taken_for_a_copy_that_has_other_content_by_now(
    drive: DriveArchive,
    stored: DriveFile,
    folder: str,
    local: Callable[[bytes], Path],
    content: bytes,
    target: Path,
    tmp_path: Path,
) -> None:
    here = tmp_path / "here.zip"
    here.write_bytes(content)
    drive.upload(local(b"other"), folder=folder, name="a.zip", replacing=stored)

    with pytest.raises(FileReplaced):
        drive.download(stored, target, here=[here])

    assert left_beside(target) == []


def test_a_broken_stream_goes_on_where_it_stopped(
    drive: DriveArchive, stored: DriveFile, target: Path, content: bytes, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.clear()
    drive_sandbox.fault(**MEDIA, drop_after=2 * 1024 * 1024 + 5)

    downloaded = drive.download(stored, target)

    assert target.read_bytes() == content
    assert downloaded.retries == 1
    ranges = [r.headers["range"] for r in drive_sandbox.requests() if "alt=media" in r.query]
    assert ranges[0] == "bytes=0-"
    assert int(ranges[1].removeprefix("bytes=").removesuffix("-")) >= 1024 * 1024


def test_a_cleanly_cut_body_is_noticed_and_gone_on_with(
    drive: DriveArchive, stored: DriveFile, target: Path, content: bytes, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(**MEDIA, truncate=1024 * 1024)

    drive.download(stored, target)

    assert target.read_bytes() == content


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_refused_start_is_tried_again(
    drive: DriveArchive,
    stored: DriveFile,
    target: Path,
    content: bytes,
    drive_sandbox: ControlClient,
    status: int,
) -> None:
    drive_sandbox.fault(**MEDIA, status=status, times=2)

    assert drive.download(stored, target).retries == 2
    assert target.read_bytes() == content


def test_a_server_that_ignores_the_range_sends_everything_again(
    drive: DriveArchive, stored: DriveFile, target: Path, content: bytes, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(**MEDIA, drop_after=2 * 1024 * 1024)
    drive_sandbox.fault(**MEDIA, status=200, body="x" * SIZE)

    with pytest.raises(DownloadCorrupted):  # the wrong bytes, but from the start and in full
        drive.download(stored, target)

    assert left_beside(target) == []


def test_corrupted_bytes_never_reach_the_target(
    drive: DriveArchive, stored: DriveFile, target: Path, drive_sandbox: ControlClient
) -> None:
    target.parent.mkdir()
    target.write_bytes(b"old")
    drive_sandbox.fault(**MEDIA, corrupt=True)

    with pytest.raises(DownloadCorrupted) as caught:
        drive.download(stored, target)

    assert caught.value.transient
    assert target.read_bytes() == b"old"
    assert left_beside(target) == ["a.zip"]


def test_md5_decides_where_drive_gives_no_sha256(
    drive: DriveArchive,
    stored: DriveFile,
    folder: str,
    target: Path,
    content: bytes,
    drive_sandbox: ControlClient,
) -> None:
    drive_sandbox.settings(omit_sha256=True)
    (listed,) = drive.list(folder)
    drive_sandbox.fault(**MEDIA, corrupt=True)

    with pytest.raises(DownloadCorrupted, match=stored.md5):
        drive.download(listed, target)
    drive.download(listed, target)

    assert target.read_bytes() == content


def test_content_that_rotted_on_drive_never_reaches_the_target(
    drive: DriveArchive, stored: DriveFile, target: Path, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.settings(corrupt_file=stored.id)

    with pytest.raises(DownloadCorrupted, match=str(stored.sha256)):
        drive.download(stored, target)

    assert left_beside(target) == []


def test_a_body_longer_than_the_file_is_not_taken(
    drive: DriveArchive, stored: DriveFile, target: Path, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(**MEDIA, status=200, body="x" * (SIZE + 1))

    with pytest.raises(DownloadCorrupted):
        drive.download(stored, target)

    assert left_beside(target) == []


def test_a_file_replaced_before_is_refused(
    drive: DriveArchive, person: Person, stored: DriveFile, target: Path
) -> None:
    person.replace(stored.id, b"other")

    with pytest.raises(FileReplaced, match=stored.head_revision_id):
        drive.download(stored, target)

    assert left_beside(target) == []


def test_who_may_only_read_is_told_of_no_revision_and_gets_the_file(
    drive: DriveArchive,
    person: Person,
    stored: DriveFile,
    folder: str,
    target: Path,
    content: bytes,
    drive_sandbox: ControlClient,
) -> None:
    drive_sandbox.settings(service_account_role="reader", omit_revision=True)

    (listed,) = drive.list(folder)
    found = drive.find(folder, stored.name)
    drive.download(listed, target)
    person.replace(stored.id, b"other")
    with pytest.raises(FileReplaced, match=stored.md5):
        drive.download(listed, target)

    assert found == listed
    assert target.read_bytes() == content


def test_a_file_replaced_in_the_middle_is_refused_and_not_joined(
    drive: DriveArchive, person: Person, stored: DriveFile, target: Path, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(**MEDIA, drop_after=2 * 1024 * 1024)
    replaced: list[int] = []

    def replace_it(done: int, total: int) -> None:
        if not replaced:
            replaced.append(done)
            person.replace(stored.id, some_bytes(SIZE))

    with pytest.raises(FileReplaced):
        drive.download(stored, target, on_progress=replace_it)

    assert left_beside(target) == []


def test_a_file_replaced_at_the_end_is_refused(
    drive: DriveArchive, person: Person, stored: DriveFile, target: Path
) -> None:
    def replace_it(done: int, total: int) -> None:
        if done == total:
            person.replace(stored.id, b"other")

    with pytest.raises(FileReplaced):
        drive.download(stored, target, on_progress=replace_it)

    assert left_beside(target) == []


def test_a_file_that_is_gone_is_an_error(
    drive: DriveArchive, person: Person, stored: DriveFile, target: Path
) -> None:
    person.files.delete(fileId=stored.id, supportsAllDrives=True).execute()

    with pytest.raises(FileMissing):
        drive.download(stored, target)


def test_a_server_that_never_answers_well_is_given_up_and_nothing_is_left(
    drive: DriveArchive, stored: DriveFile, target: Path, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(**MEDIA, status=503, times=100)

    with pytest.raises(DriveUnavailable):
        drive.download(stored, target)

    assert left_beside(target) == []


def test_what_a_crash_left_is_used_again(
    drive: DriveArchive, stored: DriveFile, target: Path, content: bytes
) -> None:
    target.parent.mkdir()
    (target.parent / ".a.zip.part").write_bytes(some_bytes(2 * SIZE))

    drive.download(stored, target)

    assert target.read_bytes() == content
    assert left_beside(target) == ["a.zip"]


def test_two_downloads_to_one_place_do_not_mix(drive: DriveArchive, stored: DriveFile, target: Path) -> None:
    target.parent.mkdir()
    with (target.parent / ".a.zip.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(DownloadInProgress):
            drive.download(stored, target)

    assert left_beside(target) == [".a.zip.part"]


def test_a_place_that_cannot_be_written_is_named(
    drive: DriveArchive, stored: DriveFile, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(LocalFileUnwritable, match=r"a\.zip"):
        drive.download(stored, tmp_path / "file" / "a.zip")


def test_a_description_that_never_was_true_is_refused(
    drive: DriveArchive, stored: DriveFile, target: Path
) -> None:
    with pytest.raises(FileReplaced):
        drive.download(replace(stored, md5="0" * 32), target)


def test_a_replaced_file_comes_down_once_it_is_listed_again(
    drive: DriveArchive, stored: DriveFile, folder: str, local: Callable[[bytes], Path], target: Path
) -> None:
    put(drive, local(b"other"), folder=folder, name=stored.name)
    (listed,) = drive.list(folder)

    drive.download(listed, target)

    assert target.read_bytes() == b"other"
