"""A zip of the first system on Drive, restored through Dagster: unverified until LangSmith confirms it."""

import os
from pathlib import Path

import dagster as dg
import pytest

from lse_dagster.day.names import day_zip_name, project_path_part
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.settings import Settings
from lse_dagster_tests.steps.first_system.first_system_files import run_file, write_zip_of
from lse_dagster_tests.worlds.day_archive import DATE, NOON, DayArchive, evaluation, verdicts
from lse_dagster_tests.worlds.runs import ARun, root

COUNTS = {"run_count_matches_langsmith", "trace_count_matches_langsmith"}


@pytest.fixture
def run() -> ARun:
    """The run that the first system archived; LangSmith takes an id once only."""
    return root(NOON)


@pytest.fixture(autouse=True)
def old_zip(archive: DayArchive, run: ARun, tmp_path: Path) -> None:
    """The first system's zip of one run, on Drive where ours would be."""
    file = run_file(run, project=archive.project, session_id=archive.api.project_id)
    path = write_zip_of(tmp_path / "old.zip", dict([file]))
    folder, name = project_path_part(archive.project), day_zip_name(archive.project, DATE)
    with DriveArchive.connect(Settings.from_environment(os.environ).drive) as drive:
        drive.upload(path, folder=folder, name=name)


def ingest(archive: DayArchive, run: ARun) -> None:
    archive.api.add_run(run.start, id=run.id, trace_id=run.trace_id, dotted_order=run.dotted_order)


def test_a_restored_day_that_nobody_counted_is_unverified_and_blocks_nothing(archive: DayArchive) -> None:
    result = archive.run("restore")

    assert result.success
    assert {name for name, passed in verdicts(result).items() if not passed} == COUNTS
    for check in COUNTS:
        found = evaluation(result, check)
        assert found.severity is dg.AssetCheckSeverity.WARN
        assert "Unverified" in (found.description or "")
    (materialization,) = result.asset_materializations_for_node("raw_runs")
    assert "unverified" in materialization.metadata
    assert "langsmith_total" not in materialization.metadata
    assert archive.materialize(("day_zip", "drive_archive")).success


def test_a_restored_day_that_langsmith_still_counts_the_same_is_verified_by_that(
    archive: DayArchive, run: ARun
) -> None:
    ingest(archive, run)

    result = archive.run("restore")

    assert result.success
    assert {name for name, passed in verdicts(result).items() if passed} >= COUNTS


def test_a_restored_day_that_lacks_runs_langsmith_has_is_an_error(archive: DayArchive, run: ARun) -> None:
    ingest(archive, run)
    archive.api.add_runs(1)

    result = archive.run("restore")

    found = evaluation(result, "run_count_matches_langsmith")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "1 missing" in (found.description or "")
