"""`lse` alone tells a newcomer and an old hand what is next."""

from datetime import UTC, date, datetime

import pytest

from lse_dagster.calendar.overview import Overview, Unsafe
from lse_dagster.calendar.rules import Need
from lse_dagster.defs.overview.kept import keep_overview
from lse_dagster_tests.cli.workplace import Workplace


def test_a_folder_with_nothing_in_it_offers_the_demo_and_the_setup(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LANGSMITH_API_KEY")
    (workplace.folder / ".env").unlink()

    said = workplace.lse()

    assert said.returncode == 0
    assert "There is no .env here" in said.stdout
    assert "lse demo " in said.stdout
    assert "lse init " in said.stdout
    assert "lse dev " not in said.stdout


def test_a_setting_that_is_wrong_is_the_first_thing_to_be_told(workplace: Workplace) -> None:
    with (workplace.folder / ".env").open("a") as env:
        env.write("LSE_START_DATE=soon\n")

    said = workplace.lse()

    assert "✗ Reading LSE_START_DATE from the environment: It is not a calendar date" in said.stdout
    assert "Next: Set it like this: LSE_START_DATE=2025-08-01" in said.stdout


def test_what_the_last_look_found_is_told_and_whether_anything_runs_by_itself(workplace: Workplace) -> None:
    now = datetime.now(UTC)
    late = Unsafe(date(2025, 8, 29), "late", Need.UPLOAD)
    with workplace.instance() as instance:
        keep_overview(instance, Overview(workplace.project, now, None, 0, 1, 0, 1, (late,)))

    said = workplace.lse()

    assert f"Projects: {workplace.project}, on http://127.0.0.1" in said.stdout
    assert f"✗ {workplace.project}: 1 day is not on Drive (2025-08-29)." in said.stdout
    assert f"`lse archive upload --date 2025-08-29 --project {workplace.project}`" in said.stdout
    assert "Dagster is not running" in said.stdout
    assert "lse status " not in said.stdout
