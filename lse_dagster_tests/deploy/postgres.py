"""A PostgreSQL server of the test's own, as Debian installs it: in a temporary folder, on a free port."""

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lse_dagster_tests.worlds.dagster_ui import free_port, wait_until

_DEBIAN = Path("/usr/lib/postgresql")
_USER, _DATABASE, _PASSWORD = "dagster", "dagster", "p@ss/word:1"
"""A password with every character that a URL must escape."""
_START_SECONDS = 300.0


def find_postgres() -> Path | None:
    """The folder of `initdb` and `postgres`; Debian keeps it out of PATH."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    return next(iter(sorted(_DEBIAN.glob("*/bin"), reverse=True)), None)


@contextlib.contextmanager
def running_postgres(programs: Path, port: int | None = None) -> Iterator[Mapping[str, str]]:
    """An empty database; yields the `DAGSTER_PG_*` variables. It is gone with the block."""
    # The server refuses to run as root, and pytest's folders are closed to anybody else.
    owner = "postgres" if os.geteuid() == 0 else getpass.getuser()
    with tempfile.TemporaryDirectory(prefix="lse-postgres-") as folder:
        os.chown(folder, pwd.getpwnam(owner).pw_uid, -1)
        port = port or free_port()
        data, password = Path(folder, "data"), Path(folder, "password")
        password.write_text(_PASSWORD)
        make: list[str | Path] = [
            programs / "initdb",
            "--username",
            _USER,
            "--pwfile",
            password,
            "--auth",
            "scram-sha-256",
        ]
        subprocess.run(
            [*make, "--no-sync", "-D", data], user=owner, check=True, stdout=subprocess.DEVNULL, cwd=folder
        )
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", folder]
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(port), *options],
            user=owner,
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        environment = client_environment(database_at(port))
        try:
            wait_until(
                lambda: _created(programs, environment, server), "PostgreSQL starts", seconds=_START_SECONDS
            )
            yield database_at(port)
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            server.wait()


def database_at(port: int) -> dict[str, str]:
    """The `DAGSTER_PG_*` variables of the database on this port, which may not be there yet."""
    return {
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_PORT": str(port),
        "DAGSTER_PG_DB": _DATABASE,
        "DAGSTER_PG_USERNAME": _USER,
        "DAGSTER_PG_PASSWORD": _PASSWORD,
    }


def client_environment(database: Mapping[str, str]) -> dict[str, str]:
    """The same for PostgreSQL's own programs."""
    return {
        "PGHOST": database["DAGSTER_PG_HOST"],
        "PGPORT": database["DAGSTER_PG_PORT"],
        "PGUSER": database["DAGSTER_PG_USERNAME"],
        "PGPASSWORD": database["DAGSTER_PG_PASSWORD"],
    }


def schema_of(programs: Path, database: Mapping[str, str]) -> str:
    """Every table, index and constraint, as SQL; `database` are the `DAGSTER_PG_*` variables."""
    command: list[str | Path] = [programs / "pg_dump", "--schema-only", database["DAGSTER_PG_DB"]]
    dumped = subprocess.run(
        command, env=client_environment(database), check=True, capture_output=True, text=True
    )
    # Since 15.14 a dump holds a line `\restrict` with a random word.
    return "".join(line for line in dumped.stdout.splitlines(True) if not line.startswith("\\"))


def _created(
    programs: Path, environment: Mapping[str, str], server: "subprocess.Popen[bytes]"
) -> bool | None:
    """True once the server has made the database."""
    assert server.poll() is None, f"PostgreSQL ended with {server.returncode}"
    ready = subprocess.run([programs / "pg_isready", "--quiet"], env=environment, check=False)
    if ready.returncode != 0:
        return None
    subprocess.run([programs / "createdb", _DATABASE], env=environment, check=True)
    return True
