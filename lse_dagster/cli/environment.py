"""The settings of a command: `.env` of the working folder over the environment, as Dagster's commands do.

What stands in `.env` wins over the shell, for `lse` and `dagster` alike, so that both work on one archive.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lse_dagster.errors import ArchiveError

if TYPE_CHECKING:
    from lse_dagster.langsmith.clock import LangSmithClock
    from lse_dagster.langsmith.transport import Transport
    from lse_dagster.settings import Settings

_ENV = Path(".env")
_OF_THE_MACHINE: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|TERM|COLORTERM|NO_COLOR|FORCE_COLOR|COLUMNS|LINES|LANG|LANGUAGE|TZ|DISPLAY"
    r"|WAYLAND_DISPLAY|BROWSER|TMPDIR|TEMP|TMP|SYSTEMROOT|WINDIR|COMSPEC|PATHEXT|APPDATA|LOCALAPPDATA|USERPROFILE"
    r"|VIRTUAL_ENV|(LC|XDG|LD|DYLD|PYTHON)[A-Z0-9_]+"
)
"""Variables that say where programs, folders and the terminal are. Any other may lead to an account."""


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


def load_settings_as_far_as_right() -> "Settings":
    """As `load_settings`, for who looks at what runs with them, wrong or not. Raises `UnreadableEnvFile`."""
    load_env_file()
    from lse_dagster.settings import Settings

    return Settings.as_far_as_right(os.environ)


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


@contextmanager
def clean_environment() -> Iterator[None]:
    """Leave to this process, and to what it starts, only what belongs to the machine, until the block ends.

    What plays with the sandbox must reach nothing else by a variable left over from work: a webhook, a
    workspace, a proxy, the SDK's endpoints. A list of what stays forgets no variable that is yet to come.
    """
    before = dict(os.environ)
    for name in before:
        if not _OF_THE_MACHINE.fullmatch(name):
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def langsmith_clock(settings: "Settings") -> "LangSmithClock":
    """LangSmith's clock: asked without a key, in five seconds at most."""
    from lse_dagster.langsmith.clock import LangSmithClock
    from lse_dagster.run.times import utc_now

    return LangSmithClock(settings.langsmith.endpoint, utc_now)


_READ_SECONDS = 10.0


def connect_langsmith(settings: "Settings", *, patience_seconds: float = 10.0) -> "Transport":
    """A connection, to be used as a context manager. Raises `MissingApiKey`."""
    from lse_dagster.langsmith.transport import Transport

    return Transport(replace(settings.langsmith, patience=patience_seconds, read_timeout=_READ_SECONDS))
