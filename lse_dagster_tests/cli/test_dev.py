"""`lse dev` starts nothing where it cannot: on a port or on a Dagster home that somebody else has."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lse_dagster.cli.playground.occupied import alone_on
from lse_dagster_tests.cli.terminal import clean_environment
from lse_dagster_tests.cli.workplace import LSE

HOLD = """
import sys, time
from pathlib import Path
from lse_dagster.cli.playground.occupied import alone_on
with alone_on(Path(sys.argv[1])) as claim:
    claim.is_served_by(__import__("os").getpid(), 3123)
    print("held", flush=True)
    time.sleep(600)
"""


def lse_dev(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [LSE, "dev", *arguments]
    return subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False, timeout=60
    )


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_is_taken_is_told_with_who_has_it_and_nothing_is_started(tmp_path: Path) -> None:
    with taken_port() as port:
        finished = lse_dev(tmp_path, "--port", str(port))

    assert finished.returncode == 1
    assert f"process {os.getpid()} (" in finished.stderr
    assert "lse dev --port " in finished.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_second_dev_on_a_home_is_refused_until_the_first_has_ended_also_if_it_was_killed(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    (tmp_path / ".env").write_text(f"DAGSTER_HOME={home}\n")
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    first.stdout.readline()

    with taken_port() as its_port:  # another port would not help
        refused = [lse_dev(tmp_path, "--port", port) for port in ("3124", str(its_port))]

    for one in refused:
        assert one.returncode == 1
        assert f"process {first.pid} at http://127.0.0.1:3123" in one.stderr
        assert one.stdout == ""
    first.kill()
    first.wait()
    with alone_on(home):
        pass


def test_a_killed_dev_has_its_home_as_long_as_its_dagster_runs(tmp_path: Path) -> None:
    """Its daemon would go on starting runs beside that of the next one."""
    (tmp_path / ".env").write_text(f"DAGSTER_HOME={tmp_path / 'home'}\n")
    with taken_port() as port:
        pass
    command = [LSE, "dev", "--port", str(port)]
    first = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(), stdout=subprocess.DEVNULL)
    claim = tmp_path / "home" / ".served.lock"
    while not (claim.exists() and claim.read_text().endswith(f" {port}\n")):
        assert first.poll() is None
        time.sleep(0.05)
    dagster = int(claim.read_text().split()[0])

    first.kill()
    first.wait()
    refused = lse_dev(tmp_path, "--port", "3124")

    assert dagster != first.pid
    assert f"process {dagster} at http://127.0.0.1:{port}" in refused.stderr
    os.killpg(dagster, signal.SIGKILL)
