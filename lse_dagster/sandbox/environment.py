"""What a sandbox directory keeps for its clients: secrets made once, and the file of variables.

And what a sandbox's address looks like: nothing that is made up may be sent to any other.
"""

import secrets
import uuid
from pathlib import Path
from typing import Final

import urllib3

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""The hosts by which this machine calls itself."""


def is_loopback(url: str) -> bool:
    """Whether a request to this address stays on this machine. Where parsers may disagree it does not.

    Read as `requests` reads it; a user, a password or a backslash would make another host of it elsewhere.
    """
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        return False
    host = (parts.host or "").strip("[]")
    return parts.scheme == "http" and parts.auth is None and "\\" not in url and host in _LOOPBACK


def write_env_file(path: Path, variables: dict[str, str]) -> Path:
    """KEY='value' lines that `sh` and python-dotenv read alike, readable by their owner only."""
    # Single quotes: the one form in which both take every character literally. Values come from the
    # sandbox itself and from the directory's name; a quote in the latter cannot be written for both.
    if broken := [name for name, value in variables.items() if "'" in value or "\n" in value]:
        raise ValueError(
            f"{', '.join(broken)}: a sandbox directory must not have ' or a line break in its path"
        )
    text = "".join(f"{name}='{value}'\n" for name, value in variables.items())
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")
    return path


def stored_secret(path: Path, prefix: str) -> str:
    """The secret kept in this file, made on first use."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(prefix + secrets.token_hex(16), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def stored_uuid(path: Path) -> str:
    """The id kept in this file, made on first use."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(uuid.uuid4()), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()
