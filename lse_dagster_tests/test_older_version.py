"""A Dagster home, a data directory and archives of an older version: read, and gone on with.

`older_version.tar.xz` was made by `lse archive` and `lse verify` of two projects, before the modules moved.
"""

import tarfile
from datetime import date
from pathlib import Path

import msgspec
import pytest
from langsmith import Client

from lse_dagster.day.store import DayStore
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.conversations import demo_conversations
from lse_dagster.sandbox.environment import write_env_file
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.sandbox.trace import trace_conversations
from lse_dagster_tests.cli.workplace import Workplace
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

PROJECTS = ("atlas", "borealis")
OLD, NEW = date(2025, 8, 28), date(2025, 8, 29)


@pytest.fixture
def workplace(
    sandbox: Sandbox,
    langsmith_sandbox: ControlClient,
    drive_sandbox: ControlClient,
    langsmith_client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Workplace:
    """The old folders, and LangSmith as it was; Drive is another one, on which nothing is."""
    with tarfile.open(Path(__file__).with_name("older_version.tar.xz")) as archive:
        archive.extractall(tmp_path, filter="data")
    folder, api = tmp_path / "archive", LangSmithApi(sandbox)
    (folder / "dagster_home").rename(folder / "home")
    for project in PROJECTS:
        known = DayStore(folder / "data").load(project, OLD).summary.project_id
        assert api.post("/sessions", {"name": project, "id": known}).ok
        for day in (OLD, NEW):
            trace_conversations(langsmith_client, project, day, demo_conversations(1, seed=1))
    variables = {
        **sandbox.env,
        "LSE_PROJECTS": ",".join(PROJECTS),
        "LSE_RETENTION_DAYS": "36500",
        "LSE_START_DATE": "2025-08-01",
        "DAGSTER_HOME": str(folder / "home"),
    }
    write_env_file(folder / ".env", variables)
    monkeypatch.setenv("LANGSMITH_API_KEY", sandbox.env["LANGSMITH_API_KEY"])
    return Workplace(folder, api, variables)


def verified(workplace: Workplace, project: str, day: date) -> str | None:
    """What `lse status` says of a day's checks."""
    shown = workplace.lse("status", "--project", project, "--month", "2025-08", "--json").stdout
    (found,) = (one for one in msgspec.json.decode(shown)["days"] if one["date"] == str(day))
    said: str | None = found["verified"]
    return said


def test_an_older_home_and_its_days_are_read_and_gone_on_with(workplace: Workplace) -> None:
    before = [verified(workplace, project, OLD) for project in PROJECTS]
    with workplace.instance() as instance:
        runs = instance.get_runs_count()

    commands = [
        ("archive", "upload", "--date", str(OLD), "--project", "borealis", "--quiet"),
        ("verify", "--date", str(OLD), "--project", "borealis"),
        ("archive", "--date", str(NEW), "--project", "atlas", "--quiet"),
    ]
    done = {command: workplace.lse(*command) for command in commands}

    assert before == ["passed", "passed"]
    assert [one.stderr for one in done.values() if one.returncode != 0] == []
    assert [verified(workplace, *which) for which in (("borealis", OLD), ("atlas", NEW))] == ["passed"] * 2
    with workplace.instance() as instance:
        assert instance.get_runs_count() > runs
