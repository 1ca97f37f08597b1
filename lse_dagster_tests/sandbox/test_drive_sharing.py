"""Whose files these are: shared drive, My Drive, the service account and the person."""

import pytest
from googleapiclient.errors import HttpError

from lse_dagster_tests.sandbox.drive_clients import (
    DriveClients,
    reason,
)

pytestmark = pytest.mark.usefixtures("drive_sandbox")


def test_without_supports_all_drives_the_shared_drive_does_not_exist(robot: DriveClients) -> None:
    file_id = robot.make_folder()
    calls = [
        robot.files.get(fileId=file_id),
        robot.files.update(fileId=file_id, body={"name": "x"}),
        robot.files.delete(fileId=file_id),
        robot.files.create(body={"name": "x", "parents": [file_id]}),
    ]

    for call in calls:
        with pytest.raises(HttpError, match="File not found") as failure:
            call.execute()
        assert (failure.value.status_code, reason(failure.value)) == (404, "notFound")


def test_a_service_account_has_folders_in_my_drive_but_no_storage(robot: DriveClients) -> None:
    folder = robot.make_folder("allowed", robot.my_drive_folder)

    response = robot.http.post(
        f"{robot.url}/upload/drive/v3/files?uploadType=resumable", json={"parents": [folder]}
    )

    assert response.status_code == 403
    error = response.json()["error"]
    assert error["errors"][0]["reason"] == "storageQuotaExceeded"
    assert error["message"].startswith("Service Accounts do not have storage quota")


def test_a_person_stores_files_in_my_drive_and_owns_them(human: DriveClients) -> None:
    file = human.upload(human.my_drive_folder, b"hello", name="mine")

    assert file["ownedByMe"] is True
    assert "driveId" not in file


def test_a_service_account_cannot_delete_what_a_person_owns(robot: DriveClients, human: DriveClients) -> None:
    file_id = human.create(name="mine", parents=[human.my_drive_folder])

    with pytest.raises(HttpError) as failure:
        robot.files.delete(fileId=file_id).execute()

    assert (failure.value.status_code, reason(failure.value)) == (403, "insufficientFilePermissions")
    assert robot.get(file_id)["capabilities"]["canDelete"] is False


def test_what_a_person_has_not_shared_does_not_exist_for_the_service_account(
    robot: DriveClients, human: DriveClients
) -> None:
    file_id = human.create(name="private")

    with pytest.raises(HttpError) as failure:
        robot.get(file_id)

    assert failure.value.status_code == 404


def test_app_properties_belong_to_the_app_that_wrote_them(robot: DriveClients, human: DriveClients) -> None:
    properties = {"day": "2025-08-29", "it's": "a \\ b"}
    file_id = robot.create(name="tagged", parents=[robot.make_folder()], appProperties=properties)

    robot.files.update(
        fileId=file_id, body={"appProperties": {"day": None, "more": "1"}}, supportsAllDrives=True
    ).execute()

    assert robot.get(file_id)["appProperties"] == {"it's": "a \\ b", "more": "1"}
    assert "appProperties" not in human.get(file_id)


def test_about_tells_who_i_am_and_insists_on_fields(robot: DriveClients) -> None:
    about = robot.api.about().get(fields="user(emailAddress,me),storageQuota/limit").execute()

    assert about["user"]["me"] is True
    assert about["storageQuota"] == {"limit": "0"}
    assert robot.http.get(f"{robot.url}/drive/v3/about").status_code == 400


def test_the_shared_drive_can_be_found(robot: DriveClients) -> None:
    drives = robot.api.drives().list().execute()["drives"]

    assert drives == [{"kind": "drive#drive", "id": robot.shared_drive, "name": "Sandbox drive"}]
    assert robot.api.drives().get(driveId=robot.shared_drive, fields="name").execute() == {
        "name": "Sandbox drive"
    }
