"""LangSmith's `dotted_order`: where a run stands in its trace, to the microsecond.

It is `<start>Z<run id>` for every run from the root down to the run itself, joined by `.`; the first
segment holds the trace's start and id. Format: LangSmith documentation, "Run (span) data format".
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import msgspec

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
