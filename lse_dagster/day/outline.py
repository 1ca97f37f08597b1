"""What may change of a run after it was fetched and is small: how it ended, and its feedback in numbers.

Runs of a day and runs that LangSmith sends now are brought to the same few values, whichever API they are
from. Inputs and outputs are not among them: to compare those is to fetch the day again.
"""

from collections.abc import Iterable

import msgspec
import xxhash

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.interval import microseconds, parse_time
from lse_dagster.day.raw_json import RawDecoder
from lse_dagster.day.run import InvalidRun, decode_run
from lse_dagster.day.zip_file import DayZip

_DECIMALS = 6
"""Averages are computed anew, perhaps in another order."""


class _Feedback(msgspec.Struct):
    n: int | None = None
    avg: float | None = None
    values: dict[str, int] | None = None


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


def read_outline(raw: bytes | msgspec.Raw) -> RunOutline:
    """The outline of a run. Raises `InvalidRun`."""
    head = decode_run(_DECODER, raw)
    outline = ((head.status or "").lower(), _milliseconds(head.end_time), _feedback(head.feedback_stats))
    return RunOutline(head.id, xxhash.xxh3_64_intdigest(msgspec.json.encode(outline)))


def outlines_of_folder(day: DayFolder) -> dict[str, int]:
    """The hash of each run of a day, by its id. Raises `BrokenDay`."""
    try:
        return _by_id(raw for trace in day.traces() for raw in trace.runs)
    except InvalidRun as error:
        raise day.broken(str(error)) from error


def outlines_of_zip(zipped: DayZip) -> dict[str, int]:
    """The same from a day zip. Raises `BrokenZip`."""
    try:
        return _by_id(raw for trace in zipped.traces() for raw in trace.runs)
    except InvalidRun as error:
        raise zipped.broken(error) from error


def _by_id(raws: Iterable[msgspec.Raw]) -> dict[str, int]:
    return {outline.id: outline.digest for outline in map(read_outline, raws)}


def _milliseconds(end_time: str | None) -> int | None:
    """v2 sends no more than milliseconds."""
    moment = parse_time(end_time) if end_time else None
    return None if moment is None else microseconds(moment) // 1000


def _feedback(raw: msgspec.Raw) -> list[tuple[str, object, object, object]]:
    """Of each key how many records, their average, and how often each value came.

    What else is there is of the project, or a sample. What is not understood counts as nothing: it would be
    taken for a change each time.
    """
    try:
        by_key = msgspec.json.decode(raw, type=dict[str, _Feedback] | None) or {}
    except msgspec.MsgspecError:
        return []
    return [
        (key, one.n, round(one.avg or 0.0, _DECIMALS), sorted((one.values or {}).items()))
        for key, one in sorted(by_key.items())
        if one.n
    ]
