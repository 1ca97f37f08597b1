"""Reading a query: which runs it asks for, and which page of them.

Only the forms that the measured clients send are known. Anything else is an error, so that no figure comes
from an answer to another question.
"""

import base64
import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from benchmarks.synthetic_day import RunIndex, SyntheticDay, microseconds

_ALWAYS = 10**15
_BOUND = re.compile(r'(gte?|lte?)\(\s*"?start_time"?\s*,\s*"([^"]+)"\s*\)')
_ONLY_CONJUNCTION = re.compile(r"(and|[(),\s])*")


class V2Query(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/v2/runs/query`, as far as it is known here."""

    project_ids: list[str]
    min_start_time: str
    max_start_time: str | None = None
    selects: list[str] = []
    page_size: int = 100
    cursor: str | None = None
    filter: str | None = None
    trace_filter: str | None = None
    trace_id: str | None = None
    ids: list[str] | None = None
    is_root: bool | None = None


class V1Query(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /runs/query` and `POST /runs/stats`, as far as it is known here.

    `select` changes nothing: every answer holds every field.
    """

    session: list[str]
    start_time: str | None = None
    limit: int = 100
    cursor: str | None = None
    filter: str | None = None
    trace_filter: str | None = None
    trace: str | None = None
    id: list[str] | None = None
    is_root: bool | None = None
    select: list[str] = []
    order: Literal["desc"] = "desc"


@dataclass(frozen=True)
class Page:
    """The positions of one page, and the cursor to the next one."""

    positions: list[int]
    next_cursor: str | None


@dataclass(frozen=True)
class Selected:
    """The runs that a query is about: a slice of an index."""

    index: RunIndex
    begin: int
    end: int

    @property
    def count(self) -> int:
        """How many there are."""
        return max(0, self.end - self.begin)

    def page(self, cursor: str | None, size: int) -> Page:
        """The page at a cursor. Raises `ValueError` for a cursor that is none of ours."""
        begin = self.begin + _decode_cursor(cursor)
        end = min(begin + size, self.end)
        positions = list(self.index.positions[begin:end])
        return Page(positions, _encode_cursor(end - self.begin) if end < self.end else None)


def select_v2(day: SyntheticDay, query: V2Query) -> Selected:
    """The runs of a v2 query. Its upper bound is taken as inclusive."""
    earliest = microseconds(query.min_start_time)
    before = microseconds(query.max_start_time) + 1 if query.max_start_time else _ALWAYS
    index = _index(day, query.ids, query.trace_id, query.is_root)
    return _between(index, query.filter, earliest, before)


def select_v1(day: SyntheticDay, query: V1Query) -> Selected:
    """The runs of a v1 query."""
    earliest = microseconds(query.start_time) if query.start_time else -_ALWAYS
    index = _index(day, query.id, query.trace, query.is_root)
    return _between(index, query.filter, earliest, _ALWAYS)


def _index(day: SyntheticDay, ids: list[str] | None, trace_id: str | None, is_root: bool | None) -> RunIndex:
    # A trace filter needs no reading: every trace begins in the day, and none has runs after it.
    match ids, trace_id, is_root:
        case None, None, None:
            return day.all
        case None, None, True:
            return day.roots
        case None, str(), None:
            return day.trace(trace_id)
        case list(), None, None:
            return day.among(ids)
    raise ValueError("these conditions together are not known here")


def _between(index: RunIndex, filter_: str | None, earliest: int, before: int) -> Selected:
    for operator, bound in _bounds(filter_):
        exact = microseconds(bound)
        if operator.startswith("g"):
            earliest = max(earliest, exact + (operator == "gt"))
        else:
            before = min(before, exact + (operator == "lte"))
    return Selected(index, *index.between(earliest, before))


def _bounds(filter_: str | None) -> list[tuple[str, str]]:
    if filter_ is None:
        return []
    if not _ONLY_CONJUNCTION.fullmatch(_BOUND.sub("", filter_)):
        raise ValueError(f"this filter is not known here: {filter_}")
    return _BOUND.findall(filter_)


def page_cursors(runs: int, page_size: int) -> list[str]:
    """The cursors that lead to every page of a whole day."""
    return [_encode_cursor(offset) for offset in range(0, runs, page_size)]


def _encode_cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(f"after:{offset}".encode()).decode()


def _decode_cursor(cursor: str | None) -> int:
    if cursor is None:
        return 0
    return int(base64.urlsafe_b64decode(cursor).removeprefix(b"after:"))
