"""One API call: who asks for what. The handlers of all resources take it."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lse_dagster.sandbox.drive.access import Identity
from lse_dagster.sandbox.drive.errors import DriveError
from lse_dagster.sandbox.drive.settings import Switches
from lse_dagster.sandbox.drive.store import Store


@dataclass(frozen=True)
class Drive:
    """What every handler needs of the server."""

    store: Store
    switches: Switches


@dataclass(frozen=True)
class Call:
    """The caller, the query parameters, the ids in the path, and the body of a metadata request."""

    identity: Identity
    params: Mapping[str, str]
    base_url: str
    path: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def flag(self, name: str) -> bool:
        """A true/false parameter; false when absent."""
        value = self.params.get(name, "false").lower()
        if value not in {"true", "false"}:
            raise _invalid_value(name, value)
        return value == "true"

    @property
    def all_drives(self) -> bool:
        """Whether the caller knows about shared drives: without it their items do not exist."""
        return self.flag("supportsAllDrives") or self.flag("supportsTeamDrives")

    def number(self, name: str, default: int, *, at_most: int) -> int:
        """A number from 1 on."""
        text = self.params.get(name, str(default))
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise _invalid_value(name, text)
        if not 1 <= int(text) <= at_most:
            message = f"Invalid value '{text}'. Values must be within the range: [1, {at_most}]"
            raise DriveError(400, "invalidParameter", message, location=("parameter", name))
        return int(text)


Handler = Callable[[Drive, sqlite3.Connection, Call], Any]
"""Answers a call inside one transaction: a value to send as JSON, or a response."""


def _invalid_value(name: str, value: str) -> DriveError:
    return DriveError(400, "invalidParameter", f"Invalid value '{value}'.", location=("parameter", name))
