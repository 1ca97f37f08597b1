"""The names of folders and files of projects, days and traces: reversible, free of collisions.

A name that is safe on every file system stays as it is. Every other character becomes `%XX` for each of its
UTF-8 bytes. A name too long for a file system is cut and ends in `%~` and a hash; its true name is in the
summary.
"""

import codecs
import hashlib
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from lse_dagster.run.times import date_of_key

SUMMARY = "_summary.json"

_LONGEST = 180
"""Bytes. Leaves room for the date, a hidden prefix and a suffix in the 255 bytes of a file name."""

_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)
_START_OF_FILE = re.compile(r"_(\d{8})T([01]\d|2[0-3])([0-5]\d){2}\d{6}Z\.json", re.ASCII)
_START_LENGTH = len("_YYYYMMDDTHHMMSSffffffZ.json")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(?:~([0-9a-f]{8}))?", re.ASCII)
_PLAIN = re.compile("[a-z0-9][a-z0-9_-]{4,59}")
"""Most ids. These stay as they are: too long for a device, too short to be cut."""
_MARK: Final = "%~"
_HASH = re.compile("[0-9a-f]{16}")
_CUT_CHARACTER = re.compile("%[0-9A-F]?$")
_LONGEST_CHARACTER = 4
_CONTINUED = ("x", "e\u0301")
"""What may have followed where a name was cut: a text in NFC keeps its letters, another one does not."""


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
    return _MARK + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def cut_name(part: str, size: int) -> str:
    """The beginning of a name, at most so many bytes."""
    return part.encode()[:size].decode("utf-8", "ignore")


def project_of_path_part(part: str) -> str | None:
    """The project of a path part; None for a cut one and for what this mapping never makes."""
    project = _unescape(part)
    return project if project is not None and project_path_part(project) == part else None


def may_be_made_by(make: Callable[[str], str], part: str) -> bool:
    """Whether a part of a name is one that `make`, a function which escapes and marks a text, can have made.

    Of a name that was cut, the end and so the hash are anybody's guess. Which letters Python knows grows with
    its versions, so a letter of another one may be escaped where this one would keep it.
    """
    if _PLAIN.fullmatch(part):
        return True
    if not all(map(_may_stand_in_a_name, part)):
        return False
    stem, _, rest = part.partition(_MARK)
    digits, suffix = rest[:16], rest[16:]
    text = _unescape(stem + suffix)
    if text is not None and _keeps_letters_rightly(part, text) and _ascii(make(text)) == _ascii(part):
        return True
    return _HASH.fullmatch(digits) is not None and _may_be_cut(make, stem, suffix)


def _may_be_cut(make: Callable[[str], str], stem: str, suffix: str) -> bool:
    """Whether this is the beginning of a name that is too long, and its suffix."""
    end = _unescape(suffix) if suffix else ""
    begin, whole = _unescape_cut(stem)
    if end is None or begin is None:
        return False
    for more in _CONTINUED:
        text = begin + more * _LONGEST + end
        made, _, rest = make(text).partition(_MARK)
        room = len(made.encode()) - len(stem.encode())
        if (
            0 <= room < _LONGEST_CHARACTER
            and _keeps_letters_rightly(stem + suffix, text)
            and _ascii(made).startswith(_ascii(whole))
            and _ascii(rest[16:]) == _ascii(suffix)
        ):
            return True
    return False


def _unescape_cut(stem: str) -> tuple[str | None, str]:
    """The text of a part that was cut, and the part, both without a last character that is not whole."""
    whole = _CUT_CHARACTER.sub("", stem)
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    try:
        text = decoder.decode(_raw_bytes(whole))
    except UnicodeDecodeError:
        return None, ""
    cut = len(decoder.getstate()[0]) * len("%XX")
    return text, whole[: len(whole) - cut]


def _keeps_letters_rightly(part: str, text: str) -> bool:
    return part.isascii() or unicodedata.is_normalized("NFC", text)


def _may_stand_in_a_name(char: str) -> bool:
    return char.isalnum() or char in " ._-()+,=@%~"


def _ascii(part: str) -> str:
    """The part with every other letter escaped."""
    return "".join(char if char.isascii() else _percent(char) for char in part)


def _raw_bytes(part: str) -> bytes:
    return re.sub(
        rb"%([0-9A-F]{2})",
        lambda match: bytes([int(match[1], 16)]),
        part.encode("utf-8", "surrogatepass"),
    )


def _unescape(part: str) -> str | None:
    """The text of a part; None where it is no UTF-8."""
    try:
        return "" if part == "%" else _raw_bytes(part).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def trace_file_name(trace_id: str, start: datetime) -> str:
    """`<trace_id>_<YYYYMMDDTHHMMSSffffffZ>.json`; an unsafe trace id is escaped."""
    begin = f"{start.year:04}{start:%m%dT%H%M%S%f}Z"  # glibc writes the year 1 without zeros
    return f"{project_path_part(trace_id)}_{begin}.json"


def is_trace_file_name(name: str) -> bool:
    """Whether a name is one that `trace_file_name` can have made: nothing else is taken from a zip."""
    trace, start = name[:-_START_LENGTH], _START_OF_FILE.fullmatch(name[-_START_LENGTH:])
    if start is None or not may_be_made_by(project_path_part, trace):
        return False
    try:
        date.fromisoformat(start[1])
    except ValueError:
        return False
    return True


def day_name(day: date, beside: str = "") -> str:
    """`<YYYY-MM-DD>`, and `~` with the short hash of its project's id where it lies beside another's day."""
    return f"{day.isoformat()}~{beside}" if beside else day.isoformat()


def parse_day_name(text: str) -> tuple[date, str] | None:
    """The date and the short hash that a name says; None of what is no day's name."""
    found = _DAY.fullmatch(text)
    day = date_of_key(found[1]) if found is not None else None
    return (day, found[2] or "") if found is not None and day is not None else None


def day_zip_name(project: str, day: date, beside: str = "") -> str:
    """`<project>_<YYYY-MM-DD>.zip`; `beside` as in `day_name`."""
    return f"{project_path_part(project)}_{day_name(day, beside)}.zip"


def split_day_zip_name(text: str) -> tuple[str, tuple[date, str]] | None:
    """The path part of the project, and the date and short hash; None of what is no zip's name."""
    stem, dot, end = text.rpartition(".")
    part, _, name = stem.rpartition("_")
    day = parse_day_name(name) if (dot, end) == (".", "zip") else None
    return (part, day) if part and day is not None else None


def parse_day_zip_name(project: str, text: str) -> tuple[date, str] | None:
    """The date and short hash that the name of a zip of the project says."""
    part = _part_of(project)
    found = split_day_zip_name(text) if text.startswith(part) else None
    return found[1] if found is not None and found[0] == part else None


_part_of = lru_cache(project_path_part)
"""The zips of all projects lie in one folder: each is asked whether it is of a project, for each project."""


def _escape(char: str, *, keep_letter: bool) -> str:
    if char.isascii():
        return char if char.isalnum() or char in " ._-()+,=@" else _percent(char)
    return char if keep_letter and char.isalnum() else _percent(char)


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
