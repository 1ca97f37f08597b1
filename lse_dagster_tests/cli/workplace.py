"""A person's working folder: `.env` with the accounts of the sandbox, a Dagster home, `lse` run there."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
from click.testing import CliRunner

from lse_dagster.cli import main
from lse_dagster.cli.running.display import Display
from lse_dagster.cli.running.runner import DayRunner
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.defs.check_table import check_keys
from lse_dagster.defs.project import archived_projects
from lse_dagster.sandbox.environment import write_env_file
from lse_dagster.settings import Settings
from lse_dagster_tests.cli.terminal import Terminal, clean_environment
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

LSE = str(Path(sys.executable).with_name("lse"))
DATE = date(2025, 8, 29)
NEXT = date(2025, 8, 30)


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Workplace:
    """One project of the sandbox, and a folder from which `lse` and `dagster` archive it."""

    folder: Path
    api: LangSmithApi
    variables: dict[str, str]

    @classmethod
    def prepare(cls, folder: Path, api: LangSmithApi, home: Path, accounts: Mapping[str, str]) -> "Workplace":
        """Fill a new folder; the Dagster home is a copy, as making one takes seconds."""
        shutil.copytree(home, folder / "home")
        variables = {
            **accounts,
            "LSE_PROJECTS": api.project,
            "LSE_RETENTION_DAYS": "36500",
            "DAGSTER_HOME": str(folder / "home"),
        }
        write_env_file(folder / ".env", variables)
        return cls(folder, api, variables)

    def moved(self, folder: Path) -> "Workplace":
        """The same project, worked on from a copy of the folder."""
        variables = {**self.variables, "DAGSTER_HOME": str(folder / "home")}
        write_env_file(folder / ".env", variables)
        return Workplace(folder, self.api, variables)

    @property
    def project(self) -> str:
        return self.api.project

    @property
    def days(self) -> DayStore:
        return DayStore(self.folder / "data")

    @property
    def zips(self) -> ZipStore:
        return ZipStore(self.folder / "archives")

    def add_runs(self, count: int, day: date = DATE) -> list[str]:
        """Root runs, one second apart, from noon."""
        noon = datetime.fromisoformat(f"{day}T12:00:00+00:00")
        return [self.api.add_run(noon + timedelta(seconds=number)) for number in range(count)]

    def lse(self, *arguments: str) -> Finished:
        """Run `lse` without a terminal, in this process: a process of its own takes seconds to start."""
        before = dict(os.environ)
        try:
            with contextlib.chdir(self.folder):
                result = CliRunner().invoke(main, arguments)
        finally:
            os.environ.clear()
            os.environ.update(before)
        return Finished(result.exit_code, result.stdout, result.stderr)

    def run(self, *command: str) -> Finished:
        """Run any command in the folder, its output piped."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def terminal(self, *arguments: str, columns: int = 120, **environment: str) -> Terminal:
        """Run `lse` in a terminal."""
        return Terminal(
            [LSE, *arguments],
            folder=self.folder,
            environment={**clean_environment(), **environment},
            columns=columns,
        )

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """The Dagster instance that the commands write to."""
        with dg.DagsterInstance.from_config(str(self.folder / "home")) as instance:
            yield instance

    def latest_run(self) -> dg.DagsterRun:
        """The run that began last."""
        with self.instance() as instance:
            (run,) = instance.get_runs(limit=1)
        return run

    def settings(self) -> Settings:
        """What the commands read, with paths that hold from any working folder."""
        return Settings.from_environment(
            {
                **self.variables,
                "LSE_DATA_DIR": str(self.folder / "data"),
                "LSE_ARCHIVES_DIR": str(self.folder / "archives"),
            }
        )

    def runner(self, display: Display, instance: dg.DagsterInstance) -> DayRunner:
        """What `lse archive` runs days with, in this process."""
        return DayRunner(self.settings(), self.project, instance, display)

    def hidden_files(self) -> list[str]:
        """What of unfinished work lies beside days and zips: not locks, nor what is remembered of Drive."""
        found = [*self.folder.glob("data/*/.*"), *self.folder.glob("archives/.*")]
        return sorted(path.name for path in found if path.suffix != ".lock" and path.name != ".drive")


def check_names(asset: str | None = None) -> set[str]:
    """The names of all asset checks of a day, or of one asset's."""
    (project,) = archived_projects(["p"])
    return {key.name for key in check_keys(project) if asset in {None, key.asset_key.path[-1]}}


def documents(finished: Finished) -> list[dict[str, Any]]:
    """The JSON documents of a command's stdout."""
    return [msgspec.json.decode(line, type=dict[str, Any]) for line in finished.stdout.splitlines()]
