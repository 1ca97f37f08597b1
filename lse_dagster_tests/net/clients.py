"""Every client of the product, each as one call, for tests of the manners that all of them share."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import msgspec

from lse_dagster.defs.alerts.webhook import Webhook
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.file import DriveFile
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.sign_in.credentials import open_account
from lse_dagster.drive.sign_in.login import Consent, read_desktop_client
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.server import look_at_server
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.backoff import Backoff
from lse_dagster.net.limiter import PUBLISHED_RATES, RateLimiter, RateLimiters
from lse_dagster.steps.fetch.attachments import AttachmentDownloads

RESOURCE_KEY = "0-resource-key"


def no_sleep(seconds: float) -> None:
    """For clients that would wait between their tries."""


QUICKLY = Backoff(tries=3, sleep=no_sleep)


class NotKept(ArchiveError):
    """An attachment is missing."""


@dataclass(frozen=True)
class World:
    """Where the servers are, and what the clients sign in with."""

    langsmith: str
    drive: str
    folder: Path
    env: dict[str, str]

    def settings(self, **changes: object) -> DriveSettings:
        """A service account on a folder that has a resource key."""
        return replace(
            DriveSettings(
                folder_url=f"{self.env['GOOGLE_DRIVE_FOLDER_URL']}?resourcekey={RESOURCE_KEY}",
                auth_type="service_account",
                credentials_path=self.copy(Path(self.env["GOOGLE_DRIVE_CREDENTIALS_PATH"])),
                endpoint=self.drive,
            ),
            **changes,  # type: ignore[arg-type]
        )

    def copy(self, secret_file: Path) -> Path:
        """Of a secret file, whose token endpoint is on the Drive server of this world."""
        content = secret_file.read_text().replace(self.env["GOOGLE_DRIVE_ENDPOINT"], self.drive)
        path = self.folder / f"{uuid4()}.json"
        path.write_text(content)
        path.chmod(0o600)
        return path


def ask_langsmith(world: World) -> None:
    with _transport(world) as transport:
        transport.get("/api/v1/info", msgspec.json.decode, params={})


def query_langsmith(world: World) -> None:
    with _transport(world) as transport:
        transport.post("/api/v2/runs/query", msgspec.json.decode, body={})


def look_at_langsmith(world: World) -> None:
    look_at_server(world.langsmith)


def fetch_an_attachment(world: World) -> None:
    """Raises `NotKept` with what is recorded, as the downloads themselves fail for nothing."""
    run = {"id": str(uuid4()), "attachments": {"file": f"{world.langsmith}/_blobs/file?signature=presigned"}}
    with AttachmentDownloads(world.folder, world.langsmith, patience=3.0, sleep=no_sleep) as downloads:
        downloads.add(msgspec.json.encode(run))
        for lost in downloads.finish().missing:
            raise NotKept("Keeping an attachment", lost.why, "")


def token_for_a_service_account(world: World) -> None:
    open_account(world.settings(), timeout=60).headers()


def token_for_a_person(world: World) -> None:
    path = world.copy(Path(world.env["GOOGLE_DRIVE_TOKEN_PATH"]))
    open_account(world.settings(auth_type="oauth2", token_path=path), timeout=60).headers()


def redeem_a_consent(world: World) -> None:
    directory = Path(world.env["GOOGLE_DRIVE_TOKEN_PATH"]).parent
    client = read_desktop_client(world.copy(directory / "oauth-client.json"), endpoint=world.drive)
    consent = Consent.ask(client, "http://127.0.0.1:9/", "a-state")
    consent.redeem("http://127.0.0.1:9/?state=a-state&code=secret-code")


def list_drive_with_a_token_at_hand(world: World) -> None:
    path = world.copy(Path(world.env["GOOGLE_DRIVE_TOKEN_PATH"]))
    at_hand = {"token": "secret-token", "expiry": "2100-01-01T00:00:00Z"}
    path.write_text(json.dumps(json.loads(path.read_text()) | at_hand))
    settings = world.settings(auth_type="oauth2", token_path=path)
    with DriveArchive.connect(settings, backoff=QUICKLY, timeout=60):
        pass


def list_drive(world: World) -> None:
    with _drive(world) as drive:
        drive.find("folder", "name")


def download_from_drive(world: World) -> None:
    with _drive(world) as drive:
        drive.download(_upload(drive, world), world.folder / "down")


def upload_to_drive(world: World) -> None:
    with _drive(world) as drive:
        _upload(drive, world)


def tell_a_webhook(world: World) -> None:
    Webhook(f"{world.langsmith}/hooks/secret-hook").send("hello")


def _transport(world: World) -> Transport:
    settings = LangSmithSettings(
        world.env["LANGSMITH_API_KEY"], world.langsmith, "secret-tenant", patience=0.0
    )
    return Transport(settings, limiters=RateLimiters(PUBLISHED_RATES["none"]))


def _drive(world: World) -> DriveArchive:
    return DriveArchive.connect(world.settings(), backoff=QUICKLY, timeout=60, creations=RateLimiter(None))


def _upload(drive: DriveArchive, world: World) -> DriveFile:
    local = world.folder / f"{uuid4()}.zip"
    local.write_bytes(b"some bytes")
    folder = f"project-{uuid4()}"
    return drive.upload(local, folder=folder, name="day.zip").file


@dataclass(frozen=True)
class Client:
    """One call, and where a redirect of it is met: `path` is a regular expression."""

    call: Callable[[World], None]
    on: str
    method: str
    path: str
    follows: bool = False


CLIENTS = {
    "LangSmith, a question": Client(ask_langsmith, "langsmith", "GET", "/info"),
    "LangSmith, a query": Client(query_langsmith, "langsmith", "POST", "/runs/query"),
    "the doctor's look": Client(look_at_langsmith, "langsmith", "GET", "/info"),
    "an attachment": Client(fetch_an_attachment, "langsmith", "GET", "/_blobs/", follows=True),
    "a webhook": Client(tell_a_webhook, "langsmith", "POST", "/hooks/"),
    "the token of a service account": Client(token_for_a_service_account, "drive", "POST", "/token"),
    "the token of a person": Client(token_for_a_person, "drive", "POST", "/token"),
    "a consent": Client(redeem_a_consent, "drive", "POST", "/token"),
    "Drive's folder": Client(list_drive_with_a_token_at_hand, "drive", "GET", "/drive/v3/files"),
    "Drive's metadata": Client(list_drive, "drive", "GET", "/drive/v3/files"),
    "Drive's media": Client(download_from_drive, "drive", "GET", "alt=media", follows=True),
    "an upload's begin": Client(upload_to_drive, "drive", "POST", "/upload/"),
    "an upload": Client(upload_to_drive, "drive", "PUT", "/upload/"),
}
