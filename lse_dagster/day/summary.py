"""`_summary.json`: what a day holds, what LangSmith counted, and the hash of every file.

A folder without a valid summary is not a day. The summary is written last. The content hash covers the hash
of every file and, since `lse.day/2`, the counts.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import msgspec

from lse_dagster.day.errors import repair
from lse_dagster.day.file_table import FileTable, split_summary
from lse_dagster.day.names import SUMMARY, is_trace_file_name
from lse_dagster.day.run_names import (
    attachment_file_name,
    is_attachment_file_name,
    is_day_file_name,
    is_unfiled_file_name,
)
from lse_dagster.day.whole import Asked
from lse_dagster.errors import ArchiveError
from lse_dagster.run.attachments import Kind
from lse_dagster.run.feedback import ShortFeedback


class MissingAttachment(msgspec.Struct, frozen=True):
    """A file that LangSmith names and that could not be had, and why, in the server's words."""

    run_id: str
    kind: Kind
    name: str
    why: str

    @property
    def file(self) -> str:
        """What its file would be called."""
        return attachment_file_name(self.run_id, self.kind, self.name)


SCHEMA: Final = "lse.day/2"
Schema = Literal["lse.day/1", "lse.day/2"]


class InvalidSummary(ArchiveError):
    """A `_summary.json` is missing, broken, or speaks of another day."""


class Counts(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many runs, traces and records a day holds.

    `runs_started_in_day` is what LangSmith counts. `tail_runs` started later, in traces that began in the
    day; `carried_over_runs` are those of `runs_started_in_day` whose trace began earlier. `attachments` are
    the files beside the traces; those that could not be had are in `Summary.missing_attachments`.

    `unfiled_runs` are those of all runs that lie in files of their own: their trace's file cannot hold them.

    `kept_*` count what LangSmith sent once and sends no more; the others leave it out. They are
    not written where they are 0: a count that a later version adds must not change the hash of older days.
    """

    runs_started_in_day: int
    tail_runs: int
    carried_over_runs: int
    traces: int
    root_runs: int
    pending_runs: int
    feedback: int
    attachments: int
    kept_runs: int = 0
    kept_feedback: int = 0
    kept_attachments: int = 0
    kept_traces: int = 0
    """Traces without a run in their file: LangSmith sends none any more, or all lie in files of their own.
    They are not among `traces`."""
    unfiled_runs: int = 0


class Unverified(msgspec.Struct, frozen=True):
    """Why nobody can say that a day is whole: it was not fetched by this system, which counts.

    `original_summary` is the text that the other system wrote about it, or null.
    """

    source: Literal["first_system"]
    why: str
    original_summary: str | None


class Look(msgspec.Struct, frozen=True):
    """What LangSmith said of a day when it may have begun to forget it: the day only grew by that."""

    at: str
    langsmith_total: int | None
    runs: int
    """How many runs of the day were found."""


class Summary(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content of `_summary.json`.

    A day that lacks no attachment says nothing about missing ones, one that lacks no feedback nothing about
    `short_feedback`, a day that was proven whole nothing about being `unverified`. The totals are null for an
    unverified day: LangSmith was not asked.
    """

    schema: Schema
    project: str
    date: str
    project_id: str
    api: Literal["v1", "v2"]
    fetched_at: str
    counts: Counts
    langsmith_total: int | None
    langsmith_root_total: int | None
    files: FileTable
    sha256: str
    """The hash of the day's content, whoever fetched it and when: `content_sha256`."""
    missing_attachments: list[MissingAttachment] = []
    short_feedback: list[ShortFeedback] = []
    unverified: Unverified | None = None
    asked: Asked | None = None
    """Not in days of before November 2026: `fetched_at` is when their fetch began."""
    forced_at: str | None = None
    """When somebody had the day replaced as it came. What is older than that protects nothing any more."""
    looks: list[Look] = []
    outranks: str | None = None
    """The `fetched_at` of a day that goes on in this one, and was later than LangSmith's clock when this was
    fetched: some machine's clock had been wrong. That day must not take the place of this one for it."""

    @property
    def bytes(self) -> int:
        """The size of all files together, without the summary."""
        return self.files.total_bytes

    def trace_names(self) -> Iterator[str]:
        """The names of the trace files, sorted."""
        return filter(is_trace_file_name, self.files)

    def unfiled_names(self) -> Iterator[str]:
        """The names of the files of single runs, sorted."""
        return filter(is_unfiled_file_name, self.files)

    def attachment_names(self) -> Iterator[str]:
        """The names of all other files, sorted."""
        return filter(is_attachment_file_name, self.files)


def content_sha256(files: FileTable, counts: Counts, *, schema: Schema = SCHEMA) -> str:
    """The hash of a day's content: of the lines `<sha256>  <name>`, sorted by name, and of the counts.

    The counts are the last line, as JSON without spaces and with sorted keys. `lse.day/1` left them out.
    """
    last_line = b"" if schema == "lse.day/1" else msgspec.json.encode(counts, order="sorted") + b"\n"
    return files.content_sha256(last_line)


def encode_summary(summary: Summary) -> bytes:
    """The bytes of `_summary.json`; the same summary always gives the same bytes."""
    encoded = msgspec.json.encode(summary, enc_hook=lambda files: dict(files.items()))
    return msgspec.json.format(encoded, indent=2) + b"\n"


def decode_summary(pieces: Iterable[bytes | bytearray], *, project: str, day: date, origin: str) -> Summary:
    """Read and check a summary, all of the pieces. `origin` names where it lies, for the error.

    Raises `InvalidSummary` when it is broken, inconsistent in itself, or of another project or date, and what
    the iterable raises.
    """
    what, mend = f"Reading the day {day} of {project!r} from {origin}", repair(project, day)

    def put_back(_: type, left: object) -> FileTable:
        if left != {}:
            raise ValueError("its list of files is none")
        return files

    try:
        text, files = split_summary(pieces)
        summary = msgspec.json.decode(text, type=Summary, dec_hook=put_back)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidSummary(what, f"{SUMMARY} is not a valid summary: {error}", mend) from None
    if (summary.project, summary.date) != (project, day.isoformat()):
        raise InvalidSummary(
            what,
            f"{SUMMARY} says it is the day {summary.date} of {summary.project!r}.",
            "Move it to where it belongs, then run this again.",
        )
    wrong = next((name for name in summary.files if not is_day_file_name(name)), None)
    if wrong is not None or summary.sha256 != content_sha256(
        summary.files, summary.counts, schema=summary.schema
    ):
        why = f"it lists {wrong!r}" if wrong is not None else "its hash does not match what it says"
        raise InvalidSummary(what, f"{SUMMARY} was changed: {why}.", mend)
    return summary


class SummaryHead(msgspec.Struct, frozen=True):
    """Of a summary all that is not about single files."""

    schema: Schema
    project: str
    date: str
    fetched_at: str
    counts: Counts
    langsmith_total: int | None
    sha256: str
    unverified: Unverified | None = None
    missing_attachments: list[MissingAttachment] = []
    project_id: str = ""

    @property
    def files(self) -> int:
        """How many files the day has, the summary left out."""
        counts = self.counts
        beside = counts.attachments + counts.kept_attachments + counts.unfiled_runs
        return counts.traces + counts.kept_traces + beside


_HEAD = msgspec.json.Decoder(SummaryHead)


def read_head(path: Path, project: str, day: date) -> SummaryHead | None:
    """The beginning of a summary; None where it cannot be read, or is of another day."""
    head = read_any_head(path, day)
    return head if head is not None and head.project == project else None


def read_any_head(path: Path, day: date) -> SummaryHead | None:
    """The same, of whichever project."""
    try:
        head = _HEAD.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return head if head.date == day.isoformat() else None


class _Sizes(msgspec.Struct, frozen=True):
    class File(msgspec.Struct, frozen=True):
        bytes: int

    files: dict[str, File]


_SIZES = msgspec.json.Decoder(_Sizes)


@lru_cache(maxsize=20_000)
def bytes_of_files(folder: Path, sha256: str) -> int:
    """The size of all files of a day folder, by its summary; 0 where that cannot be read.

    Remembered by the content's hash: who looks at years of days looks every few minutes.
    """
    try:
        return sum(file.bytes for file in _SIZES.decode((folder / SUMMARY).read_bytes()).files.values())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 0
