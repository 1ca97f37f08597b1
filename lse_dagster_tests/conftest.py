"""The sandbox for every test that talks to LangSmith or Drive: one pair of servers for the session.

With `pytest -n` each process is a session: it has servers, a Dagster instance and folders of its own.
"""

import gc
import os
import shutil
import signal
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg
import hypothesis
import pytest
from langsmith import Client

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox, running_sandbox
from lse_dagster_tests.deploy.postgres import find_postgres
from lse_dagster_tests.worlds.dagster_storage import keep_what_storages_make
from lse_dagster_tests.worlds.day_archive import DayArchive
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi
from lse_dagster_tests.worlds.unattended import (
    Clock,
    Daemon,
    Deploy,
    instance_of_a_daemon,
    unattended_settings,
)
from lse_dagster_tests.worlds.webhook_receiver import Receiver, running_receiver

MEMORY = Path("/dev/shm")
ENOUGH = 4 * 1024**3
hypothesis.settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Take signals as a terminal's process does, and let tests write to memory.

    The processes of pytest-xdist, and what a shell begins with `&`, ignore Ctrl+C. Dagster copies that to
    SIGTERM after a run, and every server that a test starts would inherit it and could not be told to stop.
    Under `nohup` a run that a test hangs up would go on for minutes.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    keep_what_storages_make()
    if _is_a_disk_for_tests(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _is_a_disk_for_tests(folder: Path) -> bool:
    """On a real disk the suite waits for half of its time until what it wrote is flushed."""
    try:
        executable = not os.statvfs(folder).f_flag & os.ST_NOEXEC
        return executable and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > ENOUGH
    except (OSError, AttributeError):  # neither is everywhere
        return False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On several cores the files with slow tests begin first: no core works on one alone at the end."""
    if hasattr(config, "workerinput"):  # a process of pytest-xdist
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Leave what the imports made out of every collection of garbage: that took a sixth of the suite."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def postgres() -> Path:
    """PostgreSQL's programs. In CI they must be there."""
    if (found := find_postgres()) is not None:
        return found
    missing = "No PostgreSQL found: install the package `postgresql` (apt-get install postgresql)"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Both servers, for the whole session. Tests use projects and folders of their own."""
    directory: Path = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(directory) as running:
        yield running


@pytest.fixture
def langsmith_sandbox(sandbox: Sandbox) -> Iterator[ControlClient]:
    """Control of the LangSmith server, without faults and settings before and after the test."""
    sandbox.langsmith.clear()
    yield sandbox.langsmith
    sandbox.langsmith.clear()


@pytest.fixture
def drive_sandbox(sandbox: Sandbox) -> Iterator[ControlClient]:
    """Control of the Drive server, without faults and settings before and after the test."""
    sandbox.drive.clear()
    yield sandbox.drive
    sandbox.drive.clear()


@pytest.fixture
def deploy(
    sandbox: Sandbox,
    langsmith_sandbox: ControlClient,
    drive_sandbox: ControlClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Deploy]:
    """Deploy the archive of some projects, with a daemon whose clock stands at a moment."""
    monkeypatch.setenv("LANGSMITH_API_KEY", sandbox.env["LANGSMITH_API_KEY"])
    with instance_of_a_daemon(tmp_path / "schedules") as instance:

        def begin(apis: Sequence[LangSmithApi], now: datetime, **variables: str) -> Daemon:
            projects = ",".join(api.project for api in apis)
            settings = unattended_settings(sandbox.env, tmp_path, LSE_PROJECTS=projects, **variables)
            return Daemon(settings, instance, Clock(now), [langsmith_sandbox, drive_sandbox])

        yield begin


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Who is told, through the webhook."""
    with running_receiver() as running:
        yield running


@pytest.fixture
def project() -> str:
    """A project name that no other test uses, so that tests share one server and nothing else."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def langsmith_client(sandbox: Sandbox, langsmith_sandbox: ControlClient) -> Iterator[Client]:
    """The public SDK, talking to the sandbox."""
    client = Client(
        api_url=sandbox.env["LANGSMITH_ENDPOINT"],
        api_key=sandbox.env["LANGSMITH_API_KEY"],
        auto_batch_tracing=True,
    )
    yield client
    client.close()


@pytest.fixture(scope="session")
def instance() -> Iterator[dg.DagsterInstance]:
    """One Dagster instance for the session: making one costs half a second."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def archive(
    sandbox: Sandbox,
    langsmith_sandbox: ControlClient,
    drive_sandbox: ControlClient,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> DayArchive:
    """A fresh project on a well-behaved sandbox, archived into folders of the test."""
    api = LangSmithApi(sandbox)
    variables = {
        **sandbox.env,
        "LSE_PROJECTS": api.project,
        "LSE_RETENTION_DAYS": "36500",
        "LSE_DATA_DIR": str(tmp_path / "data"),
        "LSE_ARCHIVES_DIR": str(tmp_path / "archives"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return DayArchive(api, tmp_path, instance)
