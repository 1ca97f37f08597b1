"""Runs in the words of the v1 API: lower case, naive UTC times, the 55 keys of a real answer."""

from collections.abc import Callable, Set
from typing import Any

from lse_dagster.sandbox.langsmith import times
from lse_dagster.sandbox.langsmith.blobs import ATTACHMENT
from lse_dagster.sandbox.langsmith.queries.view import RunView

_TTL_SECONDS = 14 * 24 * 3600

Field = Callable[[RunView, int | None], Any]


def _offloaded(view: RunView, key: str, limit: int | None) -> bool:
    value = view.sent(key)
    return limit is not None and value is not None and len(bytes(value)) > limit


def _field_or_null(key: str) -> Field:
    return lambda view, limit: None if _offloaded(view, key, limit) else view.sent(key)


def _field_urls(key: str) -> Field:
    def urls(view: RunView, limit: int | None) -> Any:
        if not _offloaded(view, key, limit):
            return None
        return {"ROOT": {"presigned_url": view.presigned("field", key), "s3_url": "ttl_s"}}

    return urls


def _attachment_urls(view: RunView, limit: int | None) -> Any:
    if not view.attachments:
        return None
    return {
        f"attachment.{name}": {
            "presigned_url": view.presigned(ATTACHMENT, name),
            "s3_url": f"ttl_s/attachments/{view.run.id}/{name}",
            "mime_type": mime_type,
        }
        for name, mime_type in view.attachments
    }


def _sent(key: str) -> Field:
    return lambda view, limit: view.sent(key)


def _usage(key: str) -> Field:
    return lambda view, limit: view.usage.get(key)


def _nothing(view: RunView, limit: int | None) -> Any:
    return None


FIELDS: dict[str, Field] = {
    "name": _sent("name"),
    "inputs": _field_or_null("inputs"),
    "inputs_preview": _nothing,
    "run_type": lambda view, _: view.run.run_type,
    "start_time": lambda view, _: times.v1_time(view.run.start_us),
    "end_time": lambda view, _: times.v1_time(view.run.end_us),
    "extra": _sent("extra"),
    "error": _sent("error"),
    "execution_order": lambda view, _: 1,
    "serialized": _sent("serialized"),
    "outputs": _field_or_null("outputs"),
    "outputs_preview": _nothing,
    "parent_run_id": lambda view, _: view.run.parent_id,
    "manifest_id": _nothing,
    "manifest_s3_id": _nothing,
    "events": lambda view, _: view.sent("events") or [],
    "tags": lambda view, _: view.sent("tags") or [],
    "inputs_s3_urls": _field_urls("inputs"),
    "outputs_s3_urls": _field_urls("outputs"),
    "s3_urls": _attachment_urls,
    "trace_id": lambda view, _: view.run.trace_id,
    "dotted_order": lambda view, _: view.run.dotted_order,
    "trace_min_start_time": _nothing,
    "trace_max_start_time": _nothing,
    "id": lambda view, _: view.run.id,
    "status": lambda view, _: view.run.status,
    "child_run_ids": _nothing,
    "direct_child_run_ids": _nothing,
    "parent_run_ids": lambda view, _: view.parent_run_ids,
    "feedback_stats": lambda view, _: view.feedback,
    "reference_example_id": _sent("reference_example_id"),
    "total_tokens": lambda view, _: view.tokens("total_tokens"),
    "prompt_tokens": lambda view, _: view.tokens("input_tokens"),
    "completion_tokens": lambda view, _: view.tokens("output_tokens"),
    "prompt_token_details": _usage("input_token_details"),
    "completion_token_details": _usage("output_token_details"),
    "total_cost": _usage("total_cost"),
    "prompt_cost": _usage("input_cost"),
    "completion_cost": _usage("output_cost"),
    "prompt_cost_details": _usage("input_cost_details"),
    "completion_cost_details": _usage("output_cost_details"),
    "price_model_id": _nothing,
    "first_token_time": lambda view, _: times.v1_time(view.first_token_us),
    "messages": _nothing,
    "session_id": lambda view, _: view.run.project_id,
    "app_path": lambda view, _: view.app_path,
    "last_queued_at": _nothing,
    "in_dataset": lambda view, _: False,
    "share_token": _nothing,
    "trace_tier": lambda view, _: "shortlived",
    "trace_first_received_at": lambda view, _: times.v1_time(view.run.received_us),
    "ttl_seconds": lambda view, _: _TTL_SECONDS,
    "trace_upgrade": lambda view, _: False,
    "reference_dataset_id": _nothing,
    "thread_id": lambda view, _: view.thread_id,
}
"""Every key of a run as `GET /runs/{id}` answers it, in its order."""

_NOT_SELECTABLE = {
    "execution_order", "trace_min_start_time", "trace_max_start_time", "direct_child_run_ids",
}  # fmt: skip
_ALWAYS = {
    "id", "name", "run_type", "status", "trace_id", "dotted_order", "session_id", "app_path",
    "execution_order",
}  # fmt: skip
"""What RunSchema requires, and `execution_order`, whose default is 1: there whatever was selected."""

_SELECTABLE_ELSEWHERE = {
    "inputs_or_signed_url", "outputs_or_signed_url", "error_or_signed_url", "events_or_signed_url",
    "extra_or_signed_url", "serialized_or_signed_url", "manifest", "trace_min_max_start_time", "inserted_at",
}  # fmt: skip
SELECTABLE = (set(FIELDS) - _NOT_SELECTABLE) | _SELECTABLE_ELSEWHERE
"""The values of `select`, from LangSmith's public OpenAPI description (RunSelect, 2026)."""

DEFAULT_SELECT = set(FIELDS) - {
    "s3_urls", "inputs_s3_urls", "outputs_s3_urls", "thread_id", "trace_tier", "ttl_seconds", "trace_upgrade",
    "trace_first_received_at", "reference_dataset_id",
}  # fmt: skip
"""What a query without `select` answers: it silently lacks what makes a run complete."""


def render(view: RunView, selected: Set[str], *, offload_bytes: int | None) -> dict[str, Any]:
    """The run with these fields. A field that was not selected is null, as if the run had none."""
    wanted = selected | _ALWAYS
    return {key: field(view, offload_bytes) if key in wanted else None for key, field in FIELDS.items()}
