"""A stored run seen through the eyes of the query APIs: what both of them derive from its body."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec

from lse_dagster.sandbox.langsmith import times
from lse_dagster.sandbox.langsmith.blobs import ATTACHMENT, Presigner
from lse_dagster.sandbox.langsmith.queries.page import StoredRun
from lse_dagster.sandbox.langsmith.run import is_null
from lse_dagster.sandbox.langsmith.store import Store
from lse_dagster.sandbox.langsmith.tracing.feedback import feedback_stats

_PREVIEW_BYTES = 200
_THREAD_KEYS = ("session_id", "thread_id", "conversation_id")

Pieces = dict[str, msgspec.Raw]


class RunView:
    """One run, its feedback statistics and its attachments, and where its files can be fetched."""

    def __init__(
        self,
        run: StoredRun,
        *,
        feedback: dict[str, Any] | None,
        attachments: list[tuple[str, str]],
        presigner: Presigner,
        base_url: str,
        tenant_id: str,
        withheld: Sequence[str],
    ) -> None:
        self.run = run
        self.feedback = feedback
        self.attachments = attachments
        self.app_path = (
            f"/o/{tenant_id}/projects/p/{run.project_id}/r/{run.id}"
            f"?trace_id={run.trace_id}&start_time={times.v1_time(run.start_us)}"
        )
        self._withheld = withheld
        self._presigner = presigner
        self._base_url = base_url

    def sent(self, key: str) -> msgspec.Raw | None:
        """The bytes of a field as its client sent them; None if it is missing, null or withheld."""
        if key in self._withheld:
            return None
        value = self.run.document.get(key)
        return None if value is None or is_null(value) else value

    def presigned(self, kind: str, name: str) -> str:
        """A URL for one of the run's attachments or fields."""
        return self._presigner.url(self._base_url, kind, self.run.id, name)

    @property
    def attachment_urls(self) -> dict[str, str]:
        """A presigned URL per attachment."""
        return {name: self.presigned(ATTACHMENT, name) for name, _ in self.attachments}

    @property
    def parent_run_ids(self) -> list[str]:
        """The ancestors, from the root down to the parent."""
        if self.run.parent_id is None:
            return []
        return [*(segment[-36:] for segment in self.run.dotted_order.split(".")[:-2]), self.run.parent_id]

    def preview(self, key: str) -> str | None:
        """The beginning of a field as text."""
        value = self.sent(key)
        return None if value is None else bytes(value)[:_PREVIEW_BYTES].decode("utf-8", "ignore")

    @cached_property
    def metadata(self) -> Pieces:
        """`extra.metadata`."""
        extra = self.sent("extra")
        return pieces(pieces(extra).get("metadata"))

    @property
    def thread_id(self) -> str | None:
        """The conversation the run belongs to, by the keys that LangSmith looks at."""
        for key in _THREAD_KEYS:
            if key in self.metadata and (found := _text(self.metadata[key])):
                return found
        return None

    @cached_property
    def usage(self) -> Pieces:
        """Token counts and costs, where the SDK puts them: in the outputs, or in the metadata."""
        own = pieces(self.sent("outputs")).get("usage_metadata", self.metadata.get("usage_metadata"))
        return pieces(own)

    def tokens(self, key: str) -> int | msgspec.Raw:
        """A token count; 0 if the run has none."""
        return self.usage.get(key, 0)

    @cached_property
    def events(self) -> list[Pieces]:
        """The run's events."""
        sent = self.sent("events")
        return [] if sent is None else msgspec.json.decode(sent, type=list[Pieces])

    @property
    def first_token_us(self) -> int | None:
        """When the first token came, for streamed runs."""
        for event in self.events:
            if "time" in event and "name" in event and _text(event["name"]) == "new_token":
                return times.microseconds_in(event["time"])
        return None


def view_runs(
    store: Store,
    runs: list[StoredRun],
    *,
    presigner: Presigner,
    base_url: str,
    tenant_id: str,
    numbers_by_project: bool = False,
    withheld: Sequence[str] = (),
) -> list[RunView]:
    """Views of a page of runs, with two more queries for the whole page."""
    ids = [run.id for run in runs]
    feedback = feedback_stats(store, ids, by_project=numbers_by_project)
    attachments: dict[str, list[tuple[str, str]]] = {}
    for run_id, name, mime_type in store.rows(
        f"SELECT run_id, name, mime_type FROM attachments WHERE run_id IN ({', '.join('?' * len(ids))})"
        " ORDER BY name",
        ids,
    ):
        attachments.setdefault(run_id, []).append((name, mime_type))
    return [
        RunView(
            run,
            feedback=feedback.get(run.id),
            attachments=attachments.get(run.id, []) if "attachments" not in withheld else [],
            presigner=presigner,
            base_url=base_url,
            tenant_id=tenant_id,
            withheld=withheld,
        )
        for run in runs
    ]


def pieces(value: msgspec.Raw | None) -> Pieces:
    """The values of a JSON object, unparsed; empty if it is anything else."""
    if value is None or bytes(memoryview(value)[:1]) != b"{":
        return {}
    return msgspec.json.decode(value, type=Pieces)


def _text(value: msgspec.Raw) -> str | None:
    decoded = msgspec.json.decode(value)
    return decoded if isinstance(decoded, str) else None
