"""The identity of a run: the few fields that are read from the bytes LangSmith sent.

A run is never parsed further than this. What LangSmith says of it in fields of its own decides: when it
started, of which trace it is, whether it is a root. The dotted order, which the client wrote, may be missing,
malformed, or copied from another time; it adds the microseconds that v2 cuts off, and what no field says.
"""

import re
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, TypeVar

import msgspec

from lse_dagster.run.feedback import count_feedback
from lse_dagster.run.raw_json import RawDecoder, expect_utf8, why_no_json
from lse_dagster.run.times import microseconds, parse_time

_SEGMENT = re.compile(r"(\d{8}T\d{6})(\d{0,9})Z(.+)", re.ASCII)


class Segment(msgspec.Struct, frozen=True):
    """One run on the path from the root."""

    start: datetime
    run_id: str


@dataclass(frozen=True)
class DottedOrder:
    """The path from the root (first segment) to the run (last segment)."""

    segments: tuple[Segment, ...]

    @property
    def root(self) -> Segment:
        """The trace's root: its id is the trace id."""
        return self.segments[0]

    @property
    def own(self) -> Segment:
        """The run itself."""
        return self.segments[-1]

    @property
    def parent(self) -> Segment | None:
        """The run's parent, or None for a root."""
        return self.segments[-2] if len(self.segments) > 1 else None


def parse_dotted_order(text: str) -> DottedOrder | None:
    """Read a dotted order; None when it does not follow the format."""
    segments = [parse_segment(part) for part in text.split(".")]
    if any(segment is None for segment in segments):
        return None
    return DottedOrder(tuple(segment for segment in segments if segment is not None))


@lru_cache(maxsize=4096)  # the runs of a trace share their first segments
def parse_segment(text: str) -> Segment | None:
    """Read one segment; None when it does not follow the format."""
    match = _SEGMENT.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, run_id = match.groups()
    try:
        # A tenth of the time of `strptime`, which matters for a million segments.
        start = datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}+00:00")
    except ValueError:
        return None
    return Segment(start, run_id)


Listed = Literal["day", "tail"]
"""Among the runs that LangSmith counts for a day, or among those after it in traces that began in it."""


Fields = TypeVar("Fields")
T = TypeVar("T", datetime, int)

_MILLISECOND = timedelta(milliseconds=1)
_PLAIN_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)

_NULL = msgspec.Raw(b"null")
_UNKNOWN = "unknown"
_NOTHING = frozenset({b"null", b"{}"})


class _Head(msgspec.Struct):
    id: str
    trace_id: str | None = None
    dotted_order: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    run_type: str | None = None
    status: str | None = None
    parent_run_id: str | msgspec.UnsetType | None = msgspec.UNSET
    parent_run_ids: list[str] | None = None
    is_root: bool | None = None
    feedback_stats: msgspec.Raw = _NULL
    attachments: msgspec.Raw = _NULL
    s3_urls: msgspec.Raw = _NULL
    inputs_s3_urls: msgspec.Raw = _NULL
    outputs_s3_urls: msgspec.Raw = _NULL


class InvalidRun(ValueError):
    """The bytes are not a run: no JSON object, or no id, trace or start time to file it under."""


class RunIdentity(msgspec.Struct, frozen=True):
    """What the archive needs to know of a run to file it and to count it."""

    id: str
    trace_id: str
    """In its `plain_id` spelling; the run's own id where it names none."""
    dotted_order: str
    start: datetime
    """When the run started, to the microsecond where the response holds that."""
    is_cut: bool
    """Whether its microseconds are not known. A server that rounds sends the last half millisecond of a day
    as the next midnight: then only the query that the run came by tells the day."""
    trace_start: datetime | None
    """When its trace began as far as this run says: `trace_start` puts the runs of a trace together."""
    parent_run_id: str | None
    is_root: bool
    """Whether LangSmith calls it a root. A trace may have several, and none whose id is the trace's."""
    feedback: int | None
    """How many feedback records it says that it has; None if it says nothing of feedback."""
    names_files: bool
    """Whether it names attachments or fields that LangSmith keeps elsewhere."""
    run_type: str
    """`llm`, `chain`, `tool`, ... in lower case (v2 sends capitals), or `unknown`."""
    unfiled: str
    """Why it cannot stand in its trace's file: it is no JSON, or names no trace. Empty for nearly all."""
    status: str
    """`success`, `error` or `pending`, in lower case too; what names none is `pending` until it has ended."""

    @property
    def pending(self) -> bool:
        """Whether it had not ended."""
        return self.status == "pending"

    @property
    def start_us(self) -> int:
        """The start in microseconds since 1970."""
        return microseconds(self.start)

    def path(self) -> DottedOrder | None:
        """The parsed dotted order, or None when LangSmith's does not follow the format."""
        return parse_dotted_order(self.dotted_order)


_DECODER = RawDecoder(_Head)


def decode_run(decoder: RawDecoder[Fields], raw: bytes | msgspec.Raw) -> Fields:
    """Some fields of a run; where it is no JSON those that can be read. Raises `InvalidRun`."""
    return _decode(decoder, raw)[0]


def _decode(decoder: RawDecoder[Fields], raw: bytes | msgspec.Raw) -> tuple[Fields, str]:
    """The fields, and why the run is no JSON. What comes as `Raw` was part of a document, and is UTF-8."""
    try:
        if isinstance(raw, bytes):
            expect_utf8(raw)
        return decoder.decode(raw), ""
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        try:
            return decoder.salvage(bytes(raw)), why_no_json(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise InvalidRun(f"not a run: {error}") from None


def read_identity(raw: bytes | msgspec.Raw) -> RunIdentity:
    """Read a run's identity. Raises `InvalidRun` with the reason."""
    head, unfiled = _decode(_DECODER, raw)
    # Only the ends of the path: this runs for every run, and traces can be deep.
    parts = head.dotted_order.split(".") if head.dotted_order else []
    root = parse_segment(parts[0]) if parts else None
    own = parse_segment(parts[-1]) if parts else None
    above = parse_segment(parts[-2]) if len(parts) > 1 else None
    trace_id = head.trace_id or (root.run_id if root else None)
    start, is_cut = _start(head.start_time or "", own.start if own else None)
    if start is None:
        raise InvalidRun(f"run {head.id} has neither a start time nor a dotted order")
    if trace_id is None:
        trace_id, unfiled = head.id, unfiled or "it names no trace"
    trace_id = plain_id(trace_id)
    is_root = _is_root(head, len(parts) if own else None, trace_id)
    return RunIdentity(
        id=head.id,
        trace_id=trace_id,
        dotted_order=head.dotted_order or "",
        start=start,
        is_cut=is_cut,
        trace_start=start if is_root else _told_trace_start(start, own, root),
        parent_run_id=None if is_root else _parent(head, above.run_id if above else None),
        is_root=is_root,
        feedback=None if bytes(head.feedback_stats) in _NOTHING else count_feedback(head.feedback_stats),
        names_files=not _NOTHING.issuperset(
            map(bytes, (head.attachments, head.s3_urls, head.inputs_s3_urls, head.outputs_s3_urls))
        ),
        unfiled=unfiled,
        run_type=(head.run_type or _UNKNOWN).lower(),
        status=status_of(head.status, head.end_time),
    )


def status_of(status: str | None, end_time: str | None) -> str:
    """A run's status in lower case; what names none is `pending` until it has ended."""
    return (status or (_UNKNOWN if end_time else "pending")).lower()


def plain_id(text: str) -> str:
    """One spelling of an id: a UUID in small letters with dashes; any other id as it is."""
    if _PLAIN_UUID.fullmatch(text):
        return text
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return text


def trace_start(runs: Iterable[tuple[bool, T, T | None]]) -> T:
    """When a trace began, of its runs' `is_root`, `start` and `trace_start`: with its first root.

    Without its root it began when the dotted orders say, and without those with its first run.
    """
    known = list(runs)
    roots = [start for is_root, start, _ in known if is_root]
    told = [told for _, _, told in known if told is not None]
    return min(roots or told or [start for _, start, _ in known])


def _start(wire: str, own: datetime | None) -> tuple[datetime | None, bool]:
    """The start, and whether its microseconds are not known.

    v2 cuts start times to the millisecond, and the dotted order has the rest of the digits. Where the two
    differ in what both have, or nothing was cut, the start time decides, because LangSmith counts by it.
    """
    start = parse_time(wire) if wire else None
    if start is None:
        return own, False
    is_cut = not wire[23:24].isdigit()  # YYYY-MM-DDTHH:MM:SS.mmm, and another digit
    if is_cut and own is not None and timedelta(0) <= own - start < _MILLISECOND:
        return own, False
    return start, is_cut


def _told_trace_start(start: datetime, own: Segment | None, root: Segment | None) -> datetime | None:
    """As long before the run as the dotted order says, whose times may all be those of another day."""
    if own is None or root is None:
        return root.start if root else None
    with suppress(OverflowError):
        return start - (own.start - root.start)
    return None


def _parent(head: _Head, above: str | None) -> str | None:
    """`above` is what the dotted order says; it tells which of v2's `parent_run_ids`, whose order is not
    documented, is the nearest."""
    if head.parent_run_id:
        return head.parent_run_id
    known = head.parent_run_ids or []
    return above if above in known or not known else known[-1]


def _is_root(head: _Head, depth: int | None, trace_id: str) -> bool:
    """LangSmith's own word, in whichever field; `depth` is what the dotted order says."""
    if head.is_root is not None:
        return head.is_root
    if head.parent_run_id or head.parent_run_ids:
        return False
    if head.parent_run_id is None or head.parent_run_ids is not None:
        return True
    return depth == 1 if depth is not None else plain_id(head.id) == trace_id
