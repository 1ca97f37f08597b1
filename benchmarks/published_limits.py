"""LangSmith Cloud's rate limits (US; documentation, November 2026), enforced to the letter.

A window that slides: no ten seconds anywhere hold more requests than the limit.
"""

import time
from collections import defaultdict, deque

WINDOW = 10.0
V2_QUERIES = 300
V1_QUERIES = 10
_STATS = 1


class PublishedLimits:
    """What was let through in the last ten seconds, by kind of request."""

    def __init__(self) -> None:
        self._let_through: defaultdict[int, deque[float]] = defaultdict(deque)

    def refuse(self, path: str) -> int:
        """Seconds to wait (`Retry-After`), or 0 for a request that is let through."""
        limit = _limit(path)
        if limit is None:
            return 0
        now = time.monotonic()
        before = self._let_through[limit]
        while before and now - before[0] > WINDOW:
            before.popleft()
        if len(before) >= limit:
            return max(1, round(before[0] + WINDOW - now))
        before.append(now)
        return 0


def _limit(path: str) -> int | None:
    if path.endswith("/runs/stats"):
        return _STATS
    if path.endswith("/runs/query"):
        return V2_QUERIES if "/v2/" in path else V1_QUERIES
    return None
