"""Contents: simple uploads, downloads and ranges, revisions, damage on demand."""

import hashlib
import io
from typing import Any

import pytest
import requests
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseDownload, MediaIoBaseUpload
from hypothesis import given, settings
from hypothesis import strategies as st

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.sandbox.drive_clients import DriveClients, person, reason

DATA = bytes(range(256)) * 5000
BOUNDARY = "==frontier=="

pytestmark = pytest.mark.usefixtures("drive_sandbox")


def media(robot: DriveClients, file_id: str, span: str | None = None) -> requests.Response:
    response: requests.Response = robot.http.get(
        f"{robot.url}/drive/v3/files/{file_id}",
        params={"alt": "media", "supportsAllDrives": "true"},
        headers={"Range": span} if span else {},
    )
    return response


def related(robot: DriveClients, data: bytes, line: bytes) -> requests.Response:
    mark = b"--" + BOUNDARY.encode()
    metadata = b'{"name": "simple", "parents": ["' + robot.archive_folder.encode() + b'"]}'
    body = line.join(
        [
            *(mark, b"Content-Type: application/json; charset=UTF-8", b"", metadata),
            *(mark, b"Content-Type: application/zip", b"", data, mark + b"--", b""),
        ]
    )
    response: requests.Response = robot.http.post(
        f"{robot.url}/upload/drive/v3/files?uploadType=multipart&supportsAllDrives=true&fields=*",
        data=body,
        headers={"Content-Type": f'multipart/related; boundary="{BOUNDARY}"'},
    )
    return response


def test_googles_client_uploads_small_files_in_one_request(robot: DriveClients) -> None:
    upload = MediaIoBaseUpload(io.BytesIO(DATA), "application/zip", resumable=False)
    body = {"name": "day.zip", "parents": [robot.make_folder()]}

    file = robot.files.create(body=body, media_body=upload, supportsAllDrives=True, fields="*").execute()

    assert (file["name"], file["mimeType"]) == ("day.zip", "application/zip")
    assert file["sha256Checksum"] == hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("line", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@settings(max_examples=25)
@given(data=st.one_of(st.binary(max_size=300), st.text("-=frontie\r\n", max_size=60).map(str.encode)))
def test_any_content_survives_a_multipart_upload(robot: DriveClients, line: bytes, data: bytes) -> None:
    response = related(robot, data, line)

    assert response.status_code == 200, response.text
    assert response.json()["md5Checksum"] == hashlib.md5(data).hexdigest()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/related", b""),
        ("application/json", b"{}"),
        ("multipart/related; boundary=x", b""),
        ("multipart/related; boundary=x", b"--x\n\n{}\n--x\n\ncontent without an end"),
        ("multipart/related; boundary=x", b"--x\n\n{\n--x\n\ncontent\n--x--"),
    ],
)
def test_a_broken_multipart_upload_is_refused(robot: DriveClients, content_type: str, body: bytes) -> None:
    response = robot.http.post(
        f"{robot.url}/upload/drive/v3/files?uploadType=multipart&supportsAllDrives=true",
        data=body.replace(b"{}", b'{"parents": ["%s"]}' % robot.archive_folder.encode()),
        headers={"Content-Type": content_type},
    )

    assert response.status_code == 400


def test_a_refused_upload_is_read_to_its_end_before_the_answer(robot: DriveClients) -> None:
    response = robot.http.post(
        f"{robot.url}/upload/drive/v3/files?uploadType=media", data=io.BytesIO(DATA * 4)
    )

    assert response.status_code == 403
    assert response.json()["error"]["errors"][0]["reason"] == "storageQuotaExceeded"


def test_a_simple_media_upload_has_no_name(sandbox: Sandbox, drive_sandbox: ControlClient) -> None:
    human = DriveClients(sandbox, person(sandbox))

    response = human.http.post(
        f"{human.url}/upload/drive/v3/files?uploadType=media",
        data=b"hello",
        headers={"Content-Type": "text/plain"},
    )

    assert response.json()["name"] == "Untitled"
    assert response.json()["mimeType"] == "text/plain"


@pytest.mark.parametrize("chunk", [100_000, len(DATA), 10 * len(DATA)])
def test_googles_client_downloads_in_ranges(robot: DriveClients, chunk: int) -> None:
    file = robot.upload(robot.make_folder(), DATA, name="day.zip")
    target = io.BytesIO()
    request = robot.files.get_media(fileId=file["id"], supportsAllDrives=True)

    download, done = MediaIoBaseDownload(target, request, chunksize=chunk), False
    while not done:
        _, done = download.next_chunk()

    assert target.getvalue() == DATA


def test_googles_client_downloads_an_empty_file(robot: DriveClients) -> None:
    file = robot.upload(robot.make_folder(), b"", name="empty")
    target = io.BytesIO()

    _, done = MediaIoBaseDownload(
        target, robot.files.get_media(fileId=file["id"], supportsAllDrives=True)
    ).next_chunk()

    assert done
    assert target.getvalue() == b""


@pytest.mark.parametrize(
    ("span", "status", "content"),
    [
        (None, 200, b"0123456789"),
        ("bytes=0-3", 206, b"0123"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=5-100", 206, b"56789"),
        ("bytes=0-0", 206, b"0"),
        ("bytes=5-2", 200, b"0123456789"),
        ("lines=0-1", 200, b"0123456789"),
    ],
)
def test_a_range_of_a_file(robot: DriveClients, span: str | None, status: int, content: bytes) -> None:
    file = robot.upload(robot.archive_folder, b"0123456789", name="digits")

    response = media(robot, file["id"], span)

    assert (response.status_code, response.content) == (status, content)
    assert response.headers["Content-Length"] == str(len(content))
    if status == 206:
        start = b"0123456789".index(content)
        assert response.headers["Content-Range"] == f"bytes {start}-{start + len(content) - 1}/10"


@pytest.mark.parametrize("span", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_beyond_the_end_cannot_be_satisfied(robot: DriveClients, span: str) -> None:
    file = robot.upload(robot.archive_folder, b"0123456789", name="digits")

    response = media(robot, file["id"], span)

    assert response.status_code == 416
    assert response.headers["Content-Range"] == "bytes */10"


def test_a_folder_has_no_content(robot: DriveClients) -> None:
    with pytest.raises(HttpError) as failure:
        robot.content(robot.make_folder())

    assert (failure.value.status_code, reason(failure.value)) == (403, "fileNotDownloadable")


def test_revisions_are_listed_read_and_deleted(robot: DriveClients) -> None:
    file = robot.upload(robot.make_folder(), b"one", name="day.zip")
    for data in (b"two", b"three"):
        requests.put(robot.start_session(file_id=file["id"]), data=data, timeout=60)
    revisions = robot.api.revisions()

    def listed(**page: Any) -> Any:
        return revisions.list(fileId=file["id"], fields="nextPageToken,revisions(id,size)", **page).execute()

    first = listed(pageSize=2)
    rest = listed(pageSize=2, pageToken=first["nextPageToken"])
    assert [one["size"] for one in first["revisions"] + rest["revisions"]] == ["3", "3", "5"]
    oldest, _, head = (one["id"] for one in first["revisions"] + rest["revisions"])
    assert revisions.get_media(fileId=file["id"], revisionId=oldest).execute() == b"one"
    revisions.delete(fileId=file["id"], revisionId=oldest).execute()
    assert len(listed()["revisions"]) == 2
    with pytest.raises(HttpError):
        revisions.delete(fileId=file["id"], revisionId=head).execute()
