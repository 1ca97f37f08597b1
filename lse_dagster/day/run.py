"""The identity of a run: the few fields that are read from the bytes LangSmith sent.

A run is never parsed further than this. Both API generations give these names; v1 names the parent in
`parent_run_id`, v2 the whole path in `parent_run_ids`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from lse_dagster.day.dotted_order import DottedOrder, parse_dotted_order
from lse_dagster.day.interval import parse_time

_WIRE_PRECISION = timedelta(milliseconds=1)


class _Head(msgspec.Struct):
    id: str
    trace_id: str | None = None
    dotted_order: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    status: str | None = None
    parent_run_id: str | None = None
    feedback_stats: msgspec.Raw = msgspec.Raw(b"null")


class InvalidRun(ValueError):
    """The bytes are not a run: no JSON object, or no id, trace or start time to file it under."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What the archive needs to know of a run to file it and to count it."""

    id: str
    trace_id: str
    dotted_order: str
    start: datetime
    """When the run started, to the microsecond where the response holds that."""
    trace_start: datetime
    """When its trace began; the run's own start when `dotted_order` does not say."""
    parent_run_id: str | None
    pending: bool
    has_feedback: bool

    @property
    def is_root(self) -> bool:
        """Whether this is the root run of its trace."""
        return self.id == self.trace_id

    def path(self) -> DottedOrder | None:
        """The parsed dotted order, or None when LangSmith's does not follow the format."""
        return parse_dotted_order(self.dotted_order)


_DECODER = msgspec.json.Decoder(_Head)


def read_identity(raw: bytes | msgspec.Raw) -> RunIdentity:
    """Read a run's identity. Raises `InvalidRun` with the reason."""
    try:
        head = _DECODER.decode(raw)
    except msgspec.MsgspecError as error:
        raise InvalidRun(f"not a run: {error}") from None
    path = parse_dotted_order(head.dotted_order) if head.dotted_order else None
    wire_start = parse_time(head.start_time) if head.start_time else None
    trace_id = head.trace_id or (path.root.run_id if path else None)
    start = _exact_start(wire_start, path)
    if trace_id is None or start is None:
        raise InvalidRun(f"run {head.id} has neither a trace id and start time nor a dotted order")
    return RunIdentity(
        id=head.id,
        trace_id=trace_id,
        dotted_order=head.dotted_order or "",
        start=start,
        trace_start=path.root.start if path else start,
        parent_run_id=head.parent_run_id or (path.parent.run_id if path and path.parent else None),
        pending=head.status.lower() == "pending" if head.status else head.end_time is None,
        has_feedback=bytes(head.feedback_stats) not in (b"null", b"{}"),
    )


def _exact_start(wire: datetime | None, path: DottedOrder | None) -> datetime | None:
    """v2 cuts start times to the millisecond; the dotted order keeps the microseconds.

    The start time decides when the two disagree by more than that, because LangSmith counts by it.
    """
    if path is None or wire is None:
        return path.own.start if path else wire
    return path.own.start if abs(path.own.start - wire) <= _WIRE_PRECISION else wire
