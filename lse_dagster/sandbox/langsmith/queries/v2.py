"""Runs in the words of the v2 API: upper case, RFC 3339 times in milliseconds, only what was selected."""

from collections.abc import Callable, Iterable
from typing import Any

from lse_dagster.sandbox.langsmith import times
from lse_dagster.sandbox.langsmith.queries.view import Pieces, RunView

Field = Callable[[RunView], Any]


def _sent(key: str) -> Field:
    return lambda view: view.sent(key)


def _usage(key: str) -> Field:
    return lambda view: view.usage.get(key)


def _details(key: str) -> Field:
    return lambda view: {"raw": view.usage[key]} if key in view.usage else None


def _nothing(view: RunView) -> Any:
    return None


def _latency(view: RunView) -> float | None:
    end = view.run.end_us
    return None if end is None else (end - view.run.start_us) / 1_000_000


def _events(view: RunView) -> list[dict[str, Any]]:
    return [_event(event) for event in view.events]


def _event(event: Pieces) -> dict[str, Any]:
    if "time" not in event:
        return dict(event)
    moment = times.microseconds_in(event["time"])
    return {**event, "time": event["time"] if moment is None else times.v2_time(moment)}


FIELDS: dict[str, Field] = {
    "ID": lambda view: view.run.id,
    "NAME": _sent("name"),
    "RUN_TYPE": lambda view: view.run.run_type.upper(),
    "STATUS": lambda view: view.run.status.upper(),
    "START_TIME": lambda view: times.v2_time(view.run.start_us),
    "END_TIME": lambda view: times.v2_time(view.run.end_us),
    "LATENCY_SECONDS": _latency,
    "FIRST_TOKEN_TIME": lambda view: times.v2_time(view.first_token_us),
    "ERROR": _sent("error"),
    "ERROR_PREVIEW": lambda view: view.preview("error"),
    "EXTRA": _sent("extra"),
    "METADATA": lambda view: view.metadata,
    "EVENTS": _events,
    "INPUTS": _sent("inputs"),
    "INPUTS_PREVIEW": lambda view: view.preview("inputs"),
    "OUTPUTS": _sent("outputs"),
    "OUTPUTS_PREVIEW": lambda view: view.preview("outputs"),
    "MANIFEST": _sent("serialized"),
    "PARENT_RUN_IDS": lambda view: view.parent_run_ids,
    "PROJECT_ID": lambda view: view.run.project_id,
    "TRACE_ID": lambda view: view.run.trace_id,
    "THREAD_ID": lambda view: view.thread_id,
    "DOTTED_ORDER": lambda view: view.run.dotted_order,
    "IS_ROOT": lambda view: view.run.parent_id is None,
    "REFERENCE_EXAMPLE_ID": _sent("reference_example_id"),
    "REFERENCE_DATASET_ID": _nothing,
    "TOTAL_TOKENS": lambda view: view.tokens("total_tokens"),
    "PROMPT_TOKENS": lambda view: view.tokens("input_tokens"),
    "COMPLETION_TOKENS": lambda view: view.tokens("output_tokens"),
    "TOTAL_COST": _usage("total_cost"),
    "PROMPT_COST": _usage("input_cost"),
    "COMPLETION_COST": _usage("output_cost"),
    "PROMPT_TOKEN_DETAILS": _details("input_token_details"),
    "COMPLETION_TOKEN_DETAILS": _details("output_token_details"),
    "PROMPT_COST_DETAILS": _details("input_cost_details"),
    "COMPLETION_COST_DETAILS": _details("output_cost_details"),
    "PRICE_MODEL_ID": _nothing,
    "TAGS": lambda view: view.sent("tags") or [],
    "APP_PATH": lambda view: view.app_path,
    "ATTACHMENTS": lambda view: view.attachment_urls,
    "THREAD_EVALUATION_TIME": _nothing,
    "IS_IN_DATASET": lambda view: False,
    "LAST_QUEUED_AT": _nothing,
    "SHARE_URL": _nothing,
    "FEEDBACK_STATS": lambda view: view.feedback or {},
    "LS_USER_ID": _nothing,
}
"""The 46 values of `selects` (RunSelectField of langsmith 0.15.0); answers name them in lower case."""

_ABSENT_WHEN_EMPTY = {"SHARE_URL", "LS_USER_ID"}


def render(view: RunView, selected: Iterable[str]) -> dict[str, Any]:
    """The run with exactly these fields."""
    rendered: dict[str, Any] = {}
    for name in selected:
        value = FIELDS[name](view)
        if value is not None or name not in _ABSENT_WHEN_EMPTY:
            rendered[name.lower()] = value
    return rendered
