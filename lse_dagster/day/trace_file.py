"""One trace as one JSON file: written piece by piece, read back without parsing the runs.

`{"schema": "lse.trace/2", "project", "trace_id", "start_time", "api", "runs": [...], "kept": [...],
"feedback": [...]}`. Every run and every feedback record is exactly the bytes LangSmith sent, beginning on a
line of its own. `kept` is what LangSmith sent once and sends no more; `lse.trace/1` had none. Its entries:
`{"kind": "run"|"feedback", "api", "fetched_at", "raw"}`, where `raw` is the bytes LangSmith sent and
`fetched_at` (UTC) when the day was fetched that held them; `{"kind": "attachment", "run_id", "name", "file"}`
for a file beside the traces that only this entry names.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from lse_dagster.day.file_table import FileEntry
from lse_dagster.run.raw_json import RawDecoder
from lse_dagster.run.times import iso_z

SCHEMA: Final = "lse.trace/2"

_CHUNK: Final = 1 << 20


class TraceFile(msgspec.Struct, frozen=True):
    """A trace file read back; runs, feedback and what is kept stay raw bytes."""

    schema: Literal["lse.trace/1", "lse.trace/2"]
    project: str
    trace_id: str
    start_time: str
    api: Literal["v1", "v2"]
    runs: list[msgspec.Raw]
    feedback: list[msgspec.Raw]
    kept: list[msgspec.Raw] = []
    """Entries, each a `KeptEntry`."""
    first_system: list[msgspec.Raw] = []
    """What the first system kept beside each run; only in traces that come from it."""


_DECODER = RawDecoder(TraceFile, raws=("runs", "kept", "feedback", "first_system"))


def write_trace_file(
    path: Path,
    *,
    project: str,
    trace_id: str,
    start: datetime,
    api: Literal["v1", "v2"],
    runs: Iterable[bytes],
    feedback: Iterable[bytes],
    kept: Iterable[bytes] = (),
    first_system: Iterable[bytes] = (),
) -> FileEntry:
    """Write one trace, holding about 1 MiB of it in memory, or one run. The caller flushes it to disk."""
    head = msgspec.json.encode(
        {"schema": SCHEMA, "project": project, "trace_id": trace_id, "start_time": iso_z(start), "api": api}
    )
    count = 0

    def pieces() -> Iterator[bytes]:
        nonlocal count
        yield head[:-1] + b',"runs":['
        for run in runs:
            yield b",\n" if count else b"\n"
            yield run
            count += 1
        yield b'\n],"kept":['
        for number, entry in enumerate(kept):
            yield b",\n" if number else b"\n"
            yield entry
        yield b'\n],"feedback":['
        for number, record in enumerate(feedback):
            yield b",\n" if number else b"\n"
            yield record
        for number, record in enumerate(first_system):
            yield b",\n" if number else b'\n],"first_system":[\n'
            yield record
        yield b"\n]}\n"

    digest = hashlib.sha256()
    size = 0
    with path.open("xb") as file:
        for chunk in _chunks(pieces()):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(bytes=size, sha256=digest.hexdigest(), runs=count)


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces put together: a call for each run would cost more than the work on its bytes."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def read_trace_file(path: Path) -> TraceFile:
    """Read one trace file. Raises `msgspec.MsgspecError` when it is not one, `OSError` when unreadable."""
    return _DECODER.decode(path.read_bytes())


def decode_trace(raw: bytes | bytearray) -> TraceFile:
    """Read one trace from the bytes of its file. Raises `msgspec.MsgspecError` when it is not one."""
    return _DECODER.decode(raw)


class _Record(msgspec.Struct):
    file: msgspec.Raw
    metadata: msgspec.Raw


_RECORD: Final = RawDecoder(_Record)


def record_of_present_form(record: bytes | msgspec.Raw) -> bytes:
    """The record of the same file before its run was superseded. Raises `msgspec.MsgspecError`."""
    return msgspec.json.encode(_RECORD.decode(record))


Api = Literal["v1", "v2"]


class KeptRecord(msgspec.Struct, frozen=True, tag_field="kind"):
    """A run or a feedback record."""

    api: Api
    fetched_at: str
    raw: msgspec.Raw


class KeptRun(KeptRecord, frozen=True, tag="run"):
    """A whole run, or the older form of one that lost something or is pending again."""


class KeptFeedback(KeptRecord, frozen=True, tag="feedback"):
    """A feedback record."""


class KeptAttachment(msgspec.Struct, frozen=True, tag_field="kind", tag="attachment"):
    """A file beside the traces: an attachment, or a field of a kept run that lies in a file of its own."""

    run_id: str
    name: str
    file: str


KeptEntry = KeptRun | KeptFeedback | KeptAttachment

_ENTRY: Final = RawDecoder[KeptEntry](KeptEntry, raws=("raw",))  # type: ignore[arg-type]


def read_entry(raw: bytes | msgspec.Raw) -> KeptEntry:
    """One entry. Raises `msgspec.MsgspecError`, `UnicodeDecodeError`."""
    return _ENTRY.decode(raw)


def encode_entry(entry: KeptEntry) -> bytes:
    """The bytes of an entry; what it keeps stands in them as it came."""
    return msgspec.json.encode(entry)
