"""LangSmith, Drive and the local directories as Dagster resources.

A resource holds configuration and connects on use; it never connects while definitions load. Secrets are
given as `EnvVar`, so that no run, snapshot or page of the UI holds their values.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import dagster as dg
from pydantic import Field

from lse_dagster.day.space import FreeBytes, free_bytes
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.day.zip.writer import DEFAULT_LEVEL
from lse_dagster.defs.progress import WarningLog as Log
from lse_dagster.defs.progress import warn_of_retries
from lse_dagster.drive.archive import TIMEOUT, DriveArchive
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.drive.sign_in.credentials import signed_in_account
from lse_dagster.drive.this_machine import ThisMachine
from lse_dagster.langsmith.transport import LangSmithSettings, Transport
from lse_dagster.net.backoff import Backoff
from lse_dagster.net.limiter import PUBLISHED_RATES
from lse_dagster.settings import AuthType, MissingSetting
from lse_dagster.steps.places import Places

_IN_PASSING = Backoff(tries=3, patience=15.0)
"""For a look at Drive without which a step can do."""


class LangSmithResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One LangSmith workspace."""

    api_key: str | None = None
    endpoint: str
    workspace_id: str | None = None
    rates: str = "us"
    attachment_hosts: list[str] = Field(default_factory=list)

    def connect(self, log: Log, *, patience_seconds: float) -> Transport:
        """A connection, to be used as a context manager; the log hears why it waits.

        Raises `MissingApiKey`.
        """
        return Transport(
            LangSmithSettings(
                api_key=self.api_key or "",
                endpoint=self.endpoint,
                workspace_id=self.workspace_id,
                patience=patience_seconds,
                rates=PUBLISHED_RATES[self.rates],
                attachment_hosts=tuple(self.attachment_hosts),
            ),
            on_retry=warn_of_retries(log),
        )


class DriveResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One Google Drive folder and the account that reaches it."""

    folder_url: str | None = None
    auth_type: AuthType
    credentials_path: str | None = None
    token_path: str | None = None
    impersonate: str | None = None
    endpoint: str | None = None
    memory_dir: str | None = None
    machine_files: list[str] = Field(default_factory=list)

    @property
    def machine(self) -> ThisMachine | None:
        """Who we are for those who look at the folders; None where nothing is to be kept."""
        return ThisMachine(tuple(map(Path, self.machine_files))) if self.machine_files else None

    def connect(self, log: Log, *, backoff: Backoff | None = None, timeout: float = TIMEOUT) -> DriveArchive:
        """A connection, to be used as a context manager; the log hears why it waits.

        Raises `MissingSetting` and Drive's errors.
        """
        if self.folder_url is None:
            raise MissingSetting(
                "GOOGLE_DRIVE_FOLDER_URL",
                "Open the folder on Google Drive and put its address into .env: GOOGLE_DRIVE_FOLDER_URL=...",
            )
        settings = DriveSettings(
            folder_url=self.folder_url,
            auth_type=self.auth_type,
            credentials_path=Path(self.credentials_path) if self.credentials_path else None,
            token_path=Path(self.token_path) if self.token_path else None,
            impersonate=self.impersonate,
            memory=Path(self.memory_dir) if self.memory_dir else None,
            machine=self.machine,
            endpoint=self.endpoint,
        )
        return DriveArchive.connect(
            settings,
            backoff=backoff,
            timeout=timeout,
            on_retry=warn_of_retries(log),
            account=signed_in_account(settings, timeout=timeout),
        )

    def opener(self, log: Log) -> Callable[[], DriveArchive] | None:
        """How what Drive has of a day is looked at, where Drive is set up: without much patience."""
        return partial(self.connect, log, backoff=_IN_PASSING) if self.folder_url is not None else None


class LocalStorage(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The data directory (day folders) and the archives directory (day zips)."""

    data_dir: str
    archives_dir: str
    zip_level: int = DEFAULT_LEVEL

    @property
    def days(self) -> DayStore:
        """The day folders."""
        return DayStore(Path(self.data_dir))

    @property
    def zips(self) -> ZipStore:
        """The day zips."""
        return ZipStore(Path(self.archives_dir), level=self.zip_level)

    def places(self, drive: DriveResource | None, log: Log, free: FreeBytes = free_bytes) -> Places:
        """All the places where a day may lie; the log hears what could not be looked at."""
        opener = drive.opener(log) if drive is not None else None
        return Places(self.days, self.zips, opener, log.warning, free)
