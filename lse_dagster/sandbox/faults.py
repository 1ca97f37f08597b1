"""Fault rules: which request goes wrong, how, and how often.

A rule only describes. `wire.py` carries out what happens to the connection and the bytes; the page
faults are carried out by the LangSmith app, which alone knows its cursors.
"""

import re
from typing import Any

import msgspec
from starlette.requests import Request


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule. It fires on matching requests: `skip` of them pass first, then `times` of them fail."""

    method: str | None = None
    path: str = ""
    """Regular expression, searched in the path and in `path?query`."""
    times: int = 1
    skip: int = 0
    status: int | None = None
    """Answer with this status (and `headers`, `body`) without asking the app."""
    headers: dict[str, str] = {}
    body: Any = None
    """Text, or anything else as JSON."""
    delay: float = 0.0
    """Seconds before the request is handled."""
    drop_after: int | None = None
    """Let the app act, send this many bytes of its response body, drop the connection; -1: before any."""
    drop_request_after: int | None = None
    """Give the app this many bytes of the request body, then drop the connection."""
    truncate: int | None = None
    """Cut the response body to this many bytes but finish the response cleanly."""
    corrupt: bool = False
    """Flip a byte in the middle of every piece of the response body."""
    empty_page: bool = False
    """LangSmith queries: an empty page whose cursor leads to the runs that this page would have held."""
    repeat_cursor: bool = False
    """LangSmith queries: answer with the same page's cursor again."""
    repeat_page: bool = False
    """LangSmith queries: a new cursor that leads to the same page again."""

    def __post_init__(self) -> None:
        re.compile(self.path)

    def matches(self, method: str, path: str, query: str) -> bool:
        """Whether the rule is about this request."""
        if self.method is not None and self.method.upper() != method:
            return False
        return bool(re.search(self.path, path) or (query and re.search(self.path, f"{path}?{query}")))


class FaultRules:
    """The rules of one server, first added first. Lives on the server's event loop, so it needs no lock."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Append a rule."""
        self._rules.append(fault)

    def clear(self) -> None:
        """Forget all rules."""
        self._rules.clear()

    @property
    def left(self) -> list[Fault]:
        """The rules that still wait, with what is left of their `skip` and `times`."""
        return list(self._rules)

    def take(self, method: str, path: str, query: str) -> Fault | None:
        """The rule that fires on this request, used up by one; None if the request goes through."""
        for fault in self._rules:
            if not fault.matches(method, path, query):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._rules.remove(fault)
            return fault
        return None


def active_fault(request: Request) -> Fault | None:
    """The rule that fired on this request, for faults that an app carries out itself."""
    fault: Fault | None = getattr(request.state, "fault", None)
    return fault
