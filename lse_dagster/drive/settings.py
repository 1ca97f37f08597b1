"""What this room needs to know to work. The values come in; the environment is read elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lse_dagster.drive.this_machine import ThisMachine

AuthType = Literal["service_account", "oauth2", "adc"]


@dataclass(frozen=True, kw_only=True)
class DriveSettings:
    """Where the archive is on Drive, and with whose credentials. Holds paths of secrets, never secrets."""

    folder_url: str | None = None
    """GOOGLE_DRIVE_FOLDER_URL: the folder's address in any form, or its bare id."""
    auth_type: AuthType = "service_account"
    """GOOGLE_DRIVE_AUTH_TYPE."""
    credentials_path: Path | None = None
    """GOOGLE_DRIVE_CREDENTIALS_PATH: the service-account key, or the OAuth client file."""
    impersonate: str | None = None
    """GOOGLE_DRIVE_IMPERSONATE: whom the service account acts as (domain-wide delegation)."""
    token_path: Path | None = None
    """GOOGLE_DRIVE_TOKEN_PATH: the OAuth token (`authorized_user` JSON); rewritten when it is refreshed."""
    memory: Path | None = None
    """A directory for the ids of what was made lately; without one, each process remembers its own alone."""
    machine_files: tuple[Path, ...] = ()
    """Where it is kept which machine this is, where one alone may write; none: nobody asks."""
    endpoint: str | None = None
    """GOOGLE_DRIVE_ENDPOINT: the root of another server that speaks Drive v3; sandbox and tests only."""

    @property
    def machine(self) -> ThisMachine | None:
        """Who we are for those who look at the folders; None where nothing is to be kept."""
        return ThisMachine(self.machine_files) if self.machine_files else None
