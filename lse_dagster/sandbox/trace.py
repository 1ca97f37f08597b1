"""Writes conversations as traces, through the real langsmith SDK and at times of our choosing.

One root run per conversation, below it one run per turn of the customer, below that one llm run per message
of the agent and one tool run per tool call. Ids follow from project, date and position, so tracing the same
conversations again changes nothing.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lse_dagster.sandbox.conversations import Conversation, Message

if TYPE_CHECKING:
    from langsmith import Client
    from langsmith.run_trees import RunTree
    from langsmith.schemas import Attachments

_DAY = timedelta(days=1)
_STEP = timedelta(milliseconds=1_300, microseconds=217)
_ATTACHMENT_EVERY = 10
_FEEDBACK_EVERY = 5
_MODEL = "sandbox-chat-1"
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class TracedDay:
    """What was written for one date."""

    traces: int
    runs: int
    attachments: int
    feedback: int


def trace_conversations(
    client: "Client",
    project: str,
    day: date,
    conversations: Sequence[Conversation],
    *,
    across_midnight: bool = False,
) -> TracedDay:
    """Trace the conversations, spread over the UTC date, and wait until they are sent.

    The first begins at midnight exactly, the last ends before the next midnight; with `across_midnight`
    the last one begins just before it and ends in the next date.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    latest = _DAY - max((_duration(conversation) for conversation in conversations), default=_DAY)
    tracer = _Tracer(client, project, day)
    for number, conversation in enumerate(conversations):
        start = midnight + latest * number / max(1, len(conversations))
        if across_midnight and number == len(conversations) - 1:
            start = midnight + _DAY - _STEP * 2
        tracer.trace(number, conversation, start)
    client.flush()
    if tracer.judged:
        tracer.give_feedback()
        client.flush()
    return TracedDay(len(conversations), tracer.runs, tracer.attachments, len(tracer.judged))


@dataclass
class _Tracer:
    """Writes one conversation after the other; counts what it wrote."""

    client: "Client"
    project: str
    day: date
    runs: int = 0
    attachments: int = 0
    judged: list[tuple["RunTree", float]] = field(default_factory=list)
    _now: datetime = _NEVER

    def trace(self, number: int, conversation: Conversation, start: datetime) -> None:
        from langsmith.run_trees import RunTree

        messages = conversation["traj"]
        self._now = start
        transcript = "\n".join(f"{message['role']}: {message['content'] or ''}" for message in messages)
        files: Attachments = {}
        if number % _ATTACHMENT_EVERY == 0:
            files["transcript"] = ("text/plain", transcript.encode())
        root = RunTree(
            id=self._next_id(),
            name="Airline agent",
            run_type="chain",
            inputs={"task_id": conversation["task_id"], "trial": conversation["trial"]},
            start_time=start,
            project_name=self.project,
            ls_client=self.client,
            tags=["sandbox", f"trial-{conversation['trial']}"],
            extra={"metadata": {"thread_id": str(self._uuid(start, "thread", number))}},
            attachments=files,
        )
        self.attachments += len(files)
        root.post()
        for begin, end in _turns(messages):
            self._turn(root, messages, begin, end)
        self._end(root, {"messages": len(messages), "reward": conversation["reward"]})
        if number % _FEEDBACK_EVERY == 0:
            self.judged.append((root, conversation["reward"]))

    def _turn(self, root: "RunTree", messages: Sequence[Message], begin: int, end: int) -> None:
        turn = self._begin(root, "turn", "chain", {"message": messages[begin]["content"]})
        results = {message.get("tool_call_id"): message for message in messages[begin:end]}
        for position in range(begin, end):
            message = messages[position]
            if message["role"] != "assistant":
                continue
            llm = self._begin(turn, "chat model", "llm", {"messages": list(messages[:position])})
            self._end(llm, {"choices": [{"message": message}], "usage_metadata": _usage(messages, position)})
            for call in message.get("tool_calls") or ():
                self._tool(turn, call, results.get(call["id"]))
        self._end(turn, {"messages": list(messages[begin + 1 : end])})

    def _tool(self, turn: "RunTree", call: dict[str, Any], result: Message | None) -> None:
        function = call["function"]
        tool = self._begin(turn, function["name"], "tool", {"arguments": json.loads(function["arguments"])})
        content = (result["content"] if result else None) or ""
        failed = content.startswith(("Error", '{"error"'))
        self._end(tool, {"output": content}, error=content[:200] if failed else None)

    def _begin(self, parent: "RunTree", name: str, run_type: Any, inputs: dict[str, Any]) -> "RunTree":
        self._now += _STEP / 2
        metadata = {"ls_provider": "sandbox", "ls_model_name": _MODEL} if run_type == "llm" else {}
        child = parent.create_child(
            name=name,
            run_type=run_type,
            run_id=self._next_id(),
            inputs=inputs,
            start_time=self._now,
            extra={"metadata": metadata},
        )
        child.post()
        return child

    def _end(self, run: "RunTree", outputs: dict[str, Any], *, error: str | None = None) -> None:
        self._now += _STEP / 2
        run.end(outputs=outputs, error=error, end_time=self._now)
        run.patch()

    def give_feedback(self) -> None:
        """Send the feedback; the project has its id only since the first run arrived."""
        session_id = self.client.read_project(project_name=self.project).id
        for run, score in self.judged:
            self.client.create_feedback(
                key="resolved",
                score=score,
                comment="Checked by hand." if score else "The customer was handed over.",
                run_id=run.id,
                trace_id=run.trace_id,
                session_id=session_id,
                feedback_id=self._uuid(run.start_time, "feedback", run.id),
            )

    def _next_id(self) -> uuid.UUID:
        self.runs += 1
        return self._uuid(self._now, "run", self.runs)

    def _uuid(self, moment: datetime, *parts: object) -> uuid.UUID:
        """A UUID v7 whose random bits follow from project, date and position."""
        text = "/".join(map(str, (self.project, self.day, *parts)))
        value = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
        milliseconds = int(moment.timestamp() * 1000)
        value = (milliseconds << 80) | (value & ((1 << 80) - 1))
        value = (value & ~(0xF << 76)) | (7 << 76)
        value = (value & ~(0b11 << 62)) | (0b10 << 62)
        return uuid.UUID(int=value)


def _turns(messages: Sequence[Message]) -> Iterator[tuple[int, int]]:
    """Where each turn begins (a user message) and ends (before the next one)."""
    begins = [position for position, message in enumerate(messages) if message["role"] == "user"]
    return pairwise([*begins, len(messages)])


def _duration(conversation: Conversation) -> timedelta:
    """More than the conversation takes: every message and tool call is at most one step, every turn one."""
    return _STEP * (2 * len(conversation["traj"]) + 2)


def _usage(messages: Sequence[Message], position: int) -> dict[str, Any]:
    read = sum(len(message["content"] or "") for message in messages[:position]) // 4
    written = len(json.dumps(messages[position])) // 4
    return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
