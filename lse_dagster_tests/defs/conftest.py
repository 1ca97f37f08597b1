"""The place in which the reconciliation is watched."""

import pytest

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.unattended import Deploy
from lse_dagster_tests.worlds.webhook_receiver import Receiver


@pytest.fixture
def place(
    sandbox: Sandbox,
    langsmith_sandbox: ControlClient,
    drive_sandbox: ControlClient,
    receiver: Receiver,
    deploy: Deploy,
) -> Place:
    """The project's first day is the first of August; the clock stands at its noon."""
    api = LangSmithApi(sandbox)
    daemon = deploy([api], at(1, 12), LSE_START_DATE=DAY.isoformat(), LSE_WEBHOOK_URL=receiver.url)
    daemon.tick()
    return Place(api, daemon, langsmith_sandbox, drive_sandbox)
