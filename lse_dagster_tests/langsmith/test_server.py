"""The address of a project in LangSmith's own UI, as the SDK gives it."""

import pytest
from langsmith import Client

from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.server import Project, find_project, project_page
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

PROJECT = Project("project-id", "my-project", "workspace-id")


def test_it_is_the_one_that_the_sdk_gives(sandbox: Sandbox, langsmith_client: Client) -> None:
    name = LangSmithApi(sandbox).project
    endpoint = sandbox.env["LANGSMITH_ENDPOINT"]
    settings = LangSmithSettings(api_key=sandbox.env["LANGSMITH_API_KEY"], endpoint=endpoint)

    with Transport(settings) as transport:
        page = project_page(endpoint, find_project(transport, name))

    assert page == langsmith_client.read_project(project_name=name).url


@pytest.mark.parametrize(
    ("endpoint", "ui"),
    [
        ("https://api.smith.langchain.com", "https://smith.langchain.com"),
        ("https://eu.api.smith.langchain.com", "https://eu.smith.langchain.com"),
        ("https://langsmith.example.com", "https://langsmith.example.com"),
        ("https://langsmith.example.com/api/v1", "https://langsmith.example.com"),
        ("https://example.com:8443/langsmith/api", "https://example.com:8443/langsmith"),
    ],
)
def test_it_is_where_the_ui_of_that_server_is(endpoint: str, ui: str) -> None:
    assert project_page(endpoint, PROJECT) == f"{ui}/o/workspace-id/projects/p/project-id"


def test_without_a_workspace_there_is_none() -> None:
    assert project_page("https://api.smith.langchain.com", Project("project-id", "my-project")) is None
