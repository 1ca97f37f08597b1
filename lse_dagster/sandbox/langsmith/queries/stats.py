"""Statistics over the runs of a scope, as `POST /runs/stats` answers them."""

from typing import Any

from lse_dagster.sandbox.langsmith import times
from lse_dagster.sandbox.langsmith.queries.scope import Scope
from lse_dagster.sandbox.langsmith.store import Store


def run_stats(store: Store, scope: Scope) -> dict[str, Any]:
    """The count that an archive is compared with, and the numbers that are cheap to have beside it."""
    row = store.row(
        "SELECT COUNT(*), MAX(r.start_us), AVG(r.error IS NOT NULL), AVG(r.status = 'pending')"
        f" FROM runs r WHERE {scope.sql}",
        scope.parameters,
    )
    count, last_start, error_rate, streaming_rate = row or (0, None, None, None)
    return {
        "run_count": count,
        "latency_p50": _percentile(store, scope, 0.50),
        "latency_p99": _percentile(store, scope, 0.99),
        "first_token_p50": None,
        "first_token_p99": None,
        "total_tokens": None,
        "prompt_tokens": None,
        "completion_tokens": None,
        "median_tokens": None,
        "last_run_start_time": times.v1_time(last_start),
        "feedback_stats": {},
        "run_facets": [],
        "error_rate": error_rate,
        "streaming_rate": streaming_rate,
        "total_cost": None,
        "prompt_cost": None,
        "completion_cost": None,
        "cost_p50": None,
        "cost_p99": None,
    }


def _percentile(store: Store, scope: Scope, share: float) -> float | None:
    condition = f"{scope.sql} AND r.latency IS NOT NULL"
    (count,) = store.row(f"SELECT COUNT(*) FROM runs r WHERE {condition}", scope.parameters) or (0,)
    found = store.row(
        f"SELECT r.latency FROM runs r WHERE {condition} ORDER BY r.latency LIMIT 1 OFFSET ?",
        [*scope.parameters, int(share * (count - 1)) if count else 0],
    )
    return found[0] if found else None
