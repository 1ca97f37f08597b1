"""The place in which the reconciliation is watched, and who is told."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.reconciliation.place import DAY, Place, at
from lse_dagster_tests.sandbox.langsmith_api import LangSmithApi
from lse_dagster_tests.unattended import Clock, Daemon, unattended_settings
from lse_dagster_tests.webhook_receiver import Receiver, running_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture
def place(
    sandbox: Sandbox,
    langsmith_sandbox: ControlClient,
    drive_sandbox: ControlClient,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    """The project's first day is the first of August; the clock stands at its noon."""
    api = LangSmithApi(sandbox)
    monkeypatch.setenv("LANGSMITH_API_KEY", sandbox.env["LANGSMITH_API_KEY"])
    settings = unattended_settings(
        sandbox.env,
        tmp_path,
        LSE_PROJECTS=api.project,
        LSE_START_DATE=DAY.isoformat(),
        LSE_WEBHOOK_URL=receiver.url,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(settings, instance, Clock(at(1, 12)))
        daemon.tick()
        yield Place(api, daemon, langsmith_sandbox, drive_sandbox)
