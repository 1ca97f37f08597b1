"""Dagster's database as `deploy/` makes, waits for and backs it up, on a real PostgreSQL."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lse_dagster_tests.deploy.deploy_files import DEPLOY
from lse_dagster_tests.deploy.postgres import client_environment, database_at, running_postgres, schema_of
from lse_dagster_tests.worlds.dagster_ui import free_port, wait_until

SECONDS = 300.0
PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Prepared:
    """A database that came up after `prepare-instance` had begun to wait for it."""

    environment: Mapping[str, str]
    code: int
    said: str


@pytest.fixture(scope="module")
def prepared(postgres: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    home, port = tmp_path_factory.mktemp("home"), free_port()
    shutil.copy(DEPLOY / "dagster.yaml", home)
    path = f"{PROGRAMS}:{postgres}:{os.environ['PATH']}"
    environment = {**database_at(port), "DAGSTER_HOME": str(home), "PATH": path}
    said = home / "said"
    with said.open("wb") as log:
        waiting = subprocess.Popen([DEPLOY / "prepare-instance"], env=environment, stdout=log, stderr=log)
    wait_until(lambda: said.stat().st_size or None, "it says that it waits", seconds=SECONDS)
    try:
        with running_postgres(postgres, port):
            yield Prepared(environment, waiting.wait(SECONDS), said.read_text(encoding="utf-8"))
    finally:
        waiting.kill()


def backed_up(prepared: Prepared, folder: Path, **otherwise: str) -> "subprocess.CompletedProcess[str]":
    """What the night's unit does."""
    command = [DEPLOY / "backup-database", folder]
    environment = {**prepared.environment, **otherwise}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_database_that_comes_up_late_is_waited_for_and_then_prepared(
    prepared: Prepared, postgres: Path
) -> None:
    first = prepared.said.splitlines()[0]

    assert first.startswith("Waits for the database: ")
    assert "Connection refused" in first
    assert prepared.code == 0
    assert "CREATE TABLE public.runs" in schema_of(postgres, prepared.environment)
    assert "Set concurrency limit for langsmith to 1." in prepared.said


@pytest.mark.slow
def test_a_password_that_is_refused_is_said_at_once_in_one_line(prepared: Prepared) -> None:
    environment = {**prepared.environment, "DAGSTER_PG_PASSWORD": "wrong"}

    refused = subprocess.run(
        [DEPLOY / "prepare-instance"], env=environment, capture_output=True, text=True, check=False
    )

    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "password authentication failed" in refused.stderr


@pytest.mark.slow
def test_a_dump_brings_the_database_back_and_a_night_without_one_keeps_the_last(
    prepared: Prepared, postgres: Path, tmp_path: Path
) -> None:
    # given: two nights, in the second of which the database refuses
    assert backed_up(prepared, tmp_path / "backups").returncode == 0
    (dump,) = (tmp_path / "backups").iterdir()
    content = dump.read_bytes()
    assert backed_up(prepared, tmp_path / "backups", DAGSTER_PG_PASSWORD="wrong").returncode != 0
    assert dump.read_bytes() == content

    # when: as the guide says
    restored = {**prepared.environment, "DAGSTER_PG_DB": "restored"}
    client = {**client_environment(restored), "PATH": prepared.environment["PATH"]}
    subprocess.run(["createdb", "restored"], env=client, check=True)
    restore: list[str | Path] = ["pg_restore", "--dbname", "restored", "--clean", "--if-exists", dump]
    subprocess.run(restore, env=client, check=True)

    # then
    assert schema_of(postgres, restored) == schema_of(postgres, prepared.environment)
    assert dump.stat().st_mode & 0o077 == 0
