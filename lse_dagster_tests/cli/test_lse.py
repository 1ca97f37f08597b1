"""The `lse` command as a person meets it first."""

import subprocess
import sys
from pathlib import Path

LSE = str(Path(sys.executable).with_name("lse"))


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LSE, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_help_names_every_command_with_a_line(tmp_path: Path) -> None:
    finished = run("--help", folder=tmp_path)

    assert finished.returncode == 0
    for command in ("demo", "dev", "doctor", "init", "migrate", "sandbox", "status", "verify"):
        assert f"\n  {command} " in finished.stdout


def test_the_demo_and_dev_say_where_to_run_them(tmp_path: Path) -> None:
    for command in ("demo", "dev"):
        finished = run(command, folder=tmp_path)

        assert finished.returncode == 2
        assert "Run this in the project's folder" in finished.stderr
        assert list(tmp_path.iterdir()) == []


def test_demo_traces_never_go_to_a_real_account(tmp_path: Path) -> None:
    env = tmp_path / "sandbox.env"
    env.write_text("LANGSMITH_ENDPOINT='https://api.smith.langchain.com'\nLANGSMITH_API_KEY='k'\n")

    finished = run("sandbox", "trace", "--date", "2025-08-29", "--dir", str(tmp_path), folder=tmp_path)

    assert finished.returncode == 1
    assert "is not a sandbox" in finished.stderr
