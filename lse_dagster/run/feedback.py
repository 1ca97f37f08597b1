"""Feedback as LangSmith gives it: the numbers that a run carries, and the records behind them.

Nothing here asks anybody. A record is kept as the bytes that came; of its content only what it is filed by is
read.
"""

import base64
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeVar

import msgspec
import xxhash

from lse_dagster.run.raw_json import RawDecoder, why_no_json


class FeedbackRecord(NamedTuple):
    """One record as it came. `key` tells it from others of its run, and gives their order."""

    run_id: str
    key: str
    raw: bytes


T = TypeVar("T")

_COMPUTED: Final = "__ls_composite_feedback"
"""The source of a score that LangSmith computes of others (SDK 0.15.0, `types/run.py`): it has no record."""

_MOST: Final = 2**53
"""What no list holds: larger numbers than this fit into no database, and say no more."""


class ShortFeedback(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run of which fewer feedback records are archived than the run says.

    `expected`: how many LangSmith says that it has, when it was asked last. `held`: how many are archived.
    `of_other_projects`: how many more LangSmith lists that belong to a run of the same id elsewhere.
    """

    run_id: str
    expected: int
    held: int
    of_other_projects: int = 0

    @property
    def lacking(self) -> int:
        """How many could not be had, and nobody knows why."""
        return max(0, self.expected - self.held - self.of_other_projects)


class KeyNumbers(NamedTuple):
    """Of one feedback key of a run: how many records, their average, and how often each value came."""

    key: str
    records: int
    average: float
    values: tuple[tuple[str, int], ...]


class _Numbers(msgspec.Struct):
    n: float | None = None
    avg: float | None = None
    values: dict[str, int] | None = None
    sources: msgspec.Raw = msgspec.Raw(b"null")


class _Source(msgspec.Struct):
    type: str


_BY_KEY: Final = RawDecoder(dict[str, msgspec.Raw])
_NUMBERS: Final = RawDecoder(_Numbers)
_SOURCES: Final = msgspec.json.Decoder(list[_Source])


def read_numbers(feedback_stats: msgspec.Raw) -> list[KeyNumbers]:
    """What both API generations say of a run's feedback, by key, sorted.

    What else is there is of the project, or a sample. A field that is not understood is as if it were
    not there, and a score that LangSmith computes of others counts as nothing.
    """
    try:
        by_key = _read(_BY_KEY, feedback_stats)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []
    found = (_numbers(key, raw) for key, raw in sorted(by_key.items()))
    return [numbers for numbers in found if numbers is not None]


def count_feedback(feedback_stats: msgspec.Raw) -> int:
    """How many feedback records a run says that it has."""
    return total_records(read_numbers(feedback_stats))


def total_records(numbers: Iterable[KeyNumbers]) -> int:
    """Of all keys together."""
    return min(_MOST, sum(of_key.records for of_key in numbers))


def _numbers(key: str, raw: msgspec.Raw) -> KeyNumbers | None:
    try:
        found = _read(_NUMBERS, raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    values = {value: min(_MOST, times) for value, times in (found.values or {}).items() if times > 0}
    # For categories `n` is the sum of their counts (SDK 0.15.0); some answers leave it out.
    count = found.n if found.n is not None else sum(values.values())
    if count <= 0 or _is_computed(found.sources):
        return None
    return KeyNumbers(key, int(min(_MOST, count)), found.avg or 0.0, tuple(sorted(values.items())))


def _read(decoder: RawDecoder[T], raw: msgspec.Raw) -> T:
    """What can be read: an average that is no number says nothing against the count beside it."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return decoder.salvage(bytes(raw))


def _is_computed(sources: msgspec.Raw) -> bool:
    try:
        found = _SOURCES.decode(sources)
    except msgspec.MsgspecError:
        return False
    return bool(found) and all(source.type == _COMPUTED for source in found)


class RecordHead(NamedTuple):
    """By what a record is filed. `id`: LangSmith's, or a hash of the bytes of a record that has none."""

    id: str
    run_id: str | None
    project_id: str | None


class _Head(msgspec.Struct):
    id: object = None
    run_id: object = None
    session_id: object = None


_HEAD: Final = RawDecoder(_Head)


def read_record(raw: bytes | msgspec.Raw) -> RecordHead:
    """Raises `msgspec.MsgspecError` and `UnicodeDecodeError` for what is no JSON object."""
    return _filed_by(_HEAD.decode(raw), raw)


def as_json(raw: bytes) -> bytes:
    """A record as it came; one that no JSON file can hold (`NaN`) in a record that can, in base64.

    Raises `msgspec.MsgspecError` and `UnicodeDecodeError` for what is not even nearly a JSON object.
    """
    if not why_no_json(raw):
        return raw
    by = _filed_by(_HEAD.salvage(raw), raw)
    held = {"id": by.id, "run_id": by.run_id, "session_id": by.project_id}
    return msgspec.json.encode({**held, "not_json": base64.b64encode(raw).decode()})


def _filed_by(head: _Head, raw: bytes | msgspec.Raw) -> RecordHead:
    own = _text(head.id) or f"without-id-{xxhash.xxh3_128_hexdigest(bytes(raw))}"
    return RecordHead(own, _text(head.run_id), _text(head.session_id))


def count_records(raws: Iterable[bytes | msgspec.Raw]) -> Counter[str]:
    """How many records there are of each run. Raises as `read_record` does."""
    return Counter(read_record(raw).run_id or "" for raw in raws)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
