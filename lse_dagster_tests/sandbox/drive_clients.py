"""Google's public clients, pointed at the sandbox: what the Drive tests hold in their hands."""

import json
from pathlib import Path
from typing import Any

from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials as UserCredentials
from google.oauth2.service_account import Credentials as ServiceAccountCredentials
from googleapiclient import discovery
from googleapiclient.discovery_cache import get_static_doc

from lse_dagster.sandbox.drive import MY_DRIVE_FOLDER_ID, SHARED_DRIVE_ID
from lse_dagster.sandbox.server import Sandbox

DRIVE = "https://www.googleapis.com/auth/drive"
FOLDER = "application/vnd.google-apps.folder"
CHUNK = 256 * 1024


class DriveClients:
    """One account's clients: Google's API client and a session for plain HTTP, and a folder of its own."""

    def __init__(self, sandbox: Sandbox, credentials: Any) -> None:
        self.url = sandbox.drive_url
        self.archive_folder = sandbox.env["GOOGLE_DRIVE_FOLDER_URL"].rpartition("/")[2]
        self.my_drive_folder = sandbox.env[MY_DRIVE_FOLDER_ID]
        self.shared_drive = sandbox.env[SHARED_DRIVE_ID]
        self.api = google_client(sandbox.drive_url, credentials)
        self.files = self.api.files()
        self.http: Any = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
        self.http.trust_env = False

    def make_folder(self, name: str = "test", parent: str | None = None) -> str:
        """A new folder on the shared drive, unless another parent is given."""
        return self.create(name=name, mimeType=FOLDER, parents=[parent or self.archive_folder])

    def create(self, **metadata: Any) -> str:
        """A new file or folder from metadata alone."""
        made = self.files.create(body=metadata, supportsAllDrives=True, fields="id").execute()
        return str(made["id"])

    def upload(self, folder: str, data: bytes, **metadata: Any) -> dict[str, Any]:
        """A new file with content, in one request; all its fields."""
        made = self.start_session(parents=[folder], **metadata)
        response = self.http.put(made, data=data)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def start_session(
        self, *, file_id: str | None = None, headers: dict[str, str] | None = None, **metadata: Any
    ) -> str:
        """The URI of a new resumable upload."""
        path = "/upload/drive/v3/files" + (f"/{file_id}" if file_id else "")
        response = self.http.request(
            "PATCH" if file_id else "POST",
            self.url + path,
            params={"uploadType": "resumable", "supportsAllDrives": "true", "fields": "*"},
            json=metadata,
            headers=headers or {},
        )
        assert response.status_code == 200, response.text
        return str(response.headers["Location"])

    def get(self, file_id: str) -> dict[str, Any]:
        """All fields of a file."""
        file: dict[str, Any] = self.files.get(fileId=file_id, supportsAllDrives=True, fields="*").execute()
        return file

    def content(self, file_id: str) -> bytes:
        """A file's content."""
        data: bytes = self.files.get_media(fileId=file_id, supportsAllDrives=True).execute()
        return data

    def search(self, q: str, **parameters: Any) -> list[str]:
        """The names of what a query finds on all drives."""
        found = self.files.list(
            q=q, supportsAllDrives=True, includeItemsFromAllDrives=True, **parameters
        ).execute()
        return [file["name"] for file in found["files"]]


def google_client(url: str, credentials: Any) -> Any:
    """Google's API client against another server; `build` itself would keep https for uploads."""
    document = json.loads(get_static_doc("drive", "v3"))  # type: ignore[no-untyped-call]
    document |= {"rootUrl": f"{url}/", "baseUrl": f"{url}/drive/v3/"}
    client: Any = discovery  # its stubs know `build` only
    return client.build_from_document(document, credentials=credentials)


def service_account(sandbox: Sandbox, *scopes: str, subject: str | None = None) -> Any:
    """The service account's credentials, from its key file."""
    return ServiceAccountCredentials.from_service_account_file(  # type: ignore[no-untyped-call]
        sandbox.env["GOOGLE_DRIVE_CREDENTIALS_PATH"], scopes=scopes or [DRIVE], subject=subject
    )


def person(sandbox: Sandbox, *scopes: str, **changes: str) -> Any:
    """The person's credentials from the stored token; `from_authorized_user_file` would ask Google itself."""
    stored = json.loads(Path(sandbox.env["GOOGLE_DRIVE_TOKEN_PATH"]).read_text()) | changes
    return UserCredentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=stored["refresh_token"],
        token_uri=stored["token_uri"],
        client_id=stored["client_id"],
        client_secret=stored["client_secret"],
        scopes=scopes or stored["scopes"],
    )


def reason(error: Any) -> str:
    """The reason in a Google error's body."""
    return str(json.loads(error.content)["error"]["errors"][0]["reason"])
