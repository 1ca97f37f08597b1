"""The Drive server's test switches do what `settings.py` says, and its pages open."""

import hashlib
from typing import Any

import pytest
import requests
from googleapiclient.errors import HttpError

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.sandbox.drive_clients import DriveClients, person, reason

DATA = bytes(range(256)) * 5000
BOUNDARY = "==frontier=="

pytestmark = pytest.mark.usefixtures("drive_sandbox")


def test_a_damaged_upload_shows_in_its_checksums(robot: DriveClients, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(corrupt_uploads=1)

    damaged, whole = (robot.upload(robot.archive_folder, DATA, name="day.zip") for _ in range(2))

    assert damaged["size"] == whole["size"]
    assert damaged["sha256Checksum"] != hashlib.sha256(DATA).hexdigest()
    assert whole["sha256Checksum"] == hashlib.sha256(DATA).hexdigest()


def test_a_stored_file_can_be_damaged_behind_its_checksums(
    robot: DriveClients, drive_sandbox: ControlClient
) -> None:
    file = robot.upload(robot.archive_folder, DATA, name="day.zip")

    drive_sandbox.settings(corrupt_file=file["id"])

    assert robot.get(file["id"]) == file
    assert robot.content(file["id"]) != DATA


def test_sha256_may_be_missing(robot: DriveClients, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(omit_sha256=True)

    file = robot.upload(robot.archive_folder, b"hello", name="day.zip")

    assert "sha256Checksum" not in file
    assert file["md5Checksum"] == "5d41402abc4b2a76b9719d911017c592"


def test_the_head_revision_may_be_missing(robot: DriveClients, drive_sandbox: ControlClient) -> None:
    drive_sandbox.settings(omit_revision=True)

    assert "headRevisionId" not in robot.upload(robot.archive_folder, b"hello", name="day.zip")


def test_a_full_my_drive_takes_no_content(sandbox: Sandbox, drive_sandbox: ControlClient) -> None:
    human = DriveClients(sandbox, person(sandbox))
    drive_sandbox.settings(quota_full=True)

    response = human.http.post(f"{human.url}/upload/drive/v3/files?uploadType=resumable", json={})

    assert response.status_code == 403
    assert response.json()["error"]["message"] == "The user's Drive storage quota has been exceeded."


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("organizer", "read write trash delete"),
        ("fileOrganizer", "read write trash"),
        ("writer", "read write"),
        ("reader", "read"),
    ],
)
def test_the_role_on_the_shared_drive_decides_what_may_be_done(
    robot: DriveClients, drive_sandbox: ControlClient, role: str, may: str
) -> None:
    file = robot.upload(robot.make_folder(), b"hello", name="day.zip")
    drive_sandbox.settings(service_account_role=role)

    def allowed(call: Any) -> bool:
        try:
            call.execute()
        except HttpError as error:
            assert reason(error) == "insufficientFilePermissions"
            return False
        return True

    one = {"fileId": file["id"], "supportsAllDrives": True}
    calls = {
        "read": robot.files.get(**one),
        "write": robot.files.update(**one, body={"name": "new.zip"}),
        "trash": robot.files.update(**one, body={"trashed": True}),
        "delete": robot.files.delete(**one),
    }
    assert " ".join(name for name, call in calls.items() if allowed(call)) == may


@pytest.mark.parametrize("change", [{"nonsense": 1}, {"list_lag": "two"}, {"corrupt_file": "unknown"}])
def test_a_setting_that_does_not_exist_is_refused(
    drive_sandbox: ControlClient, change: dict[str, Any]
) -> None:
    before = drive_sandbox.settings()

    with pytest.raises(ValueError, match="422"):
        drive_sandbox.settings(**change)

    assert drive_sandbox.settings() == before


def test_links_open_in_a_browser(robot: DriveClients) -> None:
    folder = robot.make_folder("<b>&folder")
    file = robot.upload(folder, b"hello", name="<script>alert('x')</script>é.zip")

    page = requests.get(robot.get(folder)["webViewLink"], timeout=60)
    view = requests.get(file["webViewLink"], timeout=60)
    download = requests.get(file["webContentLink"], timeout=60)

    assert "&lt;b&gt;&amp;folder" in page.text
    assert f"/file/d/{file['id']}/view" in page.text
    assert "&lt;script&gt;" in view.text
    assert "<script>" not in page.text + view.text
    assert download.content == b"hello"
    assert download.headers["Content-Disposition"].startswith("attachment")
    assert requests.get(f"{robot.url}/drive/folders/unknown", timeout=60).status_code == 404
