"""The sandbox's Drive, as an archive opens it."""

from pathlib import Path

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.server import Sandbox


def connect(sandbox: Sandbox) -> DriveArchive:
    """A connection to its folder, to be used as a context manager."""
    settings = DriveSettings(
        folder_url=sandbox.env["GOOGLE_DRIVE_FOLDER_URL"],
        auth_type="service_account",
        credentials_path=Path(sandbox.env["GOOGLE_DRIVE_CREDENTIALS_PATH"]),
        token_path=None,
        endpoint=sandbox.env["GOOGLE_DRIVE_ENDPOINT"],
    )
    return DriveArchive.connect(settings, timeout=60)
