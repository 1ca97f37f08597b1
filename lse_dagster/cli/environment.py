"""The settings of a command: `.env` of the working folder over the environment, as Dagster's commands do.

What stands in `.env` wins over the shell, for `lse` and `dagster` alike, so that both work on one archive.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from lse_dagster.settings import Settings

_ENV = Path(".env")


class UnreadableEnvFile(ArchiveError):
    """`.env` is there and cannot be read."""

    def __init__(self, error: OSError | UnicodeDecodeError) -> None:
        super().__init__(
            f"Reading {_ENV.absolute()}",
            f"{error}.",
            "Make it a text file that you may read, or move it away.",
        )


def load_settings() -> "Settings":
    """Put `.env` into the environment of this process and read the settings.

    Raises `UnreadableEnvFile`, `InvalidSetting`. A variable that is missing is missed only by the step that
    needs it.
    """
    load_env_file()
    from lse_dagster.settings import Settings

    return Settings.from_environment(os.environ)


def load_env_file() -> None:
    """Put `.env` of the working folder into the environment. Raises `UnreadableEnvFile`."""
    from dotenv import dotenv_values

    if not _ENV.exists():
        return
    try:
        values = dotenv_values(_ENV)
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableEnvFile(error) from error
    os.environ.update({name: value for name, value in values.items() if value is not None})
