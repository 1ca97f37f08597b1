"""The names of folders and files: one reversible, collision-free mapping from project names to path parts.

A name that is safe on every file system stays as it is. Every other character becomes `%XX` for each of its
UTF-8 bytes. A name too long for a file system is cut and ends in `%~` and a hash; its true name is in the
summary.
"""

import hashlib
import re
import unicodedata
from datetime import date, datetime

SUMMARY = "_summary.json"

_LONGEST = 180
"""Bytes. Leaves room for the date, a hidden prefix and a suffix in the 255 bytes of a file name."""

_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)
_TRACE_FILE = re.compile(r"(?P<trace>[^/\\\x00]+)_(?P<start>\d{8}T\d{12}Z)\.json", re.ASCII)


def project_path_part(project: str) -> str:
    """The path part of a project: `my-project` stays `my-project`, `a/b` becomes `a%2Fb`."""
    part = escape_name(project)
    if len(part.encode()) > _LONGEST:
        mark = hash_mark(project)
        return cut_name(part, _LONGEST - len(mark)) + mark
    return part


def escape_name(text: str) -> str:
    """A text as one name that is safe on every file system but may be too long for it; never empty."""
    # Two spellings of one text (NFC, NFD) are one name to some file systems: only NFC keeps its letters.
    keeps_letters = unicodedata.is_normalized("NFC", text)
    part = "".join(_escape(char, keep_letter=keeps_letters) for char in text)
    if part[:1] in {".", "-", " "} or _WINDOWS_DEVICES.match(part):
        part = _percent(part[0]) + part[1:]
    if part[-1:] in {".", " "}:
        part = part[:-1] + _percent(part[-1])
    return part or "%"


def hash_mark(text: str) -> str:
    """`%~` and a hash of the text: what tells names apart that are too long or too similar."""
    return "%~" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def cut_name(part: str, size: int) -> str:
    """The beginning of a name, at most so many bytes."""
    return part.encode()[:size].decode("utf-8", "ignore")


def project_of_path_part(part: str) -> str | None:
    """The project of a path part; None for a cut one and for what this mapping never makes."""
    if part == "%":
        return ""
    try:
        raw = re.sub(
            rb"%([0-9A-F]{2})",
            lambda match: bytes([int(match[1], 16)]),
            part.encode("utf-8", "surrogatepass"),
        )
        project = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    return project if project_path_part(project) == part else None


def trace_file_name(trace_id: str, start: datetime) -> str:
    """`<trace_id>_<YYYYMMDDTHHMMSSffffffZ>.json`; an unsafe trace id is escaped."""
    return f"{project_path_part(trace_id)}_{start_text(start)}.json"


def start_text(start: datetime) -> str:
    """A UTC time as it stands in the name of a trace file; sorts as the times do."""
    return f"{start.year:04}{start:%m%dT%H%M%S%f}Z"  # glibc writes the year 1 without zeros


def trace_start_text(name: str) -> str:
    """The start that the name of a trace file says, as `start_text` writes it."""
    return name.rpartition("_")[2].removesuffix(".json")


def is_trace_file_name(name: str) -> bool:
    """Whether a name has the form of a trace file: no folder, no hidden file, nothing else."""
    return _TRACE_FILE.fullmatch(name) is not None and not name.startswith(".")


def day_zip_name(project: str, day: date) -> str:
    """`<project>_<YYYY-MM-DD>.zip`."""
    return f"{project_path_part(project)}_{day.isoformat()}.zip"


def _escape(char: str, *, keep_letter: bool) -> str:
    if char.isascii():
        return char if char.isalnum() or char in " ._-()+,=@" else _percent(char)
    return char if keep_letter and char.isalnum() else _percent(char)


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
