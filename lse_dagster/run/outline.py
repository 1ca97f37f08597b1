"""What may change of a run after it was fetched and is small: how it ended, and its feedback in numbers."""

from collections.abc import Mapping

import msgspec
import xxhash

from lse_dagster.run.feedback import read_numbers, total_records
from lse_dagster.run.identity import decode_run
from lse_dagster.run.raw_json import RawDecoder
from lse_dagster.run.times import microseconds, parse_time

_DECIMALS = 6
"""Averages are computed anew, perhaps in another order."""


class _Head(msgspec.Struct):
    id: str
    status: str | None = None
    end_time: str | None = None
    feedback_stats: msgspec.Raw = msgspec.Raw(b"null")


class RunOutline(msgspec.Struct, frozen=True):
    """A run's id and a hash of its outline: equal as long as nothing has changed that it is made of."""

    id: str
    digest: int


_DECODER = RawDecoder(_Head)


def read_outline(raw: bytes | msgspec.Raw, records: Mapping[str, int] | None = None) -> RunOutline:
    """The outline of a run; for an archived one `records` says how many feedback records of each run are.

    Fewer than the run says make it another one: its numbers came from LangSmith, and would else be compared
    with themselves. Raises `InvalidRun`.
    """
    head = decode_run(_DECODER, raw)
    feedback = read_numbers(head.feedback_stats)
    said = total_records(feedback)
    outline = (
        (head.status or "").lower(),
        _milliseconds(head.end_time),
        [numbers._replace(average=round(numbers.average, _DECIMALS)) for numbers in feedback],
        0 if records is None else max(0, said - records.get(head.id, 0)),
    )
    return RunOutline(head.id, xxhash.xxh3_64_intdigest(msgspec.json.encode(outline)))


def _milliseconds(end_time: str | None) -> int | None:
    """v2 sends no more than milliseconds."""
    moment = parse_time(end_time) if end_time else None
    return None if moment is None else microseconds(moment) // 1000
