"""A run as its client sent it, and the few facts about it that the server's columns need."""

import msgspec

from lse_dagster.sandbox.langsmith import times

Document = dict[str, msgspec.Raw]
"""The top-level keys of a run, each with its value's bytes exactly as they came."""

_NULL = b"null"


class _Sent(msgspec.Struct):
    """The part of a run's body that the server looks at; everything else it only keeps."""

    name: str | None = None
    run_type: str | None = None
    start_time: times.Time | None = None
    end_time: times.Time | None = None
    error: str | None = None
    tags: list[str] | None = None
    trace_id: str | None = None
    parent_run_id: str | None = None
    dotted_order: str | None = None
    session_name: str | None = None
    session_id: str | None = None


class RunColumns(msgspec.Struct, frozen=True):
    """What is indexed of a run."""

    name: str | None
    run_type: str
    status: str
    error: str | None
    tags: list[str]
    trace_id: str
    parent_run_id: str | None
    dotted_order: str
    start_us: int | None
    end_us: int | None
    session_name: str | None
    session_id: str | None

    @property
    def latency(self) -> float | None:
        """Seconds from start to end."""
        if self.start_us is None or self.end_us is None:
            return None
        return (self.end_us - self.start_us) / 1_000_000


def is_null(value: msgspec.Raw) -> bool:
    """Whether the value is JSON's null."""
    return bytes(value) == _NULL


def merged(base: Document, news: Document) -> Document:
    """The base with the news over it. A null is no news: it never wipes a value."""
    return {**base, **{key: value for key, value in news.items() if key not in base or not is_null(value)}}


def columns_of(run_id: str, document: Document) -> RunColumns:
    """The columns of a run; raises msgspec.ValidationError or ValueError for a body that makes no sense."""
    known = {key: value for key, value in document.items() if key in _SENT_FIELDS}
    sent = msgspec.json.decode(msgspec.json.encode(known), type=_Sent)
    start = _microseconds(sent.start_time)
    end = _microseconds(sent.end_time)
    dotted_order = sent.dotted_order or (
        f"{times.dotted_time(start)}{run_id}" if start is not None else run_id
    )
    finished = "success" if sent.error is None else "error"
    return RunColumns(
        name=sent.name,
        run_type=(sent.run_type or "chain").lower(),
        status="pending" if end is None and sent.error is None else finished,
        error=sent.error,
        tags=sent.tags or [],
        trace_id=(sent.trace_id or dotted_order.split(".")[0][-36:]).lower(),
        parent_run_id=sent.parent_run_id.lower() if sent.parent_run_id else None,
        dotted_order=dotted_order,
        start_us=start,
        end_us=end,
        session_name=sent.session_name,
        session_id=sent.session_id,
    )


def _microseconds(sent: times.Time | None) -> int | None:
    return None if sent in {None, ""} else times.parse_time(sent)


_SENT_FIELDS = set(_Sent.__struct_fields__)
