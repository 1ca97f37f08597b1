"""An upload that was stopped goes on in the next process, and only if everything is as it was."""

import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import DriveError, DriveUnavailable, PermissionMissing, UploadInProgress
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import CHUNK, Person, rate_body, some_bytes
from lse_dagster_tests.drive.transfer.stopped import SEND, SIZE, TAKEN, Stopped, expect_whole


@pytest.fixture
def stopped(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Callable[[bytes], Path]
) -> Stopped:
    started = Stopped(drive, drive_sandbox, folder, local(some_bytes(SIZE)))
    started.stop()
    return started


def test_what_drive_has_taken_is_not_sent_again(
    stopped: Stopped, drive: DriveArchive, person: Person, drive_sandbox: ControlClient
) -> None:
    uploaded = stopped.go_on()

    expect_whole(stopped, uploaded, drive, person)
    assert uploaded.bytes_sent == SIZE - TAKEN
    requests = drive_sandbox.requests()
    assert not any(request.method == "POST" and "upload" in request.path for request in requests)
    assert not any("generateIds" in request.path for request in requests)


def test_progress_begins_where_the_upload_was_stopped(stopped: Stopped, drive: DriveArchive) -> None:
    seen: list[tuple[int, int]] = []

    drive.upload(
        stopped.path,
        folder=stopped.folder,
        name="a.zip",
        session_path=stopped.session,
        on_progress=lambda done, total: seen.append((done, total)),
    )

    assert seen[0] == (TAKEN, SIZE)
    assert seen[-1] == (SIZE, SIZE)


def test_only_the_owner_can_read_what_is_kept(stopped: Stopped) -> None:
    assert stat.S_IMODE(stopped.session.stat().st_mode) == 0o600
    assert "upload_id=" in str(stopped.kept()["address"])


def test_a_lax_umask_makes_no_difference(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Callable[[bytes], Path]
) -> None:
    before = os.umask(0)
    try:
        started = Stopped(drive, drive_sandbox, folder, local(some_bytes(SIZE)))
        started.stop()
    finally:
        os.umask(before)

    assert stat.S_IMODE(started.session.stat().st_mode) == 0o600


def test_a_replacement_goes_on_too_and_adds_one_revision(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    person: Person,
    folder: str,
    local: Callable[[bytes], Path],
) -> None:
    first = drive.upload(local(b"old"), folder=folder, name="a.zip")
    started = Stopped(drive, drive_sandbox, folder, local(some_bytes(SIZE)))
    started.stop()

    uploaded = started.go_on()

    assert (uploaded.action, uploaded.bytes_sent) == ("updated", SIZE - TAKEN)
    assert uploaded.file.id == first.file.id
    assert len(person.revisions_of(first.file.id)) == 2
    expect_whole(started, uploaded, drive, person)


def test_an_upload_that_had_ended_unheard_sends_nothing(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    person: Person,
    folder: str,
    local: Callable[[bytes], Path],
) -> None:
    started = Stopped(drive, drive_sandbox, folder, local(some_bytes(SIZE)))
    drive_sandbox.fault(**SEND, drop_after=-1)
    drive_sandbox.fault(**SEND, status=503, times=1000)
    with pytest.raises(DriveUnavailable):
        started.go_on()
    drive_sandbox.clear()

    uploaded = started.go_on()

    assert (uploaded.action, uploaded.bytes_sent) == ("unchanged", 0)
    expect_whole(started, uploaded, drive, person)


def test_an_upload_that_had_ended_unheard_and_is_not_listed_yet_makes_no_twin(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    person: Person,
    folder: str,
    local: Callable[[bytes], Path],
) -> None:
    drive.upload(local(b"other"), folder=folder, name="b.zip")
    started = Stopped(drive, drive_sandbox, folder, local(some_bytes(SIZE)))
    drive_sandbox.settings(list_lag=2)
    drive_sandbox.fault(**SEND, drop_after=-1)
    drive_sandbox.fault(**SEND, status=503, times=1000)
    with pytest.raises(DriveUnavailable):
        started.go_on()
    drive_sandbox.clear()

    uploaded = started.go_on()

    assert uploaded.bytes_sent == 0
    assert [file.name for file in drive.list(folder)].count("a.zip") == 1
    assert person.content(uploaded.file.id) == started.path.read_bytes()


@pytest.mark.parametrize("status", [302, 400, 409, 412, 416, 422, 499])
def test_a_session_that_drive_refuses_is_not_kept(
    stopped: Stopped, drive: DriveArchive, person: Person, drive_sandbox: ControlClient, status: int
) -> None:
    drive_sandbox.fault(**SEND, status=status)

    with pytest.raises(DriveError):
        stopped.go_on()

    assert not stopped.session.exists()
    drive_sandbox.clear()
    expect_whole(stopped, stopped.go_on(), drive, person)


def test_a_refusal_that_somebody_can_mend_keeps_the_session(
    stopped: Stopped, drive: DriveArchive, person: Person, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(**SEND, status=403, body=rate_body("insufficientFilePermissions"))
    with pytest.raises(PermissionMissing):
        stopped.go_on()

    uploaded = stopped.go_on()

    assert uploaded.bytes_sent == SIZE - TAKEN
    expect_whole(stopped, uploaded, drive, person)


def test_an_upload_in_one_go_leaves_nothing_kept(
    drive: DriveArchive, folder: str, local: Callable[[bytes], Path]
) -> None:
    path = local(some_bytes(CHUNK))
    session = path.with_name(".session")
    for _ in range(2):
        drive.upload(path, folder=folder, name="a.zip", session_path=session)

        assert not session.exists()


def test_two_uploads_of_one_file_at_once_do_not_share_a_session(stopped: Stopped) -> None:
    with stopped.session.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(UploadInProgress) as caught:
            stopped.go_on()

    assert caught.value.transient
    assert stopped.go_on().bytes_sent == SIZE - TAKEN


def test_a_place_that_cannot_be_written_costs_the_resumption_only(
    drive: DriveArchive, folder: str, local: Callable[[bytes], Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = local(b"content")

    uploaded = drive.upload(path, folder=folder, name="a.zip", session_path=path / "no folder" / "session")

    assert uploaded.action == "created"
    assert "cannot be kept" in caplog.text


def test_a_link_in_place_of_the_session_is_not_followed(
    drive: DriveArchive, folder: str, local: Callable[[bytes], Path]
) -> None:
    path, victim = local(b"content"), local(b"precious")
    session = path.with_name(".session")
    session.symlink_to(victim)

    drive.upload(path, folder=folder, name="a.zip", session_path=session)

    assert victim.read_bytes() == b"precious"
