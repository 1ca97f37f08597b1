"""What a sandbox directory keeps for its clients: secrets made once, and the file of variables."""

import secrets
import uuid
from pathlib import Path


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
