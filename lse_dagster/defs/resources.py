"""LangSmith, Drive and the local directories as Dagster resources.

A resource holds configuration and connects on use; it never connects while definitions load. Secrets are
given as `EnvVar`, so that no run, snapshot or page of the UI holds their values.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from logging import Logger
from pathlib import Path
from typing import Any, Self, TypeVar

import dagster as dg
import msgspec
from pydantic import Field

from lse_dagster.day.space import FreeBytes, free_bytes
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.day.zip.writer import DEFAULT_LEVEL
from lse_dagster.defs.progress import warn_of_retries
from lse_dagster.drive.archive import TIMEOUT, DriveArchive
from lse_dagster.drive.settings import AuthType, DriveSettings
from lse_dagster.drive.sign_in.credentials import signed_in_account
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.backoff import IN_PASSING, Backoff
from lse_dagster.net.limiter import RatesName
from lse_dagster.steps.places import Places

_Settings = TypeVar("_Settings")


def _config(resource: type[dg.ConfigurableResource[Any]], settings: object) -> dict[str, Any]:
    """A client's settings in the fields that its resource has for them."""
    built = msgspec.to_builtins(settings, enc_hook=str)
    return {name: built[name] for name in resource.model_fields}


def _settings(config: dict[str, Any], kind: type[_Settings]) -> _Settings:
    """A client's settings of those fields."""
    return msgspec.convert(config, kind, dec_hook=lambda path, text: path(text))


class LangSmithResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One LangSmith workspace."""

    api_key: str = ""
    endpoint: str
    workspace_id: str | None = None
    rates: RatesName = "us"
    attachment_hosts: list[str] = Field(default_factory=list)

    @classmethod
    def of(cls, settings: LangSmithSettings) -> Self:
        """As the settings say; the API key goes in by its variable's name, not by its value."""
        key = dg.EnvVar("LANGSMITH_API_KEY") if settings.api_key else ""
        return cls(**_config(cls, settings) | {"api_key": key})

    @property
    def settings(self) -> LangSmithSettings:
        """What the resource was made of."""
        return _settings(dict(self), LangSmithSettings)

    def connect(self, log: Logger, *, patience_seconds: float) -> Transport:
        """A connection, to be used as a context manager; the log hears why it waits.

        Raises `MissingApiKey`.
        """
        settings = replace(self.settings, patience=patience_seconds)
        return Transport(settings, on_retry=warn_of_retries(log.warning))


class DriveResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One Google Drive folder and the account that reaches it."""

    folder_url: str | None = None
    auth_type: AuthType
    credentials_path: str | None = None
    token_path: str | None = None
    impersonate: str | None = None
    endpoint: str | None = None
    memory: str | None = None
    machine_files: list[str] = Field(default_factory=list)

    @classmethod
    def of(cls, settings: DriveSettings) -> Self:
        """As the settings say."""
        return cls(**_config(cls, settings))

    @property
    def settings(self) -> DriveSettings:
        """What the resource was made of."""
        return _settings(dict(self), DriveSettings)

    def connect(
        self, log: Logger, *, backoff: Backoff | None = None, timeout: float = TIMEOUT
    ) -> DriveArchive:
        """A connection, to be used as a context manager; the log hears why it waits.

        Raises Drive's errors.
        """
        return DriveArchive.connect(
            self.settings,
            backoff=backoff,
            timeout=timeout,
            on_retry=warn_of_retries(log.warning),
            sign_in=signed_in_account,
        )

    def opener(self, log: Logger) -> Callable[[], DriveArchive] | None:
        """How what Drive has of a day is looked at, where Drive is set up: without much patience."""
        return partial(self.connect, log, backoff=IN_PASSING) if self.folder_url is not None else None


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

    def places(self, drive: DriveResource | None, log: Logger, free: FreeBytes = free_bytes) -> Places:
        """All the places where a day may lie; the log hears what could not be looked at."""
        opener = drive.opener(log) if drive is not None else None
        return Places(self.days, self.zips, opener, log.warning, free)
