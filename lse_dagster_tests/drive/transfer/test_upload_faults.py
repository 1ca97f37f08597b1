"""Each fault of an upload by itself: what is tried again, from where, for how long, and what is final."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import (
    DriveUnavailable,
    RateLimited,
    UploadSessionLost,
)
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import CHUNK, Person, Waits, Where, put, some_bytes

Local = Callable[[bytes], Path]

SIZE = 5 * 1024 * 1024
START: Where = {"method": "POST", "path": r"/upload/.*uploadType=resumable"}
LIST: Where = {"method": "GET", "path": r"^/drive/v3/files$"}
SEND: Where = {"method": "PUT", "path": r"/upload/.*upload_id="}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_session_that_does_not_start_is_started_again(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local, status: int
) -> None:
    content = some_bytes(1000)
    drive_sandbox.fault(**START, status=status, times=2)

    uploaded = drive.upload(local(content), folder=folder, name="a.zip")

    assert uploaded.retries == 2
    assert person.content(uploaded.file.id) == content


def test_a_dropped_connection_goes_on_where_the_server_stands(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    content = some_bytes(SIZE)
    drive_sandbox.fault(**SEND, drop_request_after=3 * 1024 * 1024 + 100)

    uploaded = drive.upload(local(content), folder=folder, name="a.zip")

    assert person.content(uploaded.file.id) == content
    ranges = [r.headers.get("content-range") for r in drive_sandbox.requests() if r.method == "PUT"]
    assert ranges[:2] == [f"bytes 0-{SIZE - 1}/{SIZE}", f"bytes */{SIZE}"]
    offset = int(str(ranges[2]).split()[1].split("-")[0])
    assert 0 < offset <= 3 * 1024 * 1024 + 100
    assert offset % CHUNK == 0


def test_a_server_that_kept_less_than_was_sent_gets_the_rest_again(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    content = some_bytes(SIZE)
    drive_sandbox.settings(kept_after_drop=2 * 1024 * 1024)
    drive_sandbox.fault(**SEND, drop_request_after=3 * 1024 * 1024)

    uploaded = drive.upload(local(content), folder=folder, name="a.zip")

    assert person.content(uploaded.file.id) == content
    ranges = [r.headers.get("content-range") for r in drive_sandbox.requests() if r.method == "PUT"]
    assert ranges[2] == f"bytes {2 * 1024 * 1024}-{SIZE - 1}/{SIZE}"


def test_a_server_that_kept_nothing_gets_everything_again(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    content = some_bytes(SIZE)
    drive_sandbox.fault(**SEND, status=503)

    uploaded = drive.upload(local(content), folder=folder, name="a.zip")

    assert person.content(uploaded.file.id) == content
    assert uploaded.bytes_sent == 2 * SIZE


def test_faults_on_the_question_for_the_offset_are_only_faults(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    content = some_bytes(SIZE)
    drive_sandbox.fault(**SEND, drop_request_after=CHUNK)
    drive_sandbox.fault(**SEND, status=503, times=2)
    drive_sandbox.fault(**SEND, drop_after=-1)

    uploaded = drive.upload(local(content), folder=folder, name="a.zip")

    assert person.content(uploaded.file.id) == content
    assert uploaded.retries == 4


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_drive_forgot_is_begun_anew(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local, status: int
) -> None:
    content = some_bytes(SIZE)
    drive_sandbox.fault(**SEND, drop_request_after=2 * 1024 * 1024)
    path = local(content)
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if not killed:
            killed.append(done)
            drive_sandbox.settings(kill_sessions=status)

    uploaded = drive.upload(path, folder=folder, name="a.zip", on_progress=kill)

    assert person.content(uploaded.file.id) == content
    assert sum(r.method == "POST" and "upload" in r.path for r in drive_sandbox.requests()) == 2
    assert len(list(drive.list(folder))) == 1


def test_a_lost_last_answer_is_asked_for_and_makes_no_twin(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    content = some_bytes(SIZE)
    drive_sandbox.fault(**SEND, drop_after=-1)

    uploaded = drive.upload(local(content), folder=folder, name="a.zip")

    assert uploaded.bytes_sent == SIZE
    assert person.content(uploaded.file.id) == content
    assert list(drive.list(folder)) == [uploaded.file]


def test_a_lost_last_answer_and_a_lost_session_find_the_file_by_its_id(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.fault(**SEND, drop_after=-1)
    drive_sandbox.fault(**SEND, status=410)

    uploaded = drive.upload(local(some_bytes(SIZE)), folder=folder, name="a.zip")

    assert uploaded.bytes_sent == SIZE
    assert list(drive.list(folder)) == [uploaded.file]


def test_a_cut_last_answer_is_looked_up(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.fault(**SEND, truncate=20)

    uploaded = drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert drive.find(folder, "a.zip") == uploaded.file


def test_a_lost_last_answer_of_a_replacement_adds_one_revision_only(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    first = drive.upload(local(b"old"), folder=folder, name="a.zip")
    drive_sandbox.fault(**SEND, drop_after=-1)

    second = put(drive, local(b"new"), folder=folder, name="a.zip")

    assert person.content(second.file.id) == b"new"
    assert len(person.revisions_of(first.file.id)) == 2


def test_a_file_that_vanishes_before_its_replacement_is_made_anew(
    drive: DriveArchive, person: Person, folder: str, local: Local
) -> None:
    old = drive.upload(local(b"old"), folder=folder, name="a.zip").file
    person.files.delete(fileId=old.id, supportsAllDrives=True).execute()

    new = drive.upload(local(b"new"), folder=folder, name="a.zip", replacing=old)

    assert new.action == "created"
    assert drive.find(folder, "a.zip") == new.file


def test_a_lost_answer_to_making_a_folder_makes_no_twin(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, root_id: str, folder: str, local: Local
) -> None:
    drive_sandbox.fault(method="POST", path=r"^/drive/v3/files$", drop_after=-1, times=2)

    drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert len(person.live_in(root_id, folder)) == 1


def test_the_servers_wish_to_wait_is_granted(
    drive: DriveArchive, waits: Waits, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.fault(**START, status=429, headers={"Retry-After": "17"})

    drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert waits.seconds == [17.0]


def test_a_date_to_wait_for_is_understood(
    drive: DriveArchive, waits: Waits, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=400), usegmt=True)
    drive_sandbox.fault(**START, status=503, headers={"Retry-After": until})

    drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert 300 < sum(waits.seconds) <= 400


@pytest.mark.parametrize("header", ["Fri, 31 Dec 99999999999999999999 23:59:59 GMT", "99 bananas"])
def test_a_wish_that_is_no_time_is_as_good_as_none(
    drive: DriveArchive,
    waits: Waits,
    drive_sandbox: ControlClient,
    folder: str,
    local: Local,
    header: str,
) -> None:
    drive_sandbox.fault(**START, status=503, headers={"Retry-After": header})

    drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert waits.seconds == [0.25]


def test_a_wish_beyond_patience_ends_it_at_once(
    drive: DriveArchive, waits: Waits, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.fault(**START, status=429, headers={"Retry-After": "86400"}, times=100)

    with pytest.raises(RateLimited):
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert waits.seconds == []


def test_waits_double_up_to_a_limit_and_end(
    drive: DriveArchive, waits: Waits, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive_sandbox.fault(**START, status=503, times=100)

    with pytest.raises(DriveUnavailable) as caught:
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert waits.seconds == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert caught.value.transient


@pytest.mark.parametrize("status", [404, 410])
def test_sessions_that_are_lost_again_and_again_end_it(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Local, status: int
) -> None:
    drive_sandbox.fault(**SEND, status=status, times=100)

    with pytest.raises(UploadSessionLost):
        drive.upload(local(b"content"), folder=folder, name="a.zip")


def test_progress_gives_new_patience(
    settings: DriveSettings,
    waits: Waits,
    person: Person,
    drive_sandbox: ControlClient,
    folder: str,
    local: Local,
) -> None:
    content = some_bytes(SIZE)
    drive_sandbox.fault(**SEND, drop_request_after=CHUNK + 1, times=1)
    for _ in range(9):  # the question goes through, the next piece breaks off
        drive_sandbox.fault(**SEND, skip=1, drop_request_after=CHUNK + 1)

    with DriveArchive.connect(settings, backoff=waits.backoff(tries=2)) as drive:
        uploaded = drive.upload(local(content), folder=folder, name="a.zip")

    assert person.content(uploaded.file.id) == content
    assert uploaded.retries >= 5


def test_a_token_that_ends_in_mid_upload_is_renewed_and_the_upload_goes_on(
    drive: DriveArchive, person: Person, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    content = some_bytes(SIZE)
    drive_sandbox.fault(**SEND, drop_request_after=2 * 1024 * 1024)
    expired: list[int] = []

    def expire(done: int, total: int) -> None:
        if not expired:
            expired.append(done)
            drive_sandbox.settings(expire_tokens=True)

    uploaded = drive.upload(local(content), folder=folder, name="a.zip", on_progress=expire)

    assert person.content(uploaded.file.id) == content
    assert sum(r.path == "/token" for r in drive_sandbox.requests()) == 1


def test_a_server_that_is_not_there_is_given_up_in_the_end(settings: DriveSettings, waits: Waits) -> None:
    nowhere = replace(settings, endpoint="http://127.0.0.1:9")  # the discard port: nobody listens

    with pytest.raises(DriveUnavailable, match="check the network"):
        DriveArchive.connect(nowhere, backoff=waits.backoff(tries=3), timeout=1)

    assert len(waits.seconds) == 2


def test_a_silent_server_is_a_fault_after_the_timeout(
    settings: DriveSettings, waits: Waits, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    # A second is more than the other requests take on a busy machine.
    with DriveArchive.connect(settings, backoff=waits.backoff(), timeout=1.0) as drive:
        drive_sandbox.fault(**START, delay=3.0)
        drive_sandbox.fault(**LIST, delay=3.0)
        uploaded = drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert uploaded.retries == 2


def test_a_cut_answer_to_a_list_is_asked_for_again(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Local
) -> None:
    drive.upload(local(b"content"), folder=folder, name="a.zip")
    drive_sandbox.fault(**LIST, truncate=30)
    drive_sandbox.fault(**LIST, drop_after=30)

    assert [file.name for file in drive.list(folder)] == ["a.zip"]
