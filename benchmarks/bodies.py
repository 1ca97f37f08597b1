"""The bodies that a synthetic day shares: everything of a run but its identity and its times.

A few hundred distinct ones are rendered once. Their sizes follow a long tail (log-normal, mean 20 KB, the
largest about 300 KB), and their text holds quotes, line breaks and letters beyond ASCII, as real runs do.
"""

import random
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import msgspec

MEAN_BYTES: Final = 20_000
_DISTINCT = 256
_SIGMA = 1.2
_SMALLEST = 1_500
_TEXT = """the agent reads a document and answers with sources while another tool searches for an older
version of this record; retrieval score token context window prompt completion latency — naïve café
Größe 東京 данные said: "yes", "no"

- item
- point
  def main():
      return {"value": 0.125}
see https://example.com/a?b=c """
_WORDS = _TEXT.split(" ")
_EVENT_TIME = "2025-08-29T12:00:00.250Z"


@dataclass(frozen=True)
class Body:
    """One body as both APIs write it: each piece closes the run that an identity opened."""

    v2: bytes
    v1: bytes
    seconds: float
    """How long the run took."""


def make_bodies(rng: random.Random) -> list[Body]:
    """All distinct bodies, in random order."""
    bodies = [_body(rng, size) for size in _sizes()]
    rng.shuffle(bodies)
    return bodies


def _sizes() -> list[int]:
    """The quantiles of a log-normal distribution, scaled to the mean."""
    normal = NormalDist(0, _SIGMA)
    quantiles = [2.718281828 ** normal.inv_cdf((number + 0.5) / _DISTINCT) for number in range(_DISTINCT)]
    scale = MEAN_BYTES * _DISTINCT / sum(quantiles)
    return [max(_SMALLEST, int(quantile * scale)) for quantile in quantiles]


def _body(rng: random.Random, size: int) -> Body:
    run_type = rng.choice(("llm", "llm", "chain", "tool"))
    shared = _shared(rng, run_type, max(0, size - _SMALLEST))
    seconds = round(rng.uniform(0.05, 9.0), 3)
    return Body(v2=_piece(_v2(shared, run_type, seconds)), v1=_piece(_v1(shared, run_type)), seconds=seconds)


def _piece(fields: dict[str, Any]) -> bytes:
    return b"," + msgspec.json.encode(fields)[1:]


def _shared(rng: random.Random, run_type: str, size: int) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [
        {"role": role, "content": _text(rng, size // 8), "additional_kwargs": {}}
        for role in ("system", "user", "assistant", "tool", "user")
    ]
    answer = {"type": "ai", "content": _text(rng, size * 3 // 8), "tool_calls": [], "usage": {"tokens": 1375}}
    return {
        "name": {"llm": "ChatOpenAI", "chain": "RunnableSequence", "tool": "search"}[run_type],
        "inputs": {"messages": [messages]},
        "outputs": {"generations": [[{"text": "", "message": answer}]], "llm_output": None},
        "extra": {
            "metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4.1", "revision_id": "b419df8"},
            "runtime": {"sdk": "langsmith-py", "sdk_version": "0.15.0", "platform": "Linux-x86_64"},
            "invocation_params": {"model": "gpt-4.1", "temperature": 0.2, "stream": True},
        },
        "error": None,
        "events": [{"name": "start", "time": _EVENT_TIME}, {"name": "end", "time": _EVENT_TIME}],
        "tags": ["production", "seq:step:2"],
        "total_tokens": 1375,
        "prompt_tokens": 1204,
        "completion_tokens": 171,
        "total_cost": 0.003776,
        "prompt_cost": 0.002408,
        "completion_cost": 0.001368,
    }


def _text(rng: random.Random, size: int) -> str:
    return " ".join(rng.choices(_WORDS, k=size // 7))


def _v2(shared: dict[str, Any], run_type: str, seconds: float) -> dict[str, Any]:
    nothing = (
        "first_token_time", "error_preview", "manifest", "thread_id", "reference_example_id",
        "reference_dataset_id", "price_model_id", "thread_evaluation_time", "last_queued_at",
    )  # fmt: skip
    return {
        **shared,
        "run_type": run_type.upper(),
        "status": "SUCCESS",
        "latency_seconds": seconds,
        "metadata": shared["extra"]["metadata"],
        "inputs_preview": "the agent reads a document",
        "outputs_preview": "and answers with sources",
        "prompt_token_details": {"raw": {"cache_read": 0}},
        "completion_token_details": {"raw": {"reasoning": 0}},
        "prompt_cost_details": {"raw": {"cache_read": 0.0}},
        "completion_cost_details": {"raw": {"reasoning": 0.0}},
        "attachments": {},
        "is_in_dataset": False,
        "feedback_stats": {},
        **dict.fromkeys(nothing),
    }


def _v1(shared: dict[str, Any], run_type: str) -> dict[str, Any]:
    nothing = (
        "inputs_preview", "outputs_preview", "serialized", "manifest_id", "manifest_s3_id", "inputs_s3_urls",
        "outputs_s3_urls", "s3_urls", "trace_min_start_time", "trace_max_start_time", "child_run_ids",
        "direct_child_run_ids", "feedback_stats", "reference_example_id", "price_model_id",
        "first_token_time", "messages", "last_queued_at", "share_token", "reference_dataset_id", "thread_id",
        "trace_first_received_at",
    )  # fmt: skip
    return {
        **shared,
        "run_type": run_type,
        "status": "success",
        "execution_order": 1,
        "prompt_token_details": {"cache_read": 0},
        "completion_token_details": {"reasoning": 0},
        "prompt_cost_details": {"cache_read": 0.0},
        "completion_cost_details": {"reasoning": 0.0},
        "in_dataset": False,
        "trace_tier": "shortlived",
        "ttl_seconds": 1_209_600,
        "trace_upgrade": False,
        **dict.fromkeys(nothing),
    }
