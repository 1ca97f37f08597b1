"""The resumable protocol, spoken by hand and by Google's client, over connections that break."""

import hashlib
import io
import json
import threading

import pytest
import requests
from googleapiclient.http import MediaIoBaseUpload

from lse_dagster_tests.sandbox.drive_clients import CHUNK, DriveClients
from lse_dagster_tests.sandbox.resumable import DATA, SHA256, ask, put

pytestmark = pytest.mark.usefixtures("drive_sandbox")


def test_one_put_without_content_range_is_the_whole_content(robot: DriveClients, session: str) -> None:
    response = put(session, DATA)

    assert response.status_code == 200
    assert response.json()["sha256Checksum"] == SHA256
    assert robot.content(response.json()["id"]) == DATA


def test_chunks_are_acknowledged_one_by_one(session: str) -> None:
    first = put(session, DATA[:CHUNK], f"bytes 0-{CHUNK - 1}/*")
    second = put(session, DATA[CHUNK : 3 * CHUNK], f"bytes {CHUNK}-{3 * CHUNK - 1}/{len(DATA)}")
    last = put(session, DATA[3 * CHUNK :], f"bytes {3 * CHUNK}-{len(DATA) - 1}/{len(DATA)}")

    assert [first.status_code, second.status_code, last.status_code] == [308, 308, 200]
    assert first.headers["Range"] == f"bytes=0-{CHUNK - 1}"
    assert second.headers["Range"] == f"bytes=0-{3 * CHUNK - 1}"
    assert last.json()["sha256Checksum"] == SHA256


def test_a_session_without_content_has_no_range(session: str) -> None:
    response = ask(session)

    assert response.status_code == 308
    assert "Range" not in response.headers


@pytest.mark.parametrize("size", ["*", len(DATA)])
def test_a_status_query_tells_how_much_is_stored(session: str, size: int | str) -> None:
    put(session, DATA[:CHUNK], f"bytes 0-{CHUNK - 1}/{len(DATA)}")

    response = ask(session, size)

    assert response.status_code == 308
    assert response.headers["Range"] == f"bytes=0-{CHUNK - 1}"


def test_a_finished_session_answers_with_its_result_again(robot: DriveClients, session: str) -> None:
    finished = put(session, DATA)

    again = [ask(session), ask(session, "*"), put(session, DATA)]

    assert [(one.status_code, one.json()) for one in again] == [(200, finished.json())] * 3


def test_the_answer_has_the_fields_that_the_session_asked_for(robot: DriveClients) -> None:
    start = robot.http.post(
        f"{robot.url}/upload/drive/v3/files",
        params={"uploadType": "resumable", "supportsAllDrives": "true", "fields": "size,md5Checksum"},
        json={"parents": [robot.archive_folder]},
    )

    response = put(start.headers["Location"], b"hello")

    assert response.json() == {"size": "5", "md5Checksum": "5d41402abc4b2a76b9719d911017c592"}


def test_bytes_sent_twice_are_stored_once(session: str) -> None:
    put(session, DATA[: 2 * CHUNK], f"bytes 0-{2 * CHUNK - 1}/{len(DATA)}")

    response = put(session, DATA[CHUNK:], f"bytes {CHUNK}-{len(DATA) - 1}/{len(DATA)}")

    assert response.json()["sha256Checksum"] == SHA256


@pytest.mark.parametrize(
    ("data", "content_range"),
    [
        (b"x" * 1000, "bytes 0-999/2000"),
        (b"x" * CHUNK, f"bytes {CHUNK}-{2 * CHUNK - 1}/*"),
        (b"x" * CHUNK, f"bytes 0-{CHUNK}/*"),
        (b"x" * 10, "bytes 0-9/5"),
        (b"x" * 10, "bytes 9-0/10"),
        (b"x" * 10, "0-9/10"),
        (b"x" * 10, "bytes 0-9/" + "9" * 30),
    ],
    ids=["not a multiple", "a gap", "wrong length", "beyond the end", "backwards", "no unit", "huge"],
)
def test_a_piece_that_does_not_fit_is_refused_and_changes_nothing(
    session: str, data: bytes, content_range: str
) -> None:
    response = put(session, data, content_range)

    assert response.status_code == 400
    assert response.json()["error"]["code"] == 400
    assert "Range" not in ask(session, "*").headers
    assert put(session, DATA).json()["sha256Checksum"] == SHA256


def test_a_content_of_another_size_than_announced_is_refused(robot: DriveClients) -> None:
    session = robot.start_session(
        headers={"X-Upload-Content-Length": "5", "X-Upload-Content-Type": "text/plain"},
        parents=[robot.archive_folder],
    )

    wrong = put(session, b"longer")
    right = put(session, b"hello")

    assert wrong.status_code == 400
    assert (right.status_code, right.json()["mimeType"]) == (200, "text/plain")


def test_a_stream_of_unknown_length_is_the_whole_content(session: str) -> None:
    pieces = (DATA[at : at + 100_000] for at in range(0, len(DATA), 100_000))

    response = requests.put(session, data=pieces, timeout=60)

    assert response.json()["sha256Checksum"] == SHA256


def test_an_empty_content_is_a_content(robot: DriveClients, session: str) -> None:
    response = put(session, b"")

    assert (response.status_code, response.json()["size"]) == (200, "0")
    assert robot.content(response.json()["id"]) == b""


def test_a_session_needs_no_token_but_refuses_a_bad_one(session: str) -> None:
    bad = requests.put(session, data=DATA, headers={"Authorization": "Bearer expired"}, timeout=60)
    none = put(session, DATA)

    assert (bad.status_code, none.status_code) == (401, 200)


def test_an_update_replaces_the_content_and_keeps_the_old_revision(robot: DriveClients) -> None:
    old = robot.upload(robot.make_folder(), b"old", name="day.zip")

    session = robot.start_session(file_id=old["id"])
    new = put(session, DATA).json()

    assert (new["id"], new["sha256Checksum"]) == (old["id"], SHA256)
    assert new["headRevisionId"] != old["headRevisionId"]
    media = robot.api.revisions().get_media(fileId=old["id"], revisionId=old["headRevisionId"])
    assert media.execute() == b"old"


def test_an_unfinished_update_leaves_the_old_content(robot: DriveClients) -> None:
    old = robot.upload(robot.make_folder(), b"old", name="day.zip")

    put(robot.start_session(file_id=old["id"]), DATA[:CHUNK], f"bytes 0-{CHUNK - 1}/{len(DATA)}")

    assert robot.content(old["id"]) == b"old"


def test_a_repeated_upload_under_a_generated_id_is_a_conflict(robot: DriveClients) -> None:
    [file_id] = robot.files.generateIds(count=1).execute()["ids"]
    folder = robot.make_folder()
    first, second = (robot.start_session(id=file_id, parents=[folder]) for _ in range(2))

    answers = [put(first, DATA).status_code, put(second, DATA).status_code]
    late = robot.http.post(
        f"{robot.url}/upload/drive/v3/files?uploadType=resumable&supportsAllDrives=true",
        json={"id": file_id, "parents": [folder]},
    )

    assert answers == [200, 409]
    assert late.status_code == 409


def test_uploads_run_side_by_side(robot: DriveClients) -> None:
    folder = robot.make_folder()
    sessions = [robot.start_session(name=str(number), parents=[folder]) for number in range(8)]
    answers: list[str] = []

    def upload(uri: str) -> None:
        answers.append(put(uri, DATA).json()["sha256Checksum"])

    threads = [threading.Thread(target=upload, args=(uri,)) for uri in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [SHA256] * 8


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_googles_client_uploads_in_chunks(robot: DriveClients, size: int) -> None:
    media = MediaIoBaseUpload(io.BytesIO(DATA[:size]), "application/zip", chunksize=CHUNK, resumable=True)
    body = {"name": "day.zip", "parents": [robot.make_folder()]}
    request = robot.files.create(body=body, media_body=media, supportsAllDrives=True, fields="*")

    file = None
    while file is None:
        _, file = request.next_chunk()

    assert (file["size"], file["mimeType"]) == (str(size), "application/zip")
    assert file["sha256Checksum"] == hashlib.sha256(DATA[:size]).hexdigest()


def test_the_session_uri_carries_the_upload_and_its_parameters(robot: DriveClients, session: str) -> None:
    assert session.startswith(f"{robot.url}/upload/drive/v3/files?uploadType=resumable")
    assert "upload_id=" in session
    assert json.loads(put(session, b"x").content)["name"] == "day.zip"
