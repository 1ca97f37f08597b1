"""The `lse` command as a person meets it first."""

import importlib.metadata
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lse_dagster.cli import main
from lse_dagster.cli.playground.folder import running_playground
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.environment import is_loopback, write_env_file
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.settings import Settings
from lse_dagster_tests.cli.terminal import clean_environment
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

ROOT = Path(__file__).parents[2]
DATE = date(2025, 8, 29)
LSE = str(Path(sys.executable).with_name("lse"))


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LSE, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_help_names_every_command_with_a_line(tmp_path: Path) -> None:
    finished = run("--help", folder=tmp_path)

    assert finished.returncode == 0
    for command in ("demo", "dev", "doctor", "init", "migrate", "sandbox", "status", "verify"):
        assert f"\n  {command} " in finished.stdout


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert run("--version", folder=tmp_path).stdout == f"lse {importlib.metadata.version('lse-dagster')}\n"


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://api.smith.langchain.com",
        "http://127.0.0.1:x@other.example/",
        "http://localhost:1984@other.example",
        "http://other.example\\@127.0.0.1:1984/",
        "http://127.0.0.1\\@other.example/",
        "http://127.0.0.1.other.example/",
        "http://127.0.0.1:99999999/",
        "https://127.0.0.1:1984",
        "//127.0.0.1:1984",
        "127.0.0.1:1984",
        "what?",
    ],
)
def test_demo_traces_never_go_to_a_real_account(tmp_path: Path, endpoint: str) -> None:
    write_env_file(tmp_path / "sandbox.env", {"LANGSMITH_ENDPOINT": endpoint, "LANGSMITH_API_KEY": "k"})

    finished = CliRunner().invoke(
        main, ["sandbox", "trace", "--date", "2025-08-29", "--dir", str(tmp_path), "--traces", "1"]
    )

    assert finished.exit_code == 1
    assert "is not a sandbox" in finished.stderr


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://127.0.0.1:1984", True), ("HTTP://LocalHost", True), ("http://[::1]:80/x?y", True), ("", False)],
)
def test_this_machine_is_known_by_its_names(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_demo_traces_go_to_the_sandbox_whatever_the_shell_says(
    sandbox: Sandbox, langsmith_sandbox: ControlClient, project: str
) -> None:
    elsewhere = {
        "LANGSMITH_RUNS_ENDPOINTS": '[{"api_url": "http://127.0.0.1:9", "api_key": "real"}]',
        "LANGSMITH_WORKSPACE_ID": "0ea9dcc1-2b70-4b22-ab72-81e9e8dff9ce",
        "LANGSMITH_TRACING_SAMPLING_RATE": "0",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }
    command = [
        *(LSE, "sandbox", "trace", "--dir", str(sandbox.directory), "--project", project),
        *("--date", "2025-08-29", "--traces", "1"),
    ]

    finished = subprocess.run(
        command, env={**clean_environment(), **elsewhere}, capture_output=True, text=True, check=False
    )

    assert (finished.returncode, finished.stderr) == (0, "")
    sent = [entry for entry in langsmith_sandbox.requests() if entry.method == "POST"]
    assert sent
    api = LangSmithApi(sandbox)
    found = api.get("/sessions", params={"name": project}).json()
    assert [one["name"] for one in found] == [project]


class _Asked(dict[str, str]):
    """An environment without variables, which remembers for which it was asked."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


def test_no_variable_of_the_shell_reaches_the_playground(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _Asked()
    Settings.from_environment(asked)
    assert len(asked.names) > 20
    proxies = {f"{name}_proxy" for name in ("http", "https", "all", "no")}
    others = {
        *("LANGSMITH_RUNS_ENDPOINTS", "LANGCHAIN_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS"),
        *("GCE_METADATA_HOST", "DAGSTER_HOME", "DAGSTER_CLOUD_API_TOKEN", "REQUESTS_CA_BUNDLE"),
    }
    for name in asked.names | proxies | {name.upper() for name in proxies} | others:
        monkeypatch.setenv(name, "of-the-shell")
    monkeypatch.chdir(ROOT)

    with running_playground(tmp_path / "demo") as playground:
        inside = playground.process_environment
        here = dict(os.environ)
        playground.trace("my-project", DATE, 1)
        traced = [entry for entry in playground.sandbox.langsmith.requests() if entry.method == "POST"]

    assert "of-the-shell" not in {*inside.values(), *here.values()}
    assert inside["PATH"] == os.environ["PATH"]
    assert traced
    assert os.environ["LSE_WEBHOOK_URL"] == "of-the-shell"
