"""Feedback records: a run carries only an aggregate of its feedback, so they are a request of their own."""

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from lse_dagster.langsmith.fields import FEEDBACK_LARGEST_PAGE
from lse_dagster.langsmith.transport import Transport

_PATH = "/api/v1/feedback"
_RUNS_PER_REQUEST = 100  # about 4 KB of URL


class _Head(msgspec.Struct):
    id: str
    run_id: str | None = None


def feedback_by_run(transport: Transport, run_ids: Iterable[str]) -> dict[str, list[bytes]]:
    """The records of runs, by run id, each as LangSmith sent it, sorted by record id."""
    records: dict[str, dict[str, bytes]] = {}
    ids = iter(run_ids)
    while batch := list(islice(ids, _RUNS_PER_REQUEST)):
        for raw in _records(transport, batch):
            head = msgspec.json.decode(raw, type=_Head)
            if head.run_id in batch:
                records.setdefault(head.run_id, {})[head.id] = raw
    return {run_id: [by_id[key] for key in sorted(by_id)] for run_id, by_id in records.items()}


def _records(transport: Transport, run_ids: list[str]) -> Iterator[bytes]:
    decode = msgspec.json.Decoder(list[msgspec.Raw]).decode
    offset = 0
    while True:
        params: dict[str, str | int | list[str]] = {
            "run": run_ids,
            "limit": FEEDBACK_LARGEST_PAGE,
            "offset": offset,
        }
        page = transport.get(_PATH, decode, params=params)
        yield from (bytes(record) for record in page)
        if len(page) < FEEDBACK_LARGEST_PAGE:
            return
        offset += len(page)
