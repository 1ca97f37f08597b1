"""One trace as one JSON file: written run by run, read back without parsing the runs.

`{"schema": "lse.trace/1", "project", "trace_id", "start_time", "api", "runs": [...], "feedback": [...]}`.
Every run and every feedback record is exactly the bytes LangSmith sent, on a line of its own.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from lse_dagster.day.interval import iso_z
from lse_dagster.day.summary import FileEntry

SCHEMA: Final = "lse.trace/1"


class TraceFile(msgspec.Struct, frozen=True):
    """A trace file read back; runs and feedback stay raw bytes."""

    schema: Literal["lse.trace/1"]
    project: str
    trace_id: str
    start_time: str
    api: Literal["v1", "v2"]
    runs: list[msgspec.Raw]
    feedback: list[msgspec.Raw]


_DECODER = msgspec.json.Decoder(TraceFile)


def write_trace_file(
    path: Path,
    *,
    project: str,
    trace_id: str,
    start: datetime,
    api: Literal["v1", "v2"],
    runs: Iterable[bytes],
    feedback: Iterable[bytes],
) -> FileEntry:
    """Write one trace, holding one run in memory at a time. The caller flushes it to disk."""
    head = msgspec.json.encode(
        {"schema": SCHEMA, "project": project, "trace_id": trace_id, "start_time": iso_z(start), "api": api}
    )
    digest = hashlib.sha256()
    size = 0
    count = 0
    with path.open("xb") as file:

        def write(chunk: bytes) -> None:
            nonlocal size
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)

        write(head[:-1] + b',"runs":[')
        for run in runs:
            write((b",\n" if count else b"\n") + run)
            count += 1
        write(b'\n],"feedback":[')
        for number, record in enumerate(feedback):
            write((b",\n" if number else b"\n") + record)
        write(b"\n]}\n")
    return FileEntry(bytes=size, sha256=digest.hexdigest(), runs=count)


def read_trace_file(path: Path) -> TraceFile:
    """Read one trace file. Raises `msgspec.MsgspecError` when it is not one, `OSError` when unreadable."""
    return _DECODER.decode(path.read_bytes())


def decode_trace(raw: bytes) -> TraceFile:
    """Read one trace from the bytes of its file. Raises `msgspec.MsgspecError` when it is not one."""
    return _DECODER.decode(raw)
