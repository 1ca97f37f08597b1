"""A project on the sandbox's LangSmith, and a transport to it that never really waits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest
from langsmith import Client

from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.limiter import PUBLISHED_RATES, RateLimiters
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.fetch.attachments import AttachmentDownloads
from lse_dagster_tests.langsmith.odd_server import OddServer, running_odd_server
from lse_dagster_tests.steps.fetch.archived import Archive
from lse_dagster_tests.worlds.attached_runs import Source
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi


@dataclass(frozen=True)
class TracedRun:
    """A run that the sandbox holds."""

    id: str
    trace_id: str
    dotted_order: str


class TracedProject:
    """A fresh project and the runs traced into it."""

    def __init__(self, api: LangSmithApi) -> None:
        self.api = api
        self.name = api.project
        self.id = api.project_id

    def root(self, start: datetime, **fields: object) -> TracedRun:
        run_id = self.api.add_run(start, **fields)
        return TracedRun(run_id, run_id, f"{start:%Y%m%dT%H%M%S%fZ}{run_id}")

    def child(self, parent: TracedRun, start: datetime, **fields: object) -> TracedRun:
        """A run below another one, which need not exist."""
        run_id = str(uuid4())
        dotted_order = f"{parent.dotted_order}.{start:%Y%m%dT%H%M%S%fZ}{run_id}"
        identity = {
            "id": run_id,
            "trace_id": parent.trace_id,
            "parent_run_id": parent.id,
            "dotted_order": dotted_order,
        }
        self.api.add_run(start, **(identity | fields))
        return TracedRun(run_id, parent.trace_id, dotted_order)


@dataclass
class Waits:
    """Stands in for the clock: remembers how long the transport wanted to wait, and moves on by it."""

    seconds: list[float] = field(default_factory=list)
    now: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
def project(sandbox: Sandbox, langsmith_sandbox: ControlClient) -> TracedProject:
    """A fresh project on a well-behaved LangSmith."""
    return TracedProject(LangSmithApi(sandbox))


@pytest.fixture
def waits() -> Waits:
    """What the transport of this test has waited."""
    return Waits()


@pytest.fixture
def connect(sandbox: Sandbox, waits: Waits) -> Iterator[Callable[..., Transport]]:
    """Make a transport to the sandbox; settings can be given by name."""
    opened: list[Transport] = []

    def make(**settings: object) -> Transport:
        known = {"api_key": sandbox.env["LANGSMITH_API_KEY"], "endpoint": sandbox.langsmith_url}
        transport = Transport(
            LangSmithSettings(**(known | settings)),  # type: ignore[arg-type]
            sleep=waits.sleep,
            jitter=lambda: 1.0,
            limiters=RateLimiters(PUBLISHED_RATES["none"], clock=waits.clock),
        )
        opened.append(transport)
        return transport

    yield make
    for transport in opened:
        transport.__exit__()


@pytest.fixture
def transport(connect: Callable[..., Transport]) -> Transport:
    """A transport to the sandbox."""
    return connect()


@pytest.fixture
def archive(transport: Transport, project: TracedProject, tmp_path: Path) -> Archive:
    """Where its days are archived."""
    return Archive(transport, project.name, tmp_path / "data")


@pytest.fixture
def source(project: TracedProject, langsmith_client: Client) -> Source:
    return Source(project, langsmith_client)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "day"
    made.mkdir()
    return made


@pytest.fixture
def downloads(folder: Path, sandbox: Sandbox, waits: Waits) -> Iterator[Callable[..., AttachmentDownloads]]:
    """Make the downloads of a test; settings can be given by name."""
    made: list[AttachmentDownloads] = []

    def make(to: Path = folder, **settings: object) -> AttachmentDownloads:
        known: dict[str, object] = {"sleep": waits.seconds.append, "jitter": lambda: 1.0, "patience": 20.0}
        made.append(AttachmentDownloads(to, sandbox.langsmith_url, **(known | settings)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.__exit__()


@pytest.fixture
def odd() -> Iterator[OddServer]:
    """A server that is not LangSmith."""
    with running_odd_server() as server:
        yield server
