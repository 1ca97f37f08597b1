"""Answers that Drive could give and mostly does not: no token goes astray, no twin is made, none sticks."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import DriveError, DriveUnavailable
from lse_dagster.drive.file import FIELDS
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.client import ControlClient, FaultFields
from lse_dagster_tests.drive.conftest import Person, Waits, Where, merged, some_bytes
from lse_dagster_tests.drive.transfer.stopped import SEND, SIZE, TAKEN, Stopped, expect_whole

START: Where = {"method": "POST", "path": r"/upload/.*uploadType=resumable"}
FILES: Where = {"method": "GET", "path": r"^/drive/v3/files\?.*mimeType\+%21%3D"}


@pytest.fixture
def other_server() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The address of a server that is not Drive, and the headers of what reached it."""
    heard: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            heard.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
        server.shutdown()
        thread.join()


@pytest.fixture(params=[200, 400])
def nesting_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server whose every answer is JSON that is nested beyond reason."""
    body = b'{"error": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_an_answer_that_is_nested_beyond_reason_is_a_typed_error(
    nesting_server: str, settings: DriveSettings, waits: Waits
) -> None:
    with pytest.raises(DriveError):
        DriveArchive.connect(replace(settings, endpoint=nesting_server), backoff=waits.backoff())


def test_the_access_token_goes_to_no_other_server(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    other_server: tuple[str, list[dict[str, str]]],
    tmp_path: Path,
) -> None:
    address, heard = other_server
    session = tmp_path / "session"
    drive_sandbox.fault(**START, status=200, headers={"Location": f"{address}/?upload_id=1"}, times=100)

    with pytest.raises(DriveUnavailable, match="no upload session of this server"):
        drive.upload(local(b"content"), folder=folder, name="a.zip", session_path=session)

    assert heard == []
    assert not session.exists()


@pytest.mark.parametrize("location", ["/upload/drive/v3/files?upload_id=gone", "ftp://x/y", "http://[x", ""])
def test_an_address_of_a_session_that_leads_nowhere_is_asked_for_again(
    drive: DriveArchive,
    person: Person,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    location: str,
) -> None:
    drive_sandbox.fault(**START, status=200, headers={"Location": location})

    uploaded = drive.upload(local(b"content"), folder=folder, name="a.zip")

    assert person.content(uploaded.file.id) == b"content"


def test_a_session_that_claims_more_than_the_file_is_begun_anew(
    drive: DriveArchive,
    person: Person,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
) -> None:
    stopped = Stopped(drive, drive_sandbox, folder, local(some_bytes(SIZE)))
    stopped.stop()
    drive_sandbox.fault(**_session_of(stopped, {"status": 308, "headers": {"Range": f"bytes=0-{SIZE}"}}))

    expect_whole(stopped, stopped.go_on(), drive, person)


@pytest.mark.parametrize(
    "stuck",
    [{"status": 503}, {"status": 500}, {"status": 308, "headers": {"Range": "bytes=0-99"}}, {"status": 308}],
    ids=["503", "500", "a part and never more", "nothing and never more"],
)
def test_a_session_that_takes_no_more_holds_up_one_process_only(
    drive: DriveArchive,
    person: Person,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    stuck: FaultFields,
) -> None:
    stopped = Stopped(drive, drive_sandbox, folder, local(some_bytes(SIZE)))
    stopped.stop()
    drive_sandbox.fault(**_session_of(stopped, stuck))
    with pytest.raises(DriveUnavailable):
        stopped.go_on()

    expect_whole(stopped, stopped.go_on(), drive, person)


def test_a_network_that_fails_holds_on_to_the_session(
    drive: DriveArchive,
    person: Person,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
) -> None:
    stopped = Stopped(drive, drive_sandbox, folder, local(some_bytes(SIZE)))
    stopped.stop()
    drive_sandbox.fault(**SEND, drop_after=-1, times=100)
    with pytest.raises(DriveUnavailable):
        stopped.go_on()
    drive_sandbox.clear()

    uploaded = stopped.go_on()

    assert uploaded.bytes_sent == SIZE - TAKEN
    expect_whole(stopped, uploaded, drive, person)


def test_a_file_whose_checksum_is_not_known_yet_is_not_made_a_second_time(
    drive: DriveArchive,
    person: Person,
    drive_sandbox: ControlClient,
    root_id: str,
    folder: str,
    local: Callable[[bytes], Path],
) -> None:
    made = person.make_file("a.zip", person.make_folder(folder, root_id), b"content")
    described: dict[str, Any] = {
        name: value
        for name, value in person.get(made).items()
        if name in FIELDS.split(",") and not name.endswith("Checksum")
    }
    drive_sandbox.fault(**FILES, status=200, body={"files": [described]})

    with pytest.raises(DriveUnavailable, match=made):
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    drive_sandbox.clear()
    assert [file.id for file in drive.list(folder)] == [made]


def test_an_answer_that_is_no_list_is_not_taken_for_an_empty_one(
    drive: DriveArchive, drive_sandbox: ControlClient, folder: str, local: Callable[[bytes], Path]
) -> None:
    made = drive.upload(local(b"content"), folder=folder, name="a.zip").file
    drive_sandbox.fault(**FILES, status=200, body={"error": {"code": 500}}, times=2)

    with pytest.raises(DriveUnavailable, match="no list of files"):
        drive.upload(local(b"content"), folder=folder, name="a.zip")

    drive_sandbox.clear()
    assert list(drive.list(folder)) == [made]


def test_a_checksum_in_capitals_is_the_same_checksum(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    tmp_path: Path,
) -> None:
    made = drive.upload(local(b"content"), folder=folder, name="a.zip").file
    drive_sandbox.fault(
        method="GET",
        path=rf"/files/{made.id}\?(?!.*alt=media)",
        status=200,
        body={"headRevisionId": made.head_revision_id, "md5Checksum": made.md5.upper()},
        times=2,
    )

    drive.download(made, tmp_path / "a.zip")

    assert (tmp_path / "a.zip").read_bytes() == b"content"


def _session_of(stopped: Stopped, fault: FaultFields) -> FaultFields:
    """A fault of this one session, for good."""
    upload_id = str(stopped.kept()["address"]).rpartition("upload_id=")[2]
    return merged({"method": "PUT", "path": upload_id, "times": 1000}, fault)
