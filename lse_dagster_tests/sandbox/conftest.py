"""Fixtures of the sandbox's own tests."""

from collections.abc import Iterator

import pytest

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.sandbox.drive_clients import DriveClients, person, service_account
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi


@pytest.fixture
def api(sandbox: Sandbox, langsmith_sandbox: ControlClient) -> LangSmithApi:
    """Plain HTTP to the LangSmith server, with a fresh project."""
    return LangSmithApi(sandbox)


@pytest.fixture(scope="module")
def robot(sandbox: Sandbox) -> Iterator[DriveClients]:
    clients = DriveClients(sandbox, service_account(sandbox))
    yield clients
    clients.http.close()


@pytest.fixture(scope="module")
def human(sandbox: Sandbox) -> Iterator[DriveClients]:
    clients = DriveClients(sandbox, person(sandbox))
    yield clients
    clients.http.close()


@pytest.fixture
def session(robot: DriveClients) -> str:
    return robot.start_session(name="day.zip", parents=[robot.make_folder()])
