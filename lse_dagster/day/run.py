"""The identity of a run: the few fields that are read from the bytes LangSmith sent.

A run is never parsed further than this. Both API generations give these names; v1 names the parent in
`parent_run_id`, v2 the whole path in `parent_run_ids`.
"""

from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from lse_dagster.day.dotted_order import DottedOrder, Segment, parse_dotted_order, parse_segment
from lse_dagster.day.feedback import count_feedback
from lse_dagster.day.interval import microseconds, parse_time
from lse_dagster.day.raw_json import RawDecoder

Fields = TypeVar("Fields")

_WIRE_PRECISION = timedelta(milliseconds=1)


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
    parent_run_id: str | None = None
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
    dotted_order: str
    start: datetime
    """When the run started, to the microsecond where the response holds that."""
    trace_start: datetime
    """When its trace began; the run's own start when `dotted_order` does not say."""
    parent_run_id: str | None
    feedback: int | None
    """How many feedback records it says that it has; None if it says nothing of feedback."""
    names_files: bool
    """Whether it names attachments or fields that LangSmith keeps elsewhere."""
    run_type: str
    """`llm`, `chain`, `tool`, ... in lower case (v2 sends capitals), or `unknown`."""
    status: str
    """`success`, `error` or `pending`, in lower case too; what names none is `pending` until it has ended."""

    @property
    def is_root(self) -> bool:
        """Whether this is the root run of its trace."""
        return self.id == self.trace_id

    @property
    def pending(self) -> bool:
        """Whether it had not ended."""
        return self.status == "pending"

    @property
    def start_us(self) -> int:
        """The start in microseconds since 1970."""
        return microseconds(self.start)

    @property
    def trace_start_us(self) -> int:
        """The trace's start in microseconds since 1970."""
        return microseconds(self.trace_start)

    def path(self) -> DottedOrder | None:
        """The parsed dotted order, or None when LangSmith's does not follow the format."""
        return parse_dotted_order(self.dotted_order)


_DECODER = RawDecoder(_Head)


def decode_run(decoder: RawDecoder[Fields], raw: bytes | msgspec.Raw) -> Fields:
    """Some fields of a run. Raises `InvalidRun` with the reason."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRun(f"not a run: {error}") from None


def read_identity(raw: bytes | msgspec.Raw) -> RunIdentity:
    """Read a run's identity. Raises `InvalidRun` with the reason."""
    head = decode_run(_DECODER, raw)
    # Only the ends of the path: this runs for every run, and traces can be deep.
    parts = head.dotted_order.split(".") if head.dotted_order else []
    root = parse_segment(parts[0]) if parts else None
    own = parse_segment(parts[-1]) if parts else None
    parent = parse_segment(parts[-2]) if len(parts) > 1 else None
    trace_id = head.trace_id or (root.run_id if root else None)
    start = _exact_start(parse_time(head.start_time) if head.start_time else None, own)
    if trace_id is None or start is None:
        raise InvalidRun(f"run {head.id} has neither a trace id and start time nor a dotted order")
    without_status = _UNKNOWN if head.end_time else "pending"
    return RunIdentity(
        id=head.id,
        trace_id=trace_id,
        dotted_order=head.dotted_order or "",
        start=start,
        trace_start=root.start if root else start,
        parent_run_id=head.parent_run_id or (parent.run_id if parent else None),
        feedback=None if bytes(head.feedback_stats) in _NOTHING else count_feedback(head.feedback_stats),
        names_files=not _NOTHING.issuperset(
            map(bytes, (head.attachments, head.s3_urls, head.inputs_s3_urls, head.outputs_s3_urls))
        ),
        run_type=(head.run_type or _UNKNOWN).lower(),
        status=(head.status or without_status).lower(),
    )


def _exact_start(wire: datetime | None, own: Segment | None) -> datetime | None:
    """v2 cuts start times to the millisecond; the dotted order keeps the microseconds.

    The start time decides when the two disagree by more than that, because LangSmith counts by it.
    """
    if own is None or wire is None:
        return own.start if own else wire
    return own.start if abs(own.start - wire) <= _WIRE_PRECISION else wire
