"""Changing a `.env`: variables get new values, every other line stays. Text in, text out, one safe write."""

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from lse_dagster.errors import ArchiveError

_PLAIN = re.compile(r"[\w./:@%+,=-]*", re.ASCII)


class CannotWriteEnvFile(ArchiveError):
    """The new `.env` cannot be written, or would not read as it should. The old one is untouched."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"Writing {path}",
            f"{why} The old file is as it was.",
            f"Edit {path} yourself, from .env.example.",
        )


def read_variables(text: str) -> dict[str, str]:
    """The variables of a `.env`, as python-dotenv reads them; a name without a value is left out."""
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def with_variables(text: str, variables: Mapping[str, str]) -> str:
    """The text with these values.

    A line of the variable is replaced, else one that has it as a comment, else a line is added.
    """
    lines = text.splitlines()
    for name, value in variables.items():
        new = f"{name}={_quoted(value)}"
        where = _lines_of(lines, name)
        for number in where:
            lines[number] = new
        if not where:
            lines.append(new)
    return "\n".join(lines) + "\n"


def write_env_file(path: Path, text: str, *, variables: Mapping[str, str], before: str) -> None:
    """Put the text at `path` in one step, mode 0600, after reading it back.

    Nothing but `variables` may read differently from `before`. Raises `CannotWriteEnvFile`.
    """
    path = path.resolve()  # a link stays a link
    if read_variables(text) != {**read_variables(before), **variables}:
        raise CannotWriteEnvFile(path, "A line of it cannot be changed without changing others.")
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with open(fresh, "x", encoding="utf-8", opener=_owner_only) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise CannotWriteEnvFile(path, f"{error.strerror or error}.") from error
    finally:
        fresh.unlink(missing_ok=True)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _lines_of(lines: list[str], name: str) -> list[int]:
    live = [n for n, line in enumerate(lines) if re.match(rf"\s*(export\s+)?{name}\s*=", line)]
    commented = [n for n, line in enumerate(lines) if re.match(rf"#\s?{name}=", line)]
    return live or commented[:1]


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
