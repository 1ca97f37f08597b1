"""Reading from trace files what a day holds: what the overwrite policy must not let go."""

from collections.abc import Iterable

import msgspec

from lse_dagster.day.overwrite import Holdings
from lse_dagster.day.raw_json import RawDecoder
from lse_dagster.day.run import read_identity
from lse_dagster.day.summary import Summary
from lse_dagster.day.trace_file import TraceFile


class _Record(msgspec.Struct):
    id: str


_RECORD = RawDecoder(_Record)


def read_holdings(traces: Iterable[TraceFile], summary: Summary) -> Holdings:
    """What these traces hold. Raises `InvalidRun`, `msgspec.MsgspecError`, and what the iterable raises."""
    runs: set[str] = set()
    feedback: set[str] = set()
    for trace in traces:
        runs.update(read_identity(raw).id for raw in trace.runs)
        feedback.update(_RECORD.decode(raw).id for raw in trace.feedback)
    return Holdings(frozenset(runs), frozenset(summary.attachment_names()), frozenset(feedback))
