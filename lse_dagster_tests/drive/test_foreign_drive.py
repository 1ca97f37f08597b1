"""Sign-in, queries and pages against backlot, other people's emulator of Drive. Not our sandbox.

It is read-only and keeps one level of folders: so uploads, `find` and downloads stay with the sandbox.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import backlot  # type: ignore[import-untyped]
import pytest
import requests

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import CredentialsRejected, FolderNotReachable
from lse_dagster.drive.file import FIELDS, FileDescription
from lse_dagster.drive.folder import PAGE_SIZE, RootFolder, folders_named, quoted, search
from lse_dagster.drive.settings import DriveSettings
from lse_dagster_tests.drive.foreign import operation_on

FOLDER = r"it's a \ project"
PERSON = "ava@example.com"
CONTENTS = {f"it's \\ {number}.zip": f"content {number}" for number in range(PAGE_SIZE + 5)}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """One server with a folder of more than a page. It sends nothing to its makers."""
    shared = {
        "source_type": "google_drive",
        "folder": FOLDER,
        "subtype": "zip",
        "mime_type": "application/zip",
        "visibility": "public",
        "author_email": PERSON,
        "author_name": "Ava",
        "created": "2025-08-29T00:00:00Z",
        "updated": "2025-08-29T00:00:00Z",
    }
    records = [{**shared, "doc_id": name, "title": name, "content": text} for name, text in CONTENTS.items()]
    with backlot.serve(records=records, telemetry=False) as server:
        yield server.base_url


@pytest.fixture(scope="module")
def credentials(endpoint: str) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{endpoint}/_meta/credentials", timeout=60).json()
    return found


@pytest.fixture
def settings(endpoint: str, credentials: dict[str, Any], tmp_path: Path, folder_id: str) -> DriveSettings:
    """The service account's key as it is downloaded; its signed grants are checked by the server."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps(credentials["service_account"]))
    key.chmod(0o600)
    return DriveSettings(
        folder_url=f"https://drive.google.com/drive/folders/{folder_id}?usp=sharing",
        auth_type="service_account",
        credentials_path=key,
        endpoint=endpoint,
    )


@pytest.fixture(scope="module")
def folder_id(endpoint: str) -> str:
    answer = requests.get(
        f"{endpoint}/drive/v3/files",
        params={"q": "mimeType = 'application/vnd.google-apps.folder'"},
        headers={"Authorization": "Bearer admin-service-token"},
        timeout=60,
    )
    return str(answer.json()["files"][0]["id"])


def test_a_service_account_signs_in_and_opens_its_folder(settings: DriveSettings, folder_id: str) -> None:
    with DriveArchive.connect(settings) as drive:
        assert drive.folder_link().endswith(folder_id)
        assert list(drive.list("no such folder")) == []
        assert drive.find("no such folder", "a.zip") is None


def test_a_service_account_acts_for_a_person(settings: DriveSettings) -> None:
    delegated = DriveSettings(
        **{name: getattr(settings, name) for name in ("folder_url", "auth_type", "endpoint")},
        credentials_path=settings.credentials_path,
        impersonate=PERSON,
    )

    with DriveArchive.connect(delegated) as drive:
        assert drive.folder_link()


def test_a_stored_token_is_refreshed(
    endpoint: str, credentials: dict[str, Any], settings: DriveSettings, tmp_path: Path
) -> None:
    users = requests.get(f"{endpoint}/_meta/users", timeout=60).json()["users"]
    token = tmp_path / "token.json"
    token.write_text(
        json.dumps(
            {
                "type": "authorized_user",
                **credentials["oauth_client"],
                "refresh_token": users[0]["token"],
                "token_uri": credentials["token_uri"],
            }
        )
    )
    token.chmod(0o600)
    oauth = DriveSettings(
        folder_url=settings.folder_url, auth_type="oauth2", token_path=token, endpoint=endpoint
    )

    with DriveArchive.connect(oauth) as drive:
        assert drive.folder_link()

    assert json.loads(token.read_text())["token"]


def test_a_key_of_somebody_else_is_refused(settings: DriveSettings, sandbox_key: Path) -> None:
    other = json.loads(sandbox_key.read_text())["private_key"]
    assert settings.credentials_path is not None
    key = json.loads(settings.credentials_path.read_text())
    settings.credentials_path.write_text(json.dumps({**key, "private_key": other}))

    with pytest.raises(CredentialsRejected):
        DriveArchive.connect(settings)


@pytest.fixture
def sandbox_key(env: dict[str, str]) -> Path:
    return Path(env["GOOGLE_DRIVE_CREDENTIALS_PATH"])


def test_a_folder_that_is_not_there_is_told(settings: DriveSettings) -> None:
    nowhere = DriveSettings(
        folder_url="1NoSuchFolderNoSuchFolder",
        auth_type="service_account",
        credentials_path=settings.credentials_path,
        endpoint=settings.endpoint,
    )

    with pytest.raises(FolderNotReachable, match=r"gserviceaccount\.com"):
        DriveArchive.connect(nowhere)


def test_names_with_quotes_and_backslashes_are_found(settings: DriveSettings, folder_id: str) -> None:
    root = RootFolder("root", link="", drive_id=None)
    name = "it's \\ 7.zip"
    with operation_on(str(settings.endpoint), settings) as operation:
        assert folders_named(operation, root, FOLDER) == [folder_id]
        query = f"{quoted(folder_id)} in parents and name = {quoted(name)}"
        (found,) = search(operation, query, FileDescription, fields=FIELDS, drive_id=None)

    assert found.name == name
    assert found.md5_checksum == hashlib.md5(CONTENTS[name].encode()).hexdigest()


def test_a_folder_of_more_than_a_page_is_listed_whole(settings: DriveSettings, folder_id: str) -> None:
    with operation_on(str(settings.endpoint), settings) as operation:
        query = f"({quoted(folder_id)} in parents) and mimeType != 'application/vnd.google-apps.folder'"
        found = list(search(operation, query, FileDescription, fields=FIELDS, drive_id=None))

    assert sorted(file.name for file in found) == sorted(CONTENTS)
    assert operation.requests == 2
