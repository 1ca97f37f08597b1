"""`lse health` as monitoring asks it: of this machine, and of a webserver anywhere."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from lse_dagster.settings import InvalidSetting, Settings
from lse_dagster_tests.cli.workplace import Workplace
from lse_dagster_tests.worlds.dagster_ui import free_port, wait_until

WORKSPACE = "load_from: [{python_module: {module_name: lse_dagster, location_name: lse_dagster}}]\n"
BROKEN = "load_from: [{python_module: {module_name: lse_dagster.nowhere, location_name: lse_dagster}}]\n"


@pytest.fixture(params=[WORKSPACE, BROKEN], ids=["loads", "does not load"])
def webserver(request: pytest.FixtureRequest, workplace: Workplace, tmp_path: Path) -> Iterator[str]:
    """Dagster's webserver, without a daemon; a setting is wrong, and the code loads or does not."""
    workspace, port = workplace.folder / "w.yaml", free_port()
    workspace.write_text(request.param)
    with (workplace.folder / ".env").open("a") as env:
        env.write("LSE_RETENTION_DAYS='14 days'\nLSE_SCHEDULES=on\n")
    program = Path(sys.executable).with_name("dagster-webserver")
    process = subprocess.Popen(
        [program, "--host", "127.0.0.1", "--port", str(port), "--workspace", workspace],
        cwd=workplace.folder,
        env={"DAGSTER_HOME": str(workplace.folder / "home"), "PATH": str(program.parent)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool | None:
        try:
            return requests.get(f"{url}/server_info", timeout=60).ok or None
        except requests.ConnectionError:
            return None

    try:
        wait_until(answers, "the webserver answers", seconds=300)
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_a_webserver_that_answers_is_no_proof(
    webserver: str, workplace: Workplace, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(InvalidSetting):
        Settings.from_environment({"LSE_RETENTION_DAYS": "14 days"})

    finished = workplace.lse("health", "--url", webserver)
    document = json.loads(workplace.lse("health", "--url", webserver, "--json").stdout)

    loads = "does not load" not in request.node.name
    subjects = [problem["subject"] for problem in document["problems"]]
    assert finished.returncode == 1
    assert len(finished.stdout.splitlines()) == 1
    assert document["ok"] is False
    assert subjects == (
        ["daemon", "health_sensor", "reconcile_sensor"] if loads else ["code location", "daemon"]
    )
    assert all(problem["next"] for problem in document["problems"])


def test_where_nothing_runs_by_itself_one_line_says_so(workplace: Workplace) -> None:
    finished = workplace.lse("health")
    nowhere = workplace.lse("health", "--url", "http://127.0.0.1:1")

    assert (finished.returncode, len(finished.stdout.splitlines())) == (1, 1)
    for name in ("daemon", "health_sensor", "reconcile_sensor", "archive_schedule"):
        assert name in finished.stdout
    assert (nowhere.returncode, nowhere.stdout) == (
        1,
        "✗ dagster: Connection refused, nothing listens there.\n",
    )
