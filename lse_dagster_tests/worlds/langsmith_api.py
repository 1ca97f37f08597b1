"""Plain HTTP to the sandbox's LangSmith, for what the SDK would never send or would hide."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

import requests

from lse_dagster.sandbox.server import Sandbox


class Window(TypedDict):
    """Bounds of a v2 query."""

    min_start_time: str
    max_start_time: str


NOON = datetime(2025, 8, 29, 12, tzinfo=UTC)
DAY: Window = {"min_start_time": "2025-08-29T00:00:00Z", "max_start_time": "2025-08-30T00:00:00Z"}


class LangSmithApi:
    """The HTTP API with the right key. `project_id` is a fresh project."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = sandbox.langsmith_url
        self.session = requests.Session()
        self.session.headers["x-api-key"] = sandbox.env["LANGSMITH_API_KEY"]
        self.project = f"test-{uuid.uuid4().hex[:12]}"
        self.project_id = self.post("/sessions", {"name": self.project}).json()["id"]

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        return self.session.post(self.url + path, json=body, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url + path, **options)

    def add_run(self, start: datetime = NOON, **fields: Any) -> str:
        """A finished root run, or what `fields` make of it; its id."""
        run_id = str(uuid.uuid4())
        run = {
            "id": run_id,
            "name": "run",
            "run_type": "chain",
            "start_time": start.isoformat(),
            "end_time": (start + timedelta(seconds=1)).isoformat(),
            "session_name": self.project,
            "trace_id": run_id,
            "dotted_order": f"{start:%Y%m%dT%H%M%S%fZ}{run_id}",
            "inputs": {},
            **fields,
        }
        answer = self.post("/runs", run)
        assert answer.status_code == 202, answer.text
        return str(run["id"])

    def add_runs(self, count: int) -> list[str]:
        """Root runs one second apart, oldest first."""
        return [self.add_run(NOON + timedelta(seconds=number)) for number in range(count)]

    def v2(self, **body: Any) -> requests.Response:
        return self.post("/api/v2/runs/query", {"project_ids": [self.project_id], **DAY, **body})

    def v2_ids(self, **body: Any) -> list[str]:
        """The ids of all pages."""
        return [item["id"] for page in self.v2_pages(**body) for item in page]

    def v2_pages(self, **body: Any) -> Iterator[list[dict[str, Any]]]:
        """Every page until one has no cursor."""
        while True:
            answer = self.v2(**body)
            assert answer.status_code == 200, answer.text
            yield answer.json()["items"]
            body["cursor"] = answer.json().get("next_cursor")
            if not body["cursor"]:
                return

    def v1(self, **body: Any) -> requests.Response:
        return self.post("/api/v1/runs/query", {"session": [self.project_id], **body})

    def count(self, **body: Any) -> int:
        answer = self.post("/api/v1/runs/stats", {"session": [self.project_id], **body})
        assert answer.status_code == 200, answer.text
        count: int = answer.json()["run_count"]
        return count
