"""Fixtures of the sandbox's own tests."""

import pytest

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi


@pytest.fixture
def api(sandbox: Sandbox, langsmith_sandbox: ControlClient) -> LangSmithApi:
    """Plain HTTP to the LangSmith server, with a fresh project."""
    return LangSmithApi(sandbox)
