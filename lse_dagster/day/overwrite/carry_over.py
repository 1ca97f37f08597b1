"""Writing what goes on from old days into a new one, before it takes their place.

Only the files of the traces concerned are written anew; all others stay the bytes that they are.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal

from msgspec.structs import replace

from lse_dagster.day.disk import flush_files, flush_folder
from lse_dagster.day.errors import DiskError
from lse_dagster.day.file_table import FileEntry, FileTable
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import trace_file_name
from lse_dagster.day.overwrite.comparison import Comparison
from lse_dagster.day.overwrite.entries import CarriedFile, TraceOfEntries
from lse_dagster.day.summary import SCHEMA, Look, Summary, content_sha256, encode_summary
from lse_dagster.day.trace_file import (
    KeptAttachment,
    KeptFeedback,
    KeptRun,
    TraceFile,
    read_entry,
    read_trace_file,
    write_trace_file,
)
from lse_dagster.run.times import DayInterval, parse_time

_ORDER: Final = {KeptRun: 0, KeptFeedback: 1, KeptAttachment: 2}


def carry_over(
    compared: Comparison[DayFolder], *, forced_at: str | None = None, look: Look | None = None
) -> DayFolder:
    """The new day with all that goes on in it, in the same folder, which nobody else may use, flushed.

    `forced_at` goes on from the old days; `look` is what LangSmith said later. Raises `DiskError`.
    """
    day = compared.new
    if not compared.carries_anything and forced_at == day.summary.forced_at:
        return day
    try:
        return _Writing(day).write(compared, forced_at, look)
    except OSError as error:
        what = f"Carrying over what was there into the day {day.date} of {day.project!r}"
        raise DiskError(what, error) from error


def with_summary(day: DayFolder, summary: Summary) -> DayFolder:
    """A day whose summary says something else by now, flushed. Raises `OSError`."""
    raw = encode_summary(summary)
    day.summary_path.unlink()  # the file may have another name elsewhere
    day.summary_path.write_bytes(raw)
    flush_files([day.summary_path])
    flush_folder(day.path)
    return DayFolder(day.path, summary, hashlib.sha256(raw).hexdigest())


class _Writing:
    """One day while its files are written."""

    def __init__(self, day: DayFolder) -> None:
        self._day = day
        self._written: dict[str, FileEntry] = {}
        self._kept = dict.fromkeys(("run", "feedback", "attachment", "trace"), 0)

    def write(self, compared: Comparison[DayFolder], forced_at: str | None, look: Look | None) -> DayFolder:
        day = self._day
        back = {name for name, file in compared.downloaded_before.items() if self._copy(file)}
        for trace in compared.entries():
            self._write_trace(trace)
        summary, counts = day.summary, day.summary.counts
        counts = replace(
            counts,
            attachments=counts.attachments + len(back),
            kept_runs=counts.kept_runs + self._kept["run"],
            kept_feedback=counts.kept_feedback + self._kept["feedback"],
            kept_attachments=counts.kept_attachments + self._kept["attachment"],
            kept_traces=counts.kept_traces + self._kept["trace"],
        )
        files = FileTable(self._files())
        missing = [lost for lost in summary.missing_attachments if lost.file not in back]
        flush_files(day.path / name for name in self._written)
        return with_summary(
            day,
            replace(
                summary,
                schema=SCHEMA,
                counts=counts,
                files=files,
                sha256=content_sha256(files, counts),
                missing_attachments=missing,
                forced_at=forced_at,
                looks=[*summary.looks, *([look] if look is not None and self._written else [])],
            ),
        )

    def _files(self) -> Iterator[tuple[str, FileEntry]]:
        rest = dict(self._written)
        for name, entry in self._day.summary.files.items():
            yield name, rest.pop(name, entry)
        yield from rest.items()

    def _write_trace(self, place: TraceOfEntries) -> None:
        day = self._day
        entries = [entry for entry in place.entries if entry.file is None or self._copy(entry.file)]
        kept = [entry.raw for entry in entries if entry.kind != "first"]
        first = [entry.raw for entry in entries if entry.kind == "first"]
        if not entries:
            return
        for entry in entries:
            if entry.kind != "first":
                self._kept[entry.kind] += 1
        if place.name is not None:
            name, path = place.name, day.path / place.name
            trace = read_trace_file(path)
            path.unlink()  # the file may have another name elsewhere
        else:
            api: Literal["v1", "v2"] = "v1" if place.api == "v1" else "v2"
            trace = TraceFile("lse.trace/2", day.project, place.trace_id, place.start, api, [], [])
            name = trace_file_name(place.trace_id, self._start(trace))
            path = day.path / name
            self._kept["trace"] += 1
        self._written[name] = write_trace_file(
            path,
            project=trace.project,
            trace_id=trace.trace_id,
            start=self._start(trace),
            api=trace.api,
            runs=map(bytes, trace.runs),
            feedback=map(bytes, trace.feedback),
            kept=sorted([*map(bytes, trace.kept), *kept], key=_order),
            first_system=[*map(bytes, trace.first_system), *first],
        )

    def _start(self, trace: TraceFile) -> datetime:
        return parse_time(trace.start_time) or DayInterval.of(self._day.date).start

    def _copy(self, file: CarriedFile) -> bool:
        copied = file.old.copy_file(file.name, self._day.path / file.target)
        if copied:
            # A run in a file of its own is none of the day's runs any more.
            self._written[file.target] = replace(file.old.summary.files[file.name], runs=0)
        return copied


def _order(raw: bytes) -> tuple[int, bytes]:
    """The same entries always come in the same order, so a day that comes again is the same day."""
    return _ORDER[type(read_entry(raw))], raw
