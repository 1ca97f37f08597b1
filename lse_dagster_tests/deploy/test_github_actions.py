"""The recipe that archives without a server, its steps done here. GitHub can read it: `test_files.py`."""

import os
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.settings import Settings
from lse_dagster.steps.drive_copy import find_copy
from lse_dagster_tests.cli.terminal import clean_environment
from lse_dagster_tests.deploy.deploy_files import DEPLOY, documented_variables
from lse_dagster_tests.deploy.deploy_files import ROOT as REPOSITORY
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

WORKFLOW = DEPLOY / "github-actions" / "archive-langsmith.yml"
PROGRAMS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["archive"]
    return found


def test_it_sets_only_variables_that_something_reads_and_keeps_the_key_from_what_it_installs(
    job: dict[str, Any],
) -> None:
    *before, archive = job["steps"]

    own = {"GOOGLE_DRIVE_CREDENTIALS"}
    assert {*job["env"], *archive["env"]} - own <= documented_variables(REPOSITORY / ".env.example")
    assert "secrets." not in str([job["env"], before])


def test_a_night_puts_yesterday_and_the_day_before_on_drive_and_leaves_no_key(
    job: dict[str, Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    api = LangSmithApi(sandbox)
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=back) for back in (1, 2)]
    for day in days:
        api.add_run(datetime.combine(day, time(12), tzinfo=UTC))
    settings = Settings.from_environment({**sandbox.env, "LSE_ARCHIVES_DIR": str(tmp_path)})
    assert settings.drive.credentials_path is not None
    given = {
        **sandbox.env,
        **job["env"],
        "LSE_PROJECTS": api.project,
        "GOOGLE_DRIVE_FOLDER_URL": settings.drive.folder_url or "",
        "GOOGLE_DRIVE_CREDENTIALS": settings.drive.credentials_path.read_text(encoding="utf-8"),
    }
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"

    night = subprocess.run(
        ["bash", "-e", "-c", job["steps"][-1]["run"]],
        cwd=tmp_path,
        env={**clean_environment(), **given, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert night.returncode == 0, night.stderr[-2000:]
    assert not (tmp_path / job["env"]["GOOGLE_DRIVE_CREDENTIALS_PATH"]).exists()
    with DriveArchive.connect(settings.drive) as drive:
        assert all(find_copy(drive, api.project, day) is not None for day in days)
