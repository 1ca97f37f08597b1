"""Who may ask the LangSmith sandbox, where it listens, and how projects are found."""

import asyncio
import uuid
from typing import Any

import pytest
import requests
from langsmith import Client

from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.worlds.langsmith_api import DAY, LangSmithApi

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated and will be removed after")


def test_requests_need_the_right_key(api: LangSmithApi) -> None:
    v1, v2 = f"{api.url}/api/v1/runs/query", f"{api.url}/api/v2/runs/query"

    missing = requests.post(v1, json={}, timeout=60)
    wrong = requests.post(v2, json={}, headers={"x-api-key": "lsv2_other"}, timeout=60)

    assert (missing.status_code, wrong.status_code) == (401, 403)
    assert missing.json()["detail"]
    assert wrong.headers["content-type"] == "application/problem+json"
    assert requests.get(f"{api.url}/info", timeout=60).ok


def test_projects_are_found_by_name_and_id(langsmith_client: Client, project: str) -> None:
    created = langsmith_client.create_project(project, description="a test")

    assert langsmith_client.read_project(project_name=project).id == created.id
    assert langsmith_client.read_project(project_id=str(created.id)).name == project
    assert langsmith_client.has_project(project)
    assert not langsmith_client.has_project(f"{project}-unknown")
    assert [found.name for found in langsmith_client.list_projects(name_contains=project[5:])] == [project]
    assert langsmith_client.create_project(project, upsert=True).id == created.id


def test_unknown_things_are_404(api: LangSmithApi) -> None:
    assert api.get(f"/api/v1/sessions/{uuid.uuid4()}").status_code == 404
    assert api.get(f"/api/v1/runs/{uuid.uuid4()}").status_code == 404
    assert api.get("/sessions", params={"name": "nobody knows it"}).json() == []


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v1"])
def test_the_endpoint_may_be_given_with_and_without_a_path(
    sandbox: Sandbox, api: LangSmithApi, prefix: str
) -> None:
    run_id = api.add_run()
    client = Client(api_url=sandbox.langsmith_url + prefix, api_key=sandbox.env["LANGSMITH_API_KEY"])

    async def read() -> list[Any]:
        return [run async for run in client.runs.query(project_ids=[api.project_id], **DAY)]

    assert [str(run.id) for run in client.list_runs(project_id=api.project_id)] == [run_id]
    assert [run.id for run in asyncio.run(read())] == [run_id]
    client.close()
