"""Archives on the sandbox's Drive, and another person who works there with Google's own client."""

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict
from uuid import uuid4

import google.oauth2.credentials
import google_auth_httplib2  # type: ignore[import-untyped]
import googleapiclient.discovery
import pytest
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.http import MediaIoBaseUpload

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.transfer.upload import Uploaded
from lse_dagster.net.backoff import Backoff
from lse_dagster.net.limiter import RateLimiter
from lse_dagster.sandbox.client import ControlClient, FaultFields
from lse_dagster.sandbox.server import Sandbox

FOLDER_TYPE = "application/vnd.google-apps.folder"
CHUNK = 256 * 1024


class Where(TypedDict):
    """The requests that a fault is for."""

    method: str
    path: str


@dataclass
class Waits:
    """Stands in for the clock: remembers how long the archive wanted to wait, and lets it go on at once."""

    seconds: list[float] = field(default_factory=list)

    def backoff(self, **rule: Any) -> Backoff:
        return Backoff(**{"sleep": self.seconds.append, "jitter": lambda: 0.5, **rule})


class Person:
    """Somebody else with rights on the Drive. Uses Google's client, not the code under test."""

    def __init__(self, env: dict[str, str]) -> None:
        document = json.loads(get_static_doc("drive", "v3") or "")  # type: ignore[no-untyped-call]
        document["rootUrl"] = env["GOOGLE_DRIVE_ENDPOINT"] + "/"
        document["baseUrl"] = document["rootUrl"] + document["servicePath"]
        make: Any = google.oauth2.credentials.Credentials
        http = google_auth_httplib2.AuthorizedHttp(make(env["SANDBOX_DRIVE_TOKEN"]))
        build: Any = googleapiclient.discovery.build_from_document  # type: ignore[attr-defined]
        self.files: Any = build(document, http=http).files()
        self.revisions: Any = build(document, http=http).revisions()

    def make_folder(self, name: str, parent: str, **more: str) -> str:
        body = {"name": name, "mimeType": FOLDER_TYPE, "parents": [parent], **more}
        return str(self.files.create(body=body, supportsAllDrives=True).execute()["id"])

    def make_file(self, name: str, parent: str, content: bytes) -> str:
        body = {"name": name, "parents": [parent]}
        made = self.files.create(body=body, media_body=_media(content), supportsAllDrives=True).execute()
        return str(made["id"])

    def replace(self, file_id: str, content: bytes) -> None:
        self.files.update(fileId=file_id, media_body=_media(content), supportsAllDrives=True).execute()

    def trash(self, file_id: str) -> None:
        self.files.update(fileId=file_id, body={"trashed": True}, supportsAllDrives=True).execute()

    def get(self, file_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.files.get(fileId=file_id, fields="*", supportsAllDrives=True).execute()
        return found

    def content(self, file_id: str) -> bytes:
        got: bytes = self.files.get_media(fileId=file_id, supportsAllDrives=True).execute()
        return got

    def revisions_of(self, file_id: str) -> list[str]:
        answer = self.revisions.list(fileId=file_id, fields="revisions(id)").execute()
        return [revision["id"] for revision in answer["revisions"]]

    def live_in(self, parent: str, name: str | None = None) -> list[dict[str, Any]]:
        """What is in the folder and not in the trash, folders too."""
        answer = self.files.list(
            q=f"'{parent}' in parents and trashed = false",
            fields="files(id,name,mimeType,size)",
            pageSize=1000,
            supportsAllDrives=True,
            includeItemsFromAllDrives=True,
        ).execute()
        return [found for found in answer["files"] if name in (None, found["name"])]


def _media(content: bytes) -> MediaIoBaseUpload:
    return MediaIoBaseUpload(io.BytesIO(content), mimetype="application/octet-stream", resumable=True)


@pytest.fixture
def env(sandbox: Sandbox, drive_sandbox: ControlClient) -> dict[str, str]:
    return sandbox.env


@pytest.fixture
def settings(env: dict[str, str]) -> DriveSettings:
    """A service account on a folder in a shared drive."""
    return _service_account(env)


def _service_account(env: dict[str, str]) -> DriveSettings:
    return DriveSettings(
        folder_url=env["GOOGLE_DRIVE_FOLDER_URL"],
        auth_type="service_account",
        credentials_path=Path(env["GOOGLE_DRIVE_CREDENTIALS_PATH"]),
        token_path=None,
        endpoint=env["GOOGLE_DRIVE_ENDPOINT"],
    )


@pytest.fixture
def token_path(env: dict[str, str], tmp_path: Path) -> Path:
    """A stored OAuth token of this test alone."""
    path = tmp_path / "token.json"
    path.write_bytes(Path(env["GOOGLE_DRIVE_TOKEN_PATH"]).read_bytes())
    path.chmod(0o600)
    return path


@pytest.fixture
def oauth_settings(env: dict[str, str], token_path: Path) -> DriveSettings:
    """A person's stored token on a folder in their My Drive."""
    return DriveSettings(
        folder_url=env["SANDBOX_MY_DRIVE_FOLDER_ID"],
        auth_type="oauth2",
        credentials_path=None,
        token_path=token_path,
        endpoint=env["GOOGLE_DRIVE_ENDPOINT"],
    )


@pytest.fixture(scope="session")
def all_waits() -> Waits:
    return Waits()


@pytest.fixture
def waits(all_waits: Waits) -> Waits:
    all_waits.seconds.clear()
    return all_waits


@pytest.fixture(scope="module")
def connected(sandbox: Sandbox, all_waits: Waits) -> Iterator[DriveArchive]:
    """One archive for the tests of a file: reading the key takes 0.1 s.

    Not for all files: their tests may end its token, or its connections by taking longer than servers wait.
    """
    settings = _service_account(sandbox.env)
    with DriveArchive.connect(
        settings, backoff=all_waits.backoff(), timeout=60, creations=RateLimiter(None)
    ) as archive:
        yield archive


@pytest.fixture
def drive(connected: DriveArchive, waits: Waits, drive_sandbox: ControlClient) -> DriveArchive:
    """An archive that waits without waiting; the sandbox's log starts with what the test does."""
    return connected


@pytest.fixture(scope="module")
def somebody(sandbox: Sandbox) -> Person:
    """One for the tests of a file, as its connections do not outlast a longer pause."""
    return Person(sandbox.env)


@pytest.fixture
def person(somebody: Person, drive_sandbox: ControlClient) -> Person:
    return somebody


@pytest.fixture
def root_id(env: dict[str, str]) -> str:
    return env["GOOGLE_DRIVE_FOLDER_URL"].rsplit("/", 1)[1]


@pytest.fixture
def folder() -> str:
    """The name of a folder that no other test uses."""
    return f"project-{uuid4()}"


@pytest.fixture
def local(tmp_path: Path) -> Callable[[bytes], Path]:
    """Makes a local file with this content."""

    def make(content: bytes) -> Path:
        path = tmp_path / f"{uuid4()}.zip"
        path.write_bytes(content)
        return path

    return make


def some_bytes(size: int) -> bytes:
    """Bytes that compress badly and are never the same twice."""
    return os.urandom(size)


def put(drive: DriveArchive, path: Path, *, folder: str, name: str, **more: Any) -> Uploaded:
    """Upload a file, whatever is there."""
    return drive.upload(path, folder=folder, name=name, replacing=drive.find(folder, name), **more)


def elsewhere(settings: DriveSettings, folder_url: str) -> DriveSettings:
    """The same account on another folder."""
    return replace(settings, folder_url=folder_url)


def merged(*parts: FaultFields) -> FaultFields:
    """One fault of several parts; the later ones win."""
    whole: FaultFields = {}
    for part in parts:
        whole.update(part)
    return whole


def rate_body(reason: str, status: int = 403) -> dict[str, Any]:
    """An error of Drive with this reason."""
    return {
        "error": {
            "code": status,
            "message": f"Refused: {reason}.",
            "errors": [{"domain": "usageLimits", "reason": reason, "message": f"Refused: {reason}."}],
        }
    }
