"""What goes on from old days into a new one: an entry, where it goes, and how it lies in the database.

A row says by what two entries are the same, and of a run what its form holds.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import xxhash

from lse_dagster.day.overwrite.loss import CONTENT_FIELDS, RunForm
from lse_dagster.day.overwrite.old_day import OldDay
from lse_dagster.day.trace_file import KeptFeedback, KeptRun, encode_entry
from lse_dagster.run.feedback import read_record

NEW, SAME, CHANGED = 0, 1, 2
"""States of a run of the new day: no old day has it, the first that was taken has it so, or otherwise."""


class CarriedFile(NamedTuple):
    """A file that goes on: which of the old days it lies in, its name there, and its name in the new day."""

    old: OldDay
    name: str
    target: str


class Entry(NamedTuple):
    """One entry for the `kept` of a trace, or a record for its `first_system`."""

    kind: str
    raw: bytes
    file: CarriedFile | None


class TraceOfEntries(NamedTuple):
    """Where entries go on: `name` is the file of their trace in the new day, None if it has none."""

    trace_id: str
    start: str
    api: str
    name: str | None
    entries: list[Entry]


def row_of(
    kind: str,
    key: str,
    identity: bytes,
    *,
    form: RunForm | None = None,
    content: bytes = b"",
    fetched_at: str = "",
) -> tuple[object, ...]:
    """A row of what goes on in the new day already. Two things of one `identity` are the same."""
    held, ended = (bits(form.held), form.ended) if form is not None else (0, False)
    return kind, key, digest_of(identity), held, ended, content, fetched_at, False, *(None,) * 8


def row_of_run(entry: KeptRun, form: RunForm) -> tuple[object, ...]:
    """The row of a run."""
    identity, at = encode_entry(entry), entry.fetched_at
    return row_of("run", form.id, identity, form=form, content=form.content, fetched_at=at)


def row_of_feedback(entry: KeptFeedback) -> tuple[object, ...]:
    """The row of a feedback record."""
    key, content = read_record(entry.raw).id, digest_of(entry.raw)
    return row_of("feedback", key, encode_entry(entry), content=content, fetched_at=entry.fetched_at)


def form_of(run_id: str, held: int, ended: int, digest: bytes, content: bytes) -> RunForm:
    """What a row says of a run."""
    fields = frozenset(field for bit, field in enumerate(CONTENT_FIELDS) if held >> bit & 1)
    return RunForm(run_id, fields, bool(ended), digest, content, ())


def bits(held: Iterable[str]) -> int:
    """Content fields as a number."""
    return sum(1 << CONTENT_FIELDS.index(field) for field in held)


def digest_of(raw: bytes | msgspec.Raw) -> bytes:
    """What tells one text from another."""
    return xxhash.xxh3_128_digest(raw)
