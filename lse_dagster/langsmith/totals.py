"""LangSmith's own count of runs, from `/runs/stats`: the number that every fetch is compared with.

The rate limit is one request in ten seconds, so each call here is one that somebody needs.
"""

import msgspec

from lse_dagster.day.interval import iso_z
from lse_dagster.langsmith.scope import RunScope
from lse_dagster.langsmith.transport import Transport

_PATH = "/api/v1/runs/stats"


class _Stats(msgspec.Struct):
    run_count: int


def count_runs(transport: Transport, scope: RunScope, *, roots_only: bool = False) -> int:
    """How many runs (or only root runs: traces) LangSmith counts in a scope.

    `end_time` is never sent: what it compares with is contradictory in the documentation.
    """
    body: dict[str, object] = {
        "session": [scope.project_id],
        "start_time": iso_z(scope.earliest),
        "filter": scope.filter,
    }
    if roots_only:
        body["is_root"] = True
    return transport.post(_PATH, msgspec.json.Decoder(_Stats).decode, body=body, kind="stats").run_count
