"""The environment as typed settings. No other module reads the environment.

Nothing here fails for what is missing: definitions must load without any variable. The step that needs a
missing one raises `MissingSetting` with its name and how to get it. A value that is there but wrong does
fail here, at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal, Self

import msgspec

from lse_dagster.day.interval import InvalidDate, parse_date
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.transport import DEFAULT_ENDPOINT

AuthType = Literal["oauth2", "service_account"]
RatesName = Literal["us", "eu", "none"]

_DEFAULT_START = date(2025, 1, 1)


class InvalidSetting(ArchiveError):
    """A variable has a value that cannot be used."""

    def __init__(self, name: str, why: str, example: str) -> None:
        super().__init__(f"Reading {name} from the environment", why, f"Set it like this: {name}={example}")


class MissingSetting(ArchiveError):
    """A variable that this step needs is not set."""

    def __init__(self, name: str, how_to_get_it: str) -> None:
        super().__init__(f"Reading {name} from the environment", f"{name} is not set.", how_to_get_it)


@dataclass(frozen=True)
class Settings:
    """Every variable of `.env.example`. Secrets stay out of `repr`."""

    langsmith_api_key: str | None = field(default=None, repr=False)
    langsmith_endpoint: str = DEFAULT_ENDPOINT
    langsmith_workspace_id: str | None = None
    langsmith_rates: RatesName = "us"
    projects: tuple[str, ...] = ()
    start_date: date = _DEFAULT_START
    data_dir: Path = Path("data")
    archives_dir: Path = Path("archives")
    drive_folder_url: str | None = None
    drive_auth_type: AuthType = "service_account"
    drive_credentials_path: Path | None = None
    drive_token_path: Path | None = None
    drive_endpoint: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables; an empty one counts as not set. Raises `InvalidSetting`."""

        def text(name: str) -> str | None:
            return environment.get(name, "").strip() or None

        def path(name: str) -> Path | None:
            value = text(name)
            return Path(value).expanduser() if value else None

        return cls(
            langsmith_api_key=text("LANGSMITH_API_KEY"),
            langsmith_endpoint=text("LANGSMITH_ENDPOINT") or DEFAULT_ENDPOINT,
            langsmith_workspace_id=text("LANGSMITH_WORKSPACE_ID"),
            langsmith_rates=_rates(text("LSE_LANGSMITH_RATES")),
            projects=_projects(text("LSE_PROJECTS")),
            start_date=_start_date(text("LSE_START_DATE")),
            data_dir=path("LSE_DATA_DIR") or Path("data"),
            archives_dir=path("LSE_ARCHIVES_DIR") or Path("archives"),
            drive_folder_url=text("GOOGLE_DRIVE_FOLDER_URL"),
            drive_auth_type=_auth_type(text("GOOGLE_DRIVE_AUTH_TYPE")),
            drive_credentials_path=path("GOOGLE_DRIVE_CREDENTIALS_PATH"),
            drive_token_path=path("GOOGLE_DRIVE_TOKEN_PATH"),
            drive_endpoint=text("GOOGLE_DRIVE_ENDPOINT"),
        )


def _projects(value: str | None) -> tuple[str, ...]:
    """A comma-separated list, or a JSON list for names that hold commas."""
    if value is None:
        return ()
    example = '\'["my-project", "a, b"]\''
    if value.startswith("["):
        try:
            names = msgspec.json.decode(value, type=list[str])
        except msgspec.MsgspecError as error:
            raise InvalidSetting(
                "LSE_PROJECTS", f"It is not a JSON list of names: {error}.", example
            ) from None
    else:
        names = [name.strip() for name in value.split(",") if name.strip()]
    if "" in names or len(set(names)) != len(names):
        raise InvalidSetting("LSE_PROJECTS", "It holds an empty name or a name twice.", example)
    return tuple(names)


def _start_date(value: str | None) -> date:
    if value is None:
        return _DEFAULT_START
    try:
        return parse_date(value)
    except InvalidDate as error:
        raise InvalidSetting("LSE_START_DATE", error.why, "2025-08-01") from None


def _rates(value: str | None) -> RatesName:
    match value:
        case None | "us":
            return "us"
        case "eu" | "none":
            return value
    raise InvalidSetting("LSE_LANGSMITH_RATES", f"{value!r} is not `us`, `eu` or `none`.", "us")


def _auth_type(value: str | None) -> AuthType:
    match value:
        case None | "service_account":
            return "service_account"
        case "oauth2":
            return "oauth2"
    raise InvalidSetting("GOOGLE_DRIVE_AUTH_TYPE", f"{value!r} is not a way to sign in.", "service_account")
