"""What tests can change about the LangSmith server: `POST /_control/settings` with any of these fields.

Settings live in memory: a restarted server is a well-behaved one. `GET` shows them, `DELETE` resets them.
"""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """How the server behaves; the defaults are those of the real service, as far as they are known."""

    hidden_runs: list[str] = []
    """Ids of runs that no query returns, while stats still count them."""
    unsent_runs: list[str] = []
    """Ids of runs that only queries for ids alone return."""
    omitted_fields: list[str] = []
    """Fields that no query returns, whatever it selects, as answers name them: `dotted_order`."""
    odd_inputs: dict[str, str] = {}
    """By run id: bytes, as latin-1, in the place of its inputs. They need not be JSON, nor UTF-8."""
    delete_runs: list[str] = []
    """Ids of runs to delete for good, at once, as retention does. Not kept: reads as empty."""
    withheld: list[str] = []
    """Fields of runs that come empty from now on, as after a redaction: `inputs`, `tags`, `attachments`."""
    v2: bool = True
    """Off: an older server, where `/api/v2` is 404 and `/info` says 0.12.0."""
    min_inclusive: bool = True
    """Whether a run that starts exactly at `min_start_time` (v1: `start_time`) is in."""
    max_inclusive: bool = False
    """Whether a run that starts exactly at `max_start_time` is in."""
    ignore_filter: bool = False
    """A server that lies: `filter`, `trace_filter` and `tree_filter` are checked but have no effect."""
    ignore_trace_filter: bool = False
    """The same for `trace_filter` and `tree_filter` alone."""
    round_times: bool = False
    """v2: times are rounded to the millisecond, not cut."""
    order: Literal["desc", "asc", "unsorted"] = "desc"
    """Order of v2 pages by start time, and of v1 pages that ask for none."""
    offload_bytes: int | None = None
    """v1: inputs and outputs over this many bytes are null, with a presigned URL to them."""
    presign_seconds: int = 3600
    """How long a presigned URL is good; negative makes URLs that have expired."""
    max_page_bytes: int | None = None
    """A page that would be larger is answered with 413."""
    empty_lists: Literal["[]", "null", "absent"] = "[]"
    """How an empty list is written: services in Go write null. `absent` leaves the member out."""
    hide_feedback: bool = False
    """The list of feedback is empty, while runs still carry its numbers."""
    delete_feedback: list[str] = []
    """Ids of feedback records. After each page of feedback the first of them is deleted for good."""
    shuffle_feedback: bool = False
    """Another order of the feedback for each page."""
    numbers_by_project: bool = False
    """The numbers that a run carries leave out what its list has of other projects."""
    now: datetime | None = None
    """The server's clock: its answers have it as `Date`, v2 defaults to the 24 hours before it, and presigned
    URLs expire by it."""


class SettingsHolder:
    """The settings of one server. Changed by the settings endpoint only, on the server's event loop."""

    def __init__(self) -> None:
        self.current = Settings()

    def change(self, body: bytes) -> Settings:
        """Change the fields in this JSON object; the result holds `delete_runs` for the caller to act on."""
        changes = msgspec.json.decode(body, type=dict[str, Any])
        changed = msgspec.convert({**msgspec.to_builtins(self.current), **changes}, Settings)
        self.current = msgspec.structs.replace(changed, delete_runs=[])
        return changed

    def now(self) -> datetime:
        """What time it is for the server."""
        fixed = self.current.now
        return datetime.now(UTC) if fixed is None else fixed.astimezone(UTC)

    def take_feedback_to_delete(self) -> str | None:
        """The next of `delete_feedback`, used up by this."""
        if not self.current.delete_feedback:
            return None
        first, *others = self.current.delete_feedback
        self.current = msgspec.structs.replace(self.current, delete_feedback=others)
        return first

    def reset(self) -> None:
        """Back to the defaults."""
        self.current = Settings()
