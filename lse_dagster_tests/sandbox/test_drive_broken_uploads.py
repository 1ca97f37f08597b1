"""Resumable uploads whose connection, session or file goes away on the way."""

import socket
from urllib.parse import urlsplit

import pytest
import requests

from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.sandbox.drive_clients import CHUNK, DriveClients
from lse_dagster_tests.sandbox.resumable import DATA, SHA256, ask, put, send_part_and_hang_up

pytestmark = pytest.mark.usefixtures("drive_sandbox")


def test_what_arrived_before_the_connection_broke_is_kept(robot: DriveClients, session: str) -> None:
    send_part_and_hang_up(session, DATA[: 3 * CHUNK + 100], len(DATA))

    status = ask(session)
    assert status.status_code == 308
    kept = int(status.headers["Range"].rpartition("-")[2]) + 1
    rest = put(session, DATA[kept:], f"bytes {kept}-{len(DATA) - 1}/{len(DATA)}")

    assert kept in {2 * CHUNK, 3 * CHUNK}
    assert rest.json()["sha256Checksum"] == SHA256


def test_the_server_may_keep_fewer_bytes_than_were_sent(session: str, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(kept_after_drop=2**40)

    send_part_and_hang_up(session, DATA[: 3 * CHUNK], len(DATA))

    status = ask(session)
    assert (status.status_code, status.headers.get("Range")) == (308, None)
    assert put(session, DATA).json()["sha256Checksum"] == SHA256


def test_bytes_acknowledged_before_are_never_lost_again(session: str, drive_sandbox: ControlClient) -> None:
    put(session, DATA[:CHUNK], f"bytes 0-{CHUNK - 1}/{len(DATA)}")
    drive_sandbox.settings(kept_after_drop=2**40)

    send_part_and_hang_up(
        session, DATA[CHUNK : 2 * CHUNK], len(DATA) - CHUNK, f"bytes {CHUNK}-{len(DATA) - 1}/{len(DATA)}"
    )

    assert ask(session).headers["Range"] == f"bytes=0-{CHUNK - 1}"


def test_a_connection_dropped_by_the_control_plane_leaves_a_session_to_resume(
    session: str, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.fault(method="PUT", path="upload_id=", drop_request_after=2 * CHUNK)

    with pytest.raises(requests.ConnectionError):
        put(session, DATA)

    assert ask(session).headers["Range"] == f"bytes=0-{2 * CHUNK - 1}"


def test_an_upload_whose_answer_was_lost_is_complete(
    robot: DriveClients, drive_sandbox: ControlClient
) -> None:
    folder = robot.make_folder()
    session = robot.start_session(name="day.zip", parents=[folder])
    drive_sandbox.fault(method="PUT", path="upload_id=", drop_after=-1)

    with pytest.raises(requests.ConnectionError):
        put(session, DATA)

    assert ask(session).json()["sha256Checksum"] == SHA256
    assert robot.search(f"'{folder}' in parents") == ["day.zip"]


def test_a_session_that_never_was_is_not_found(robot: DriveClients) -> None:
    response = put(f"{robot.url}/upload/drive/v3/files?uploadType=resumable&upload_id=unknown", DATA)

    assert response.status_code == 404


@pytest.mark.parametrize("status", [404, 410])
def test_a_killed_session_stays_dead(session: str, drive_sandbox: ControlClient, status: int) -> None:
    put(session, DATA[:CHUNK], f"bytes 0-{CHUNK - 1}/{len(DATA)}")

    drive_sandbox.settings(kill_sessions=status)

    assert [ask(session).status_code, put(session, DATA).status_code] == [status, status]


def test_a_file_deleted_in_mid_upload_is_not_found_at_the_end(robot: DriveClients) -> None:
    old = robot.upload(robot.make_folder(), b"old", name="day.zip")
    session = robot.start_session(file_id=old["id"])
    robot.files.delete(fileId=old["id"], supportsAllDrives=True).execute()

    assert put(session, DATA).status_code == 404


def test_a_newer_request_takes_over_from_one_that_hangs(session: str) -> None:
    url = urlsplit(session)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=60) as hanging:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        head += f"Content-Length: {len(DATA)}\r\n\r\n"
        hanging.sendall(head.encode() + DATA[: 2 * CHUNK])

        status = ask(session)
        kept = int(status.headers.get("Range", "bytes=0--1").removeprefix("bytes=0-")) + 1
        response = put(session, DATA[kept:], f"bytes {kept}-{len(DATA) - 1}/{len(DATA)}")

    assert response.json()["sha256Checksum"] == SHA256
