"""What may change of a run after it was fetched and is small: how it ended, and its feedback in numbers.

Runs of a day and runs that LangSmith sends now are brought to the same few values, whichever API they are
from. Inputs and outputs are not among them: to compare those is to fetch the day again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain

import msgspec
import xxhash

from lse_dagster.day.feedback import count_records, read_numbers, total_records
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.interval import microseconds, parse_time
from lse_dagster.day.raw_json import RawDecoder
from lse_dagster.day.run import InvalidRun, decode_run
from lse_dagster.day.summary import Summary
from lse_dagster.day.trace_file import TraceFile
from lse_dagster.day.zip_file import DayZip

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


def outlines_of_folder(day: DayFolder) -> dict[str, int]:
    """The hash of each run of a day, by its id. Raises `BrokenDay`."""
    try:
        return _by_id(day.traces(), day.unfiled(), day.summary)
    except (InvalidRun, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise day.broken(str(error)) from error


def outlines_of_zip(zipped: DayZip) -> dict[str, int]:
    """The same from a day zip. Raises `BrokenZip`."""
    try:
        return _by_id(zipped.traces(), zipped.unfiled(), zipped.summary)
    except (InvalidRun, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise zipped.broken(str(error)) from error


def _by_id(
    traces: Iterable[TraceFile], unfiled: Iterable[bytes | bytearray], summary: Summary
) -> dict[str, int]:
    elsewhere = Counter({short.run_id: short.of_other_projects for short in summary.short_feedback})
    found = (
        read_outline(raw, records)
        for trace in traces
        for records in [count_records(trace.feedback) + elsewhere]
        for raw in trace.runs
    )
    alone = (read_outline(bytes(raw)) for raw in unfiled)
    return {outline.id: outline.digest for outline in chain(found, alone)}


def _milliseconds(end_time: str | None) -> int | None:
    """v2 sends no more than milliseconds."""
    moment = parse_time(end_time) if end_time else None
    return None if moment is None else microseconds(moment) // 1000
