"""Rate limits as the real services have them: so many calls in so many seconds, then 429 with Retry-After."""

import math
import re
import time
from collections import deque
from collections.abc import Sequence

import msgspec


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `calls` requests per `seconds` whose path matches."""

    path: str
    calls: int
    seconds: float
    method: str | None = None


class RateLimits:
    """Sliding windows over a server's requests. Off until switched on."""

    def __init__(self, rules: Sequence[Limit]) -> None:
        self._defaults = tuple(rules)
        self.enabled = False
        self.rules = self._defaults
        self._seen: dict[Limit, deque[float]] = {}

    def set(self, *, enabled: bool, rules: Sequence[Limit] | None = None) -> None:
        """Switch on or off, start all windows anew, and optionally replace the rules."""
        self.enabled = enabled
        self.rules = self._defaults if rules is None else tuple(rules)
        self._seen.clear()

    def retry_after(self, method: str, path: str) -> int | None:
        """Count this request; the whole seconds to wait if it is one too many, else None."""
        if not self.enabled:
            return None
        now = time.monotonic()
        for rule in self.rules:
            if (rule.method or method) != method or not re.search(rule.path, path):
                continue
            seen = self._seen.setdefault(rule, deque())
            while seen and seen[0] <= now - rule.seconds:
                seen.popleft()
            if len(seen) >= rule.calls:
                return max(1, math.ceil(seen[0] + rule.seconds - now))
            seen.append(now)
        return None
