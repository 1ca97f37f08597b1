"""The files that hold secrets: reading them, and writing a refreshed token back.

Errors name the variable and what is wrong, never a value from the file.
"""

import contextlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from lse_dagster.drive.errors import CredentialsInvalid, CredentialsMissing

_log = logging.getLogger(__name__)


def read_secret_file(path: Path | None, *, variable: str, next_step: str) -> dict[str, Any]:
    """The JSON object in the file. Raises `CredentialsMissing` or `CredentialsInvalid`."""
    what = f"Reading {variable}"
    if path is None:
        raise CredentialsMissing(what, f"{variable} is not set.", next_step)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CredentialsMissing(what, f"There is no file {path}.", next_step) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CredentialsMissing(what, f"{path} cannot be read: {reason}.", next_step) from None
    try:
        info = json.loads(content)
    except ValueError:
        info = None
    # Raised here and not in the handler above: a JSONDecodeError in the context carries the whole file.
    if not isinstance(info, dict):
        raise CredentialsInvalid(what, f"{path} is not a JSON object.", next_step)
    return info


def write_back(path: Path, *, refresh_token: str, changes: dict[str, Any]) -> None:
    """Put a refreshed access token into the token file: in one step, mode 0600, the other fields kept.

    Does nothing when the file has another refresh token by now: a new consent must not be overwritten by an
    old process. A file that cannot be written is a warning only, because the token in memory is good.
    """
    path = path.resolve()  # a link (a mounted secret, say) stays a link
    try:
        current = json.loads(path.read_bytes())
        if current.get("refresh_token") != refresh_token:
            return
        _replace(path, json.dumps({**current, **changes}, indent=2).encode())
    except (OSError, ValueError, AttributeError) as error:
        _log.warning(
            "The refreshed token could not be written to GOOGLE_DRIVE_TOKEN_PATH: %s", type(error).__name__
        )


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
