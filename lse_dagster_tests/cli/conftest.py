"""A working folder on the sandbox for every test of the commands."""

import shutil
from pathlib import Path

import pytest

from lse_dagster.cli.running.instance import prepare_home
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.cli.workplace import DATE, Workplace
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster home without runs, to be copied."""
    home = tmp_path_factory.mktemp("home") / "home"
    prepare_home(home)
    return home


@pytest.fixture
def workplace(
    sandbox: Sandbox,
    langsmith_sandbox: ControlClient,
    drive_sandbox: ControlClient,
    empty_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Workplace:
    """A fresh project on a well-behaved sandbox, and a working folder for it."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.setenv("LANGSMITH_API_KEY", sandbox.env["LANGSMITH_API_KEY"])  # for runs in this process
    return Workplace.prepare(folder, LangSmithApi(sandbox), empty_home, sandbox.env)


@pytest.fixture(scope="session")
def archived_once(sandbox: Sandbox, empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A project with one archived day of three runs. Only to be copied: archiving takes seconds."""
    folder = tmp_path_factory.mktemp("archived")
    sandbox.clear()
    made = Workplace.prepare(folder, LangSmithApi(sandbox), empty_home, sandbox.env)
    made.add_runs(3)
    finished = made.lse("archive", "--date", str(DATE), "--quiet")
    assert finished.returncode == 0, finished.stderr
    return made


@pytest.fixture
def archived(
    archived_once: Workplace, langsmith_sandbox: ControlClient, drive_sandbox: ControlClient, tmp_path: Path
) -> Workplace:
    """The archived day in a folder of the test's own. LangSmith and Drive are shared: leave them alone."""
    folder = tmp_path / "work"
    shutil.copytree(archived_once.folder, folder)
    return archived_once.moved(folder)
