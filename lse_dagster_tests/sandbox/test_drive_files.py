"""Files and folders of the sandbox's Drive, through Google's API client."""

import pytest
import requests
from googleapiclient.errors import HttpError

from lse_dagster_tests.sandbox.drive_clients import (
    FOLDER,
    DriveClients,
    reason,
)

pytestmark = pytest.mark.usefixtures("drive_sandbox")


def test_a_new_folder_answers_with_the_default_fields_only(robot: DriveClients) -> None:
    body = {"name": "my-project", "mimeType": FOLDER, "parents": [robot.archive_folder]}

    made = robot.files.create(body=body, supportsAllDrives=True).execute()

    assert made == {"kind": "drive#file", "id": made["id"], "name": "my-project", "mimeType": FOLDER}


def test_all_fields_of_a_file_on_the_shared_drive(robot: DriveClients) -> None:
    folder = robot.make_folder()

    file = robot.upload(folder, b"hello", name="day.tar.gz", mimeType="application/zip")

    assert file["size"] == "5"
    assert file["md5Checksum"] == "5d41402abc4b2a76b9719d911017c592"
    assert file["sha256Checksum"].startswith("2cf24dba5fb0a30e")
    assert file["parents"] == [folder]
    assert file["driveId"] == robot.shared_drive
    assert "owners" not in file
    assert file["webViewLink"].startswith(f"{robot.url}/file/d/{file['id']}/view")
    assert file["fullFileExtension"] == "tar.gz"
    assert file["capabilities"]["canEdit"] is True
    assert robot.get(file["id"]) == file


def test_fields_select_nested_parts(human: DriveClients) -> None:
    made = human.create(name="mine")

    fields = "id,owners/emailAddress,capabilities(canEdit,canTrash)"
    file = human.files.get(fileId=made, fields=fields).execute()

    assert file == {
        "id": made,
        "owners": [{"emailAddress": "archivist@example.com"}],
        "capabilities": {"canEdit": True, "canTrash": True},
    }


@pytest.mark.parametrize("fields", ["nmae", "id,", "id name", "owners(", "owners/mail", "(id)", "a" * 5000])
def test_a_field_that_does_not_exist_is_refused(robot: DriveClients, fields: str) -> None:
    with pytest.raises(HttpError) as failure:
        robot.files.get(fileId="root", fields=fields).execute()

    assert (failure.value.status_code, reason(failure.value)) == (400, "invalidParameter")


def test_two_files_may_have_the_same_name(robot: DriveClients) -> None:
    folder = robot.make_folder()

    ids = {robot.create(name="twin", parents=[folder]) for _ in range(2)}

    assert len(ids) == 2
    assert robot.search(f"'{folder}' in parents and name = 'twin'") == ["twin", "twin"]


def test_a_generated_id_can_be_used_once(robot: DriveClients) -> None:
    [file_id] = robot.files.generateIds(count=1, space="drive").execute()["ids"]
    body = {"id": file_id, "name": "once", "parents": [robot.make_folder()]}

    made = robot.files.create(body=body, supportsAllDrives=True).execute()
    with pytest.raises(HttpError) as failure:
        robot.files.create(body=body, supportsAllDrives=True).execute()

    assert made["id"] == file_id
    assert (failure.value.status_code, reason(failure.value)) == (409, "fileIdInUse")


def test_an_invented_id_is_refused(robot: DriveClients) -> None:
    with pytest.raises(HttpError) as failure:
        robot.create(id="1" + "x" * 32, name="invented", parents=[robot.archive_folder])

    assert failure.value.status_code == 400


def test_a_rename_keeps_the_content_and_raises_the_version(robot: DriveClients) -> None:
    old = robot.upload(robot.make_folder(), b"hello", name="old")

    robot.files.update(fileId=old["id"], body={"name": "new"}, supportsAllDrives=True).execute()

    new = robot.get(old["id"])
    assert (new["name"], new["md5Checksum"], new["headRevisionId"]) == (
        "new",
        old["md5Checksum"],
        old["headRevisionId"],
    )
    assert int(new["version"]) > int(old["version"])


def test_a_file_moves_with_add_and_remove_parents(robot: DriveClients) -> None:
    one, other = robot.make_folder("one"), robot.make_folder("other")
    file_id = robot.create(name="file", parents=[one])

    robot.files.update(fileId=file_id, addParents=other, removeParents=one, supportsAllDrives=True).execute()

    assert robot.get(file_id)["parents"] == [other]


def test_a_second_parent_is_refused(robot: DriveClients) -> None:
    one, other = robot.make_folder("one"), robot.make_folder("other")

    with pytest.raises(HttpError) as failure:
        robot.files.update(fileId=one, addParents=other, supportsAllDrives=True).execute()

    assert (failure.value.status_code, reason(failure.value)) == (403, "cannotAddParent")


def test_a_folder_does_not_move_into_itself(robot: DriveClients) -> None:
    outer = robot.make_folder("outer")
    inner = robot.make_folder("inner", outer)

    with pytest.raises(HttpError) as failure:
        robot.files.update(
            fileId=outer, addParents=inner, removeParents=robot.archive_folder, supportsAllDrives=True
        ).execute()

    assert failure.value.status_code == 400


def test_parents_cannot_be_written_in_an_update(robot: DriveClients) -> None:
    with pytest.raises(HttpError) as failure:
        robot.files.update(
            fileId=robot.make_folder(), body={"parents": [robot.archive_folder]}, supportsAllDrives=True
        ).execute()

    assert (failure.value.status_code, reason(failure.value)) == (403, "fieldNotWritable")


def test_a_file_is_no_parent(robot: DriveClients) -> None:
    file_id = robot.create(name="file", parents=[robot.archive_folder])

    with pytest.raises(HttpError) as failure:
        robot.create(name="child", parents=[file_id])

    assert failure.value.status_code == 403


def test_trashing_a_folder_trashes_what_is_in_it_and_back(robot: DriveClients) -> None:
    folder = robot.make_folder()
    file_id = robot.create(name="file", parents=[folder])

    robot.files.update(fileId=folder, body={"trashed": True}, supportsAllDrives=True).execute()
    during = robot.get(file_id)
    robot.files.update(fileId=folder, body={"trashed": False}, supportsAllDrives=True).execute()

    assert (during["trashed"], during["explicitlyTrashed"]) == (True, False)
    assert robot.get(file_id)["trashed"] is False


def test_a_deleted_folder_is_gone_with_everything_in_it(robot: DriveClients) -> None:
    folder = robot.make_folder()
    file = robot.upload(folder, b"hello", name="file")

    robot.files.delete(fileId=folder, supportsAllDrives=True).execute()

    for file_id in (folder, file["id"]):
        with pytest.raises(HttpError, match=f"File not found: {file_id}") as failure:
            robot.get(file_id)
        assert failure.value.status_code == 404


@pytest.mark.parametrize(
    "properties", [{"k": "é" * 62}, {f"k{number}": "v" for number in range(31)}], ids=["too long", "too many"]
)
def test_app_properties_have_limits(robot: DriveClients, properties: dict[str, str]) -> None:
    with pytest.raises(HttpError) as failure:
        robot.create(name="tagged", parents=[robot.archive_folder], appProperties=properties)

    assert failure.value.status_code == 400


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"name": 1}', '{"name": "\\ud800"}', '{"createdTime": "today"}']
)
def test_a_body_that_cannot_be_understood_is_refused(robot: DriveClients, body: str) -> None:
    response = robot.http.post(f"{robot.url}/drive/v3/files", data=body)

    assert response.status_code == 400
    assert response.json()["error"]["code"] == 400


def test_a_checksum_cannot_be_written(robot: DriveClients) -> None:
    response = robot.http.post(f"{robot.url}/drive/v3/files", json={"name": "x", "md5Checksum": "0" * 32})

    assert response.status_code == 403
    assert response.json()["error"]["errors"][0]["reason"] == "fieldNotWritable"


def test_an_unknown_path_answers_in_googles_shape(robot: DriveClients) -> None:
    response = requests.get(f"{robot.url}/drive/v3/nothing", timeout=60)

    assert response.status_code == 404
    assert response.json()["error"]["errors"][0]["reason"] == "notFound"
