"""What the benchmark and its server tell each other, and the client for it."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec


class Start(msgspec.Struct):
    """Begin a measurement: counters at zero, every answer delayed."""

    latency_ms: int = 0
    limited: bool = False
    """Refuse what is over the limits of LangSmith Cloud (US)."""
    v2: bool = True
    """Whether the server has the v2 API."""


class Counters(msgspec.Struct):
    """What the server saw since the start. `queries` are requests for a page of whole runs, not of ids."""

    requests: int = 0
    queries: int = 0
    largest_page: int = 0
    bytes: int = 0
    connections: set[int] = msgspec.field(default_factory=set)
    """The connections that asked for pages: as many as the client has workers."""
    refused: int = 0
    """Requests over the limit: 429."""
    first_query: float = 0.0
    last_query: float = 0.0
    """When they came, in seconds of one clock."""
    cpu_at_start: float = 0.0
    cpu_seconds: float = 0.0


class DayFacts(msgspec.Struct):
    """One day that the server holds."""

    name: str
    project_id: str
    runs: int
    traces: int
    bytes: int


class ServerControl:
    """Speaks to a running server about the benchmark."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self, latency_ms: int, *, limited: bool = False, v2: bool = True) -> None:
        self._call("start", msgspec.json.encode(Start(latency_ms, limited, v2)))

    def counters(self) -> Counters:
        return msgspec.json.decode(self._call("counters"), type=Counters)

    def days(self) -> list[DayFacts]:
        return msgspec.json.decode(self._call("days"), type=list[DayFacts])

    def ids(self, project: str) -> list[str]:
        return msgspec.json.decode(self._call(f"ids?project={project}"), type=list[str])

    def cursors(self, project: str, page_size: int) -> list[str]:
        """The cursor of every page: no real client can know them."""
        path = f"cursors?project={project}&page_size={page_size}"
        return msgspec.json.decode(self._call(path), type=list[str])

    def _call(self, path: str, body: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"{self.url}/bench/{path}", data=body) as answer:
            content: bytes = answer.read()
            return content


@contextmanager
def running_server(days: Sequence[str]) -> Iterator[ServerControl]:
    """A server in a process of its own, ended with the block."""
    command = [sys.executable, "-m", "benchmarks.langsmith_server", *days]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip() if process.stdout else ""
            if not url:
                raise RuntimeError("the server did not start")
            yield ServerControl(url)
        finally:
            process.terminate()
