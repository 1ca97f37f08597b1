"""What this room needs to know to work. The values come in; the environment is read elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lse_dagster.drive.this_machine import ThisMachine

AuthType = Literal["oauth2", "service_account", "adc"]


@dataclass(frozen=True, kw_only=True)
class DriveSettings:
    """Where the archive is on Drive, and with whose credentials. Holds paths of secrets, never secrets."""

    folder_url: str
    """GOOGLE_DRIVE_FOLDER_URL: the folder's address in any form, or its bare id."""
    auth_type: AuthType
    """GOOGLE_DRIVE_AUTH_TYPE."""
    credentials_path: Path | None = None
    """GOOGLE_DRIVE_CREDENTIALS_PATH: the service-account key, or the OAuth client file."""
    impersonate: str | None = None
    """GOOGLE_DRIVE_IMPERSONATE: whom the service account acts as (domain-wide delegation)."""
    token_path: Path | None = None
    """GOOGLE_DRIVE_TOKEN_PATH: the OAuth token (`authorized_user` JSON); rewritten when it is refreshed."""
    memory: Path | None = None
    """A directory for the ids of what was made lately; without one, each process remembers its own alone."""
    machine: ThisMachine | None = None
    """Who we are where one machine alone may write; None: nobody asks."""
    endpoint: str | None = None
    """GOOGLE_DRIVE_ENDPOINT: the root of another server that speaks Drive v3; sandbox and tests only."""
