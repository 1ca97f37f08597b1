"""An upload of content that was proved: other bytes, whenever they took its place, do not arrive."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import LocalFileChanged
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Person, put, some_bytes
from lse_dagster_tests.drive.transfer.stopped import SIZE, Stopped

Local = Callable[[bytes], Path]


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rot(path: Path, at: int) -> None:
    """One byte is another one; size and times are as they were."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_file_that_was_replaced_after_the_proof_is_not_sent(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    path = local(b"proved")
    proved = sha256_of(path)
    path.write_bytes(b"other!")

    with pytest.raises(LocalFileChanged):
        drive.upload(path, folder=folder, name="a.zip", sha256=proved)

    assert list(drive.list(folder)) == []
    assert not any("/upload/" in request.path for request in drive_sandbox.requests())


@pytest.mark.parametrize("at", [0, SIZE // 2, SIZE - 1])
@pytest.mark.parametrize("omit_sha256", [False, True])
def test_a_byte_that_flips_while_the_old_copy_is_compared_does_not_arrive(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    person: Person,
    folder: str,
    local: Local,
    at: int,
    omit_sha256: bool,
) -> None:
    drive_sandbox.settings(omit_sha256=omit_sha256)
    old = drive.upload(local(b"old"), folder=folder, name="a.zip").file
    path = local(some_bytes(SIZE))
    proved = sha256_of(path)

    rot(path, at)

    with pytest.raises(LocalFileChanged):
        drive.upload(path, folder=folder, name="a.zip", replacing=old, sha256=proved)

    assert drive.find(folder, "a.zip") == old
    assert person.content(old.id) == b"old"


@pytest.mark.parametrize("at", [0, SIZE - 1])
def test_a_session_that_was_stopped_does_not_go_on_with_other_bytes(
    drive: DriveArchive, drive_sandbox: ControlClient, person: Person, folder: str, local: Local, at: int
) -> None:
    whole = some_bytes(SIZE)
    stopped = Stopped(drive, drive_sandbox, folder, local(whole))
    proved = sha256_of(stopped.path)
    rot(stopped.path, at)  # and so before anybody said which content is meant
    stopped.stop()  # what Drive has so far may be of the damaged file
    rot(stopped.path, at)

    uploaded = put(
        drive,
        stopped.path,
        folder=folder,
        name="a.zip",
        sha256=proved,
        session_path=stopped.session,
    )

    assert person.content(uploaded.file.id) == whole


@pytest.mark.parametrize("before", ["nothing", "other content", "the same content"])
def test_properties_are_kept_with_the_file_and_found_again(
    drive: DriveArchive, folder: str, local: Local, before: str
) -> None:
    path = local(b"content")
    if before != "nothing":
        old = path if before == "the same content" else local(b"old")
        drive.upload(old, folder=folder, name="a.zip", properties={"kept": "x", "key": "0"})

    uploaded = put(drive, path, folder=folder, name="a.zip", properties={"key": "value"})

    kept = {"kept": "x"} if before != "nothing" else {}
    assert uploaded.file.app_properties == {**kept, "key": "value"}
    assert drive.find(folder, "a.zip") == uploaded.file
