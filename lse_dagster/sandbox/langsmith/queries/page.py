"""One page of runs from the store, and the cursors between pages."""

import base64
import binascii
import secrets
from typing import Any, Literal, NamedTuple

import msgspec

from lse_dagster.sandbox.langsmith.queries.scope import Scope
from lse_dagster.sandbox.langsmith.run import Document
from lse_dagster.sandbox.langsmith.store import Store

Order = Literal["desc", "asc", "unsorted"]

_ORDERS: dict[Order, tuple[str, str]] = {
    "desc": ("r.start_us DESC, r.id DESC", "(r.start_us, r.id) < (?, ?)"),
    "asc": ("r.start_us, r.id", "(r.start_us, r.id) > (?, ?)"),
    # By random id: an order that says nothing about time, but the same on every page.
    "unsorted": ("r.id", "r.id > ?"),
}


class StoredRun(NamedTuple):
    """A row of the runs table."""

    id: str
    project_id: str
    trace_id: str
    parent_id: str | None
    run_type: str
    status: str
    start_us: int
    end_us: int | None
    dotted_order: str
    received_us: int
    document: Document


class Position(msgspec.Struct):
    """What a cursor says: continue after this run. Without a run: at the start."""

    start_us: int | None = None
    run_id: str | None = None
    nonce: str = ""
    """Makes every cursor a new text, as a server's may be: only its meaning counts."""


class CursorError(ValueError):
    """The cursor was not made by this server."""


class Page(NamedTuple):
    """Runs, where the page began, and where the next one begins (None: this was the last)."""

    runs: list[StoredRun]
    begin: Position
    next: Position | None


def encode_cursor(position: Position) -> str:
    """An opaque cursor for a position."""
    position = msgspec.structs.replace(position, nonce=secrets.token_hex(4))
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode()


def decode_cursor(cursor: str | None) -> Position:
    """The position of a cursor; no cursor is the start."""
    if not cursor:
        return Position()
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor.encode()), type=Position)
    except (binascii.Error, msgspec.DecodeError) as error:
        raise CursorError("invalid cursor") from error


def fetch_page(store: Store, scope: Scope, *, begin: Position, limit: int, order: Order) -> Page:
    """At most `limit` runs of the scope after a position."""
    order_by, after = _ORDERS[order]
    parameters: list[Any] = [*scope.parameters]
    condition = scope.sql
    if begin.run_id is not None:
        condition += f" AND {after}"
        parameters += [begin.run_id] if order == "unsorted" else [begin.start_us, begin.run_id]
    rows = store.rows(
        "SELECT r.id, r.project_id, r.trace_id, r.parent_id, r.run_type, r.status, r.start_us, r.end_us,"
        f" r.dotted_order, r.received_us, r.doc FROM runs r WHERE {condition} ORDER BY {order_by} LIMIT ?",
        [*parameters, limit + 1],
    )
    runs = [_stored(row) for row in rows[:limit]]
    following = Position(start_us=runs[-1].start_us, run_id=runs[-1].id) if len(rows) > limit else None
    return Page(runs, begin, following)


def _stored(row: tuple[Any, ...]) -> StoredRun:
    *columns, document = row
    return StoredRun._make([*columns, msgspec.json.decode(document, type=Document)])
