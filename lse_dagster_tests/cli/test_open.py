"""`lse open`: the pages of a day, as a browser would be given them."""

from pathlib import Path

import pytest
import requests

from lse_dagster_tests.cli.workplace import DATE, LSE, Workplace


@pytest.fixture
def browser(tmp_path: Path) -> tuple[str, Path]:
    """A browser that notes what it is to open: the value of BROWSER, and its notes."""
    notes, program = tmp_path / "notes", tmp_path / "browser"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {notes}\n')
    program.chmod(0o755)
    return f"{program} %s", notes


def test_the_copy_of_a_day_on_drive_is_opened(archived: Workplace, browser: tuple[str, Path]) -> None:
    program, notes = browser

    opened = archived.run("env", f"BROWSER={program}", LSE, "open", "drive", "--date", str(DATE))

    assert opened.returncode == 0, opened.stderr
    assert notes.read_text() == opened.stdout.strip()
    assert "/file/d/" in opened.stdout


def test_a_day_that_is_not_on_drive_has_no_page_there_and_the_command_that_makes_it(
    archived: Workplace,
) -> None:
    opened = archived.lse("open", "drive", "--date", "2025-08-01", "--print")

    assert opened.returncode == 1
    assert "There is no copy of it" in opened.stderr
    assert "lse archive --date 2025-08-01" in opened.stderr


def test_the_project_on_langsmith_and_the_assets_in_dagster_have_an_address(archived: Workplace) -> None:
    project = archived.lse("open", "langsmith", "--print")
    assets = archived.lse("open", "--date", str(DATE), "--print")
    folder = archived.lse("open", "drive", "--print")

    assert "/projects/p/" in project.stdout
    assert assets.stdout == f"http://127.0.0.1:3000/assets/raw_runs?view=partitions&partition={DATE}\n"
    assert requests.get(folder.stdout.strip(), timeout=10).ok
