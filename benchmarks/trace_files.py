"""A day folder for the zip benchmarks: trace files of log-normal sizes, made of messages of conversations.

The messages are those of the shared real conversations where they lie beside this checkout, or else made up.
"""

import gzip
import hashlib
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from lse_dagster.day.file_table import FileEntry, FileTable
from lse_dagster.day.folder import DayFolder, read_day_folder
from lse_dagster.day.names import SUMMARY, trace_file_name
from lse_dagster.day.summary import SCHEMA, Counts, Summary, content_sha256, encode_summary
from lse_dagster.day.trace_file import write_trace_file
from lse_dagster.sandbox.conversations import demo_conversations

PROJECT: Final = "benchmark"
DAY: Final = date(2025, 8, 29)
MEAN_BYTES: Final = 68_000

_SIGMA: Final = 0.7
_REAL: Final = Path(__file__).parents[2] / "shared/data/agent_conversations/gpt-4o-airline.json.gz"


def data_name() -> str:
    """Which conversations the files are made of."""
    return "real conversations" if _REAL.exists() else "made-up conversations"


def make_day(folder: Path, *, files: int, mean_bytes: int = MEAN_BYTES) -> None:
    """Write a valid day folder, the same for the same numbers."""
    folder.mkdir(parents=True)
    rng = random.Random(f"{files} files of {mean_bytes}")
    messages = _messages()
    midnight = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    entries: dict[str, FileEntry] = {}
    for number in range(files):
        trace_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        start = midnight + timedelta(seconds=86_000 * number / files)
        name = trace_file_name(trace_id, start)
        size = int(mean_bytes * rng.lognormvariate(-(_SIGMA**2) / 2, _SIGMA)) if files > 1 else mean_bytes
        entries[name] = write_trace_file(
            folder / name,
            project=PROJECT,
            trace_id=trace_id,
            start=start,
            api="v2",
            runs=_runs(rng, messages, trace_id, start, size),
            feedback=(),
        )
    (folder / SUMMARY).write_bytes(encode_summary(_summary(entries)))


def load_day(folder: Path) -> DayFolder:
    """The day that `make_day` wrote."""
    day = read_day_folder(folder, project=PROJECT, day=DAY)
    if day is None:
        raise FileNotFoundError(folder)
    return day


def same_content(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files."""
    return _hashes(one) == _hashes(other)


def _hashes(folder: Path) -> dict[str, bytes]:
    return {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}


def _messages() -> list[bytes]:
    if _REAL.exists():
        conversations: Any = msgspec.json.decode(gzip.decompress(_REAL.read_bytes()))
    else:
        conversations = demo_conversations(100, seed=7)
    return [
        msgspec.json.encode(message)
        for conversation in conversations
        for message in conversation["traj"]
        if message["role"] != "system"
    ]


def _runs(
    rng: random.Random, messages: list[bytes], trace_id: str, start: datetime, size: int
) -> Iterator[bytes]:
    parent, order, moment, written = None, "", start, 0
    while written < size:
        run_id = trace_id if parent is None else str(uuid.UUID(int=rng.getrandbits(128), version=4))
        own = f"{moment:%Y%m%dT%H%M%S%f}Z{run_id}"
        order = own if parent is None else f"{order.split('.', maxsplit=1)[0]}.{own}"
        fields = {
            "id": run_id,
            "name": "ChatOpenAI",
            "run_type": "LLM",
            "status": "SUCCESS",
            "start_time": f"{moment:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
            "trace_id": trace_id,
            "parent_run_ids": [parent] if parent else [],
            "dotted_order": order,
            "inputs": {"messages": [msgspec.Raw(rng.choice(messages)) for _ in range(4)]},
            "outputs": {"message": msgspec.Raw(rng.choice(messages))},
            "extra": {"metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o"}},
            "total_tokens": rng.randrange(5_000),
            "total_cost": round(rng.random() / 100, 6),
        }
        run = msgspec.json.encode(fields)
        written += len(run)
        yield run
        parent, moment = trace_id, moment + timedelta(microseconds=rng.randrange(1, 900_000))


def _summary(entries: dict[str, FileEntry]) -> Summary:
    files = FileTable(entries.items())
    runs = sum(entry.runs for entry in entries.values())
    counts = Counts(runs, 0, 0, len(entries), len(entries), 0, 0, 0)
    return Summary(
        schema=SCHEMA,
        project=PROJECT,
        date=DAY.isoformat(),
        project_id="benchmark",
        api="v2",
        fetched_at="2025-08-30T02:00:00.000000Z",
        counts=counts,
        langsmith_total=runs,
        langsmith_root_total=len(entries),
        files=files,
        sha256=content_sha256(files, counts),
    )
