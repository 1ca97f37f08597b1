"""Runs for the tests of this room, in the form of LangSmith's v2 answers."""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

DATE = "2025-08-29"


def at(clock: str, date: str = DATE) -> datetime:
    """A UTC time on a date."""
    return datetime.fromisoformat(f"{date}T{clock}").replace(tzinfo=UTC)


@dataclass(frozen=True)
class ARun:
    """One run; children are made from it so that their identities agree."""

    id: str
    trace_id: str
    dotted_order: str
    start: datetime
    parent_id: str | None = None

    def raw(self, **fields: Any) -> bytes:
        """The bytes of a v2 answer: times to the millisecond, upper-case status."""
        run = {
            "id": self.id,
            "name": "a run",
            "trace_id": self.trace_id,
            "dotted_order": self.dotted_order,
            "start_time": self.start.strftime("%Y-%m-%dT%H:%M:%S.")
            + f"{self.start.microsecond // 1000:03d}Z",
            "end_time": "2025-08-29T23:00:00.000Z",
            "status": "SUCCESS",
        }
        return json.dumps(run | fields).encode()

    def child(self, start: datetime) -> "ARun":
        """A run below this one."""
        run_id = new_id()
        return ARun(run_id, self.trace_id, f"{self.dotted_order}.{segment(start, run_id)}", start, self.id)


def root(start: datetime) -> ARun:
    """The root run of a new trace."""
    run_id = new_id()
    return ARun(run_id, run_id, segment(start, run_id), start)


def segment(start: datetime, run_id: str) -> str:
    """One segment of a dotted order."""
    return f"{start:%Y%m%dT%H%M%S%f}Z{run_id}"


def new_id() -> str:
    """A run id."""
    return str(uuid.uuid4())
