"""Dagster's home: whose settings it keeps."""

import subprocess
import sys
from pathlib import Path

import pytest

from lse_dagster.cli.running.instance import SETTINGS, dagster_home, prepare_home

OURS = "telemetry:\n  enabled: false\n"
THEIRS = "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"


def test_a_home_that_has_settings_keeps_them(tmp_path: Path) -> None:
    ours, home = tmp_path / "dagster.yaml", tmp_path / "home"
    ours.write_text(OURS)
    home.mkdir()
    (home / "dagster.yaml").write_text(THEIRS)

    prepare_home(home, ours)

    assert (home / "dagster.yaml").read_text() == THEIRS


def test_a_home_of_ours_gets_the_settings_of_a_new_version(tmp_path: Path) -> None:
    ours, home = tmp_path / "dagster.yaml", tmp_path / "home"
    ours.write_text(THEIRS)
    prepare_home(home, ours)
    ours.write_text(OURS)

    prepare_home(home, ours, renew=True)

    assert (home / "dagster.yaml").read_text() == OURS


def test_a_home_in_the_users_directory_is_the_one_that_dagster_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("DAGSTER_HOME", "~/archive/.dagster_home")

    assert dagster_home() == Path("/home/me/archive/.dagster_home")


@pytest.mark.parametrize("there", ["nothing", "settings"])
def test_a_new_home_may_be_opened_by_several_commands_at_once(there: str, tmp_path: Path) -> None:
    """Dagster makes its databases step by step, and two that do so at once leave them broken for good."""
    home = tmp_path / "home"
    if there == "settings":
        home.mkdir()
        (home / "dagster.yaml").write_text(THEIRS)
    code = (
        "import sys, time; from lse_dagster.cli.running.instance import open_instance; import dagster\n"
        "print(flush=True); sys.stdin.readline()\n"
        "with open_instance() as instance: print(len(instance.get_runs()))"
    )
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"DAGSTER_HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for command in commands:
        assert command.stdout is not None
        command.stdout.readline()  # it is ready

    for command in commands:
        assert command.stdin is not None
        command.stdin.write("\n")
        command.stdin.flush()
    ended = [command.communicate(timeout=600) for command in commands]

    assert [command.returncode for command in commands] == [0] * 3, ended
    assert (home / "dagster.yaml").read_text() == (THEIRS if there == "settings" else SETTINGS.read_text())
