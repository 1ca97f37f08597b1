"""The files that hold secrets: reading them, and writing the OAuth token, one process at a time.

Errors name the variable and what is wrong, never a value from the file.
"""

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lse_dagster.drive.errors import CredentialsInvalid, CredentialsMissing, TokenUnwritable

KEY_VARIABLE = "GOOGLE_DRIVE_CREDENTIALS_PATH"
TOKEN_VARIABLE = "GOOGLE_DRIVE_TOKEN_PATH"  # noqa: S105  the name of a variable

_PATIENCE = 30.0
"""Seconds to wait for another process that refreshes the token."""

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
    except (ValueError, RecursionError):
        info = None
    # Raised here and not in the handler above: a JSONDecodeError in the context carries the whole file.
    if not isinstance(info, dict):
        raise CredentialsInvalid(what, f"{path} is not a JSON object.", next_step)
    return info


KINDS = {
    "service_account": "a service account's key",
    "client": "an OAuth client",
    "authorized_user": "a stored OAuth token",
}


def kind_of(info: dict[str, Any]) -> str:
    """Which of Google's files this is: a key of `KINDS`, or "unknown"."""
    if info.get("type") == "service_account":
        return "service_account"
    if "installed" in info or "web" in info:
        return "client"
    return "authorized_user" if info.get("refresh_token") else "unknown"


@contextlib.contextmanager
def only_writer(path: Path, *, timeout: float) -> Iterator[bool]:
    """Keep other processes from changing the token; gives whether that worked.

    It does not in a directory that only can be read (a mounted secret), or when another process holds the
    token for longer than `timeout` seconds.
    """
    path = path.resolve()
    lock = FileLock(path.with_name(f".{path.name}.lock"), mode=0o600)
    try:
        lock.acquire(timeout=timeout)
    except (OSError, Timeout):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def write_back(path: Path, *, changes: dict[str, Any]) -> None:
    """Put a refreshed access token into the token file, mode 0600; the other fields stay.

    Call it as the only writer. A file that cannot be written is a warning only: the token in memory is good.
    """
    path = path.resolve()  # a link (a mounted secret, say) stays a link
    try:
        _replace(path, {**json.loads(path.read_bytes()), **changes})
    except (OSError, ValueError, TypeError) as error:
        warn_not_kept(type(error).__name__)


def warn_not_kept(cause: str) -> None:
    """Say that each process has to refresh for itself; `cause` is a word without secrets."""
    _log.warning("The refreshed token could not be written to %s: %s", TOKEN_VARIABLE, cause)


def check_place(path: Path | None, *, next_step: str) -> Path:
    """Where a new token can be stored; its folder is made. An old token there is no obstacle.

    Raises `CredentialsMissing` without a path, `TokenUnwritable` where no token can or should be.
    """
    if path is None:
        raise CredentialsMissing(f"Reading {TOKEN_VARIABLE}", f"{TOKEN_VARIABLE} is not set.", next_step)
    what = f"Preparing {TOKEN_VARIABLE}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable = os.access(path.resolve().parent, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise TokenUnwritable(
            what, f"No file can be written in {path.parent}.", f"set {TOKEN_VARIABLE} to another path"
        )
    if path.exists() and (found := kind_of(_content(path))) != "authorized_user":
        raise TokenUnwritable(
            what,
            f"{path} holds {KINDS.get(found, 'something else')}, not a token, and is left as it is.",
            f"move it away, or set {TOKEN_VARIABLE} to another path",
        )
    return path


def store_token(path: Path, token: dict[str, Any], *, timeout: float = _PATIENCE) -> None:
    """Put a new token in the place of what is there: in one step, mode 0600. Raises `TokenUnwritable`."""
    try:
        with only_writer(path, timeout=timeout):
            _replace(path.resolve(), token)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        return
    raise TokenUnwritable(
        f"Writing {TOKEN_VARIABLE}",
        f"{path} cannot be written: {reason}.",
        f"make room there or set {TOKEN_VARIABLE} to another path, and run `lse auth login` again",
    )


def whose_token(path: Path) -> str:
    """Words for a person: for which account the stored token is, as far as its file says."""
    account = _content(path).get("account")
    return f"for {account}" if isinstance(account, str) else "for an account that it does not name"


def _content(path: Path) -> dict[str, Any]:
    try:
        info = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return info if isinstance(info, dict) else {}


def _replace(path: Path, content: dict[str, Any]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(content, indent=2).encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
