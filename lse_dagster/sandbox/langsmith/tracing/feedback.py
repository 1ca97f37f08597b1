"""Feedback: the records, and the statistics that runs carry about them."""

import statistics
from collections.abc import Sequence
from typing import Any

import msgspec

from lse_dagster.sandbox.langsmith.run import Document, is_null
from lse_dagster.sandbox.langsmith.store import Store

_FIELDS = (
    "id", "created_at", "modified_at", "start_time", "run_id", "trace_id", "session_id", "key", "score",
    "value", "comment", "correction", "feedback_source", "feedback_group_id", "comparative_experiment_id",
    "extra",
)  # fmt: skip
_SAMPLE = 10


def list_feedback(
    store: Store,
    run_ids: Sequence[str],
    keys: Sequence[str],
    *,
    limit: int,
    offset: int,
    shuffled: bool = False,
) -> list[dict[str, Any]]:
    """Records of these runs (all runs if none is named), newest first, or in another order each time."""
    conditions, parameters = ["1"], list[Any]()
    for column, values in (("run_id", run_ids), ("key", keys)):
        if values:
            conditions.append(f"{column} IN ({', '.join('?' * len(values))})")
            parameters += values
    order = "random()" if shuffled else "created_us DESC, id"
    rows = store.rows(
        f"SELECT id, run_id, trace_id, project_id, doc FROM feedback WHERE {' AND '.join(conditions)}"
        f" ORDER BY {order} LIMIT ? OFFSET ?",
        [*parameters, limit, offset],
    )
    return [_rendered(row) for row in rows]


def read_feedback(store: Store, feedback_id: str) -> dict[str, Any] | None:
    """One record."""
    row = store.row("SELECT id, run_id, trace_id, project_id, doc FROM feedback WHERE id = ?", [feedback_id])
    return _rendered(row) if row else None


def feedback_stats(
    store: Store, run_ids: Sequence[str], *, by_project: bool = False
) -> dict[str, dict[str, Any]]:
    """Per run, per key: how many, their average and spread, and a sample of the comments.

    `by_project`: only of the records that name the project of their run.
    """
    own = " AND project_id = (SELECT project_id FROM runs WHERE runs.id = run_id)" if by_project else ""
    rows = store.rows(
        f"SELECT run_id, key, doc FROM feedback WHERE run_id IN ({', '.join('?' * len(run_ids))}){own}"
        " ORDER BY created_us, id",
        run_ids,
    )
    grouped: dict[tuple[str, str], list[_Scored]] = {}
    for run_id, key, document in rows:
        grouped.setdefault((run_id, key), []).append(msgspec.json.decode(document, type=_Scored))
    by_run: dict[str, dict[str, Any]] = {}
    for (run_id, key), records in grouped.items():
        by_run.setdefault(run_id, {})[key] = _stats(records)
    return by_run


class _Scored(msgspec.Struct):
    score: float | bool | None = None
    value: Any = None
    comment: str | None = None
    feedback_source: Any = None


def _stats(records: Sequence[_Scored]) -> dict[str, Any]:
    scores = [float(record.score) for record in records if record.score is not None]
    values: dict[str, int] = {}
    for record in records:
        if isinstance(record.value, str):
            values[record.value] = values.get(record.value, 0) + 1
    sources = [record.feedback_source for record in records if record.feedback_source is not None]
    return {
        "n": len(records),
        "avg": statistics.fmean(scores) if scores else None,
        "min": min(scores, default=None),
        "max": max(scores, default=None),
        "stdev": statistics.stdev(scores) if len(scores) > 1 else None,
        "errors": 0,
        "values": values,
        "comments": [record.comment for record in records if record.comment][:_SAMPLE],
        "sources": sources[:_SAMPLE],
        "contains_thread_feedback": False,
    }


def _rendered(row: tuple[Any, ...]) -> dict[str, Any]:
    feedback_id, run_id, trace_id, project_id, encoded = row
    document = msgspec.json.decode(encoded, type=Document)
    known = {"id": feedback_id, "run_id": run_id, "trace_id": trace_id, "session_id": project_id}
    filled = {key: value for key, value in document.items() if key not in known and not is_null(value)}
    return {key: known.get(key, filled.get(key)) for key in _FIELDS}
