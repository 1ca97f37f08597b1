"""Which fields of a run are asked of LangSmith, as its SDK names them (langsmith 0.15.0, November 2026).

A field that is added here is asked for and kept as it comes; an interrupted fetch then begins anew.
"""

from typing import Final

FieldNames = tuple[str, ...]

V2_SELECTS: Final[FieldNames] = (
    "ID",
    "NAME",
    "RUN_TYPE",
    "STATUS",
    "START_TIME",
    "END_TIME",
    "LATENCY_SECONDS",
    "FIRST_TOKEN_TIME",
    "ERROR",
    "ERROR_PREVIEW",
    "EXTRA",
    "METADATA",
    "EVENTS",
    "INPUTS",
    "INPUTS_PREVIEW",
    "OUTPUTS",
    "OUTPUTS_PREVIEW",
    "MANIFEST",
    "PARENT_RUN_IDS",
    "PROJECT_ID",
    "TRACE_ID",
    "THREAD_ID",
    "DOTTED_ORDER",
    "IS_ROOT",
    "REFERENCE_EXAMPLE_ID",
    "REFERENCE_DATASET_ID",
    "TOTAL_TOKENS",
    "PROMPT_TOKENS",
    "COMPLETION_TOKENS",
    "TOTAL_COST",
    "PROMPT_COST",
    "COMPLETION_COST",
    "PROMPT_TOKEN_DETAILS",
    "COMPLETION_TOKEN_DETAILS",
    "PROMPT_COST_DETAILS",
    "COMPLETION_COST_DETAILS",
    "PRICE_MODEL_ID",
    "TAGS",
    "APP_PATH",
    "ATTACHMENTS",
    "THREAD_EVALUATION_TIME",
    "IS_IN_DATASET",
    "LAST_QUEUED_AT",
    "SHARE_URL",
    "FEEDBACK_STATS",
    "LS_USER_ID",
)
"""Every field of a v2 run: what is not named is not sent, and an omitted list sends only ids."""

V1_SELECT: Final[FieldNames] = (
    "id",
    "name",
    "run_type",
    "start_time",
    "end_time",
    "status",
    "error",
    "extra",
    "events",
    "inputs",
    "inputs_preview",
    "inputs_s3_urls",
    "outputs",
    "outputs_preview",
    "outputs_s3_urls",
    "s3_urls",
    "parent_run_id",
    "parent_run_ids",
    "child_run_ids",
    "trace_id",
    "thread_id",
    "dotted_order",
    "session_id",
    "serialized",
    "manifest_id",
    "manifest_s3_id",
    "tags",
    "app_path",
    "feedback_stats",
    "reference_example_id",
    "reference_dataset_id",
    "in_dataset",
    "share_token",
    "last_queued_at",
    "first_token_time",
    "total_tokens",
    "prompt_tokens",
    "completion_tokens",
    "prompt_token_details",
    "completion_token_details",
    "total_cost",
    "prompt_cost",
    "completion_cost",
    "prompt_cost_details",
    "completion_cost_details",
    "price_model_id",
    "messages",
    "trace_tier",
    "trace_first_received_at",
    "trace_upgrade",
    "ttl_seconds",
)
"""Every field of a v1 run that can be selected; the default leaves out the s3_urls and more."""

V2_ID: Final[FieldNames] = ("ID",)
V1_ID: Final[FieldNames] = ("id",)
"""Of a scan for what is missing."""

V2_FEEDBACK: Final[FieldNames] = ("ID", "FEEDBACK_STATS")
V1_FEEDBACK: Final[FieldNames] = ("id", "feedback_stats")
"""Where fewer feedback records came than a run says that it has."""

V2_OUTLINE: Final[FieldNames] = ("ID", "STATUS", "END_TIME", "FEEDBACK_STATS")
"""Of an archived day that is compared with LangSmith again."""
