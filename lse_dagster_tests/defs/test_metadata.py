"""What a person finds beside a materialization: numbers that plot, tables, links."""

import shutil
from datetime import timedelta

import dagster as dg
from langsmith import Client

from lse_dagster.defs.metadata import tables_of_day
from lse_dagster.run.tally import Tally
from lse_dagster_tests.worlds.day_archive import DATE, NOON, DayArchive

PLOTTED = {"runs", "traces", "bytes", "seconds", "requests", "retries", "langsmith_total", "pending_runs"}

BY_TYPE = """\
| type | success | error | pending | all |
| --- | ---: | ---: | ---: | ---: |
| chain | 1 | 0 | 1 | 2 |
| llm | 0 | 1 | 0 | 1 |
| all | 1 | 1 | 1 | 3 |"""


def metadata_of(result: dg.ExecuteInProcessResult, asset: str = "raw_runs") -> dict[str, dg.MetadataValue]:
    (event,) = result.asset_materializations_for_node(asset)
    return dict(event.metadata)


def test_what_the_ui_plots_is_a_number_in_every_materialization(archive: DayArchive) -> None:
    archive.api.add_runs(2)

    metadata = metadata_of(archive.materialize())

    kinds = {type(metadata[name]) for name in PLOTTED}
    assert kinds == {dg.IntMetadataValue, dg.FloatMetadataValue}


def test_tables_show_the_runs_by_type_and_status_and_by_hour(archive: DayArchive) -> None:
    archive.api.add_run(NOON)
    archive.api.add_run(NOON + timedelta(minutes=1), run_type="llm", error="no answer")
    archive.api.add_run(NOON + timedelta(hours=1), end_time=None)

    metadata = metadata_of(archive.materialize(["raw_runs"]))

    hours = str(metadata["runs_by_hour_utc"].value).splitlines()
    assert metadata["runs_by_type"] == dg.MetadataValue.md(BY_TYPE)
    assert len(hours) == 2 + 24
    assert hours[2 + 11 : 2 + 14] == [
        "| 11:00 | 0 |  |",
        f"| 12:00 | 2 | {'█' * 12} |",
        f"| 13:00 | 1 | {'█' * 6} |",
    ]


def test_the_tables_of_a_large_day_are_short_enough_for_the_ui_to_show_them_at_once() -> None:
    types = ("llm", "chain", "tool", "retriever", "embedding", "prompt", "parser")
    statuses = ("success", "error", "pending", "unknown")
    tally = Tally(
        {(run_type, status): 99_999 for run_type in types for status in statuses},
        dict.fromkeys(range(24), 99_999),
    )

    assert all(len(table.md_str or "") < 1000 for table in tables_of_day(tally).values())


def test_a_day_without_runs_has_its_tables_too(archive: DayArchive) -> None:
    metadata = metadata_of(archive.materialize(["raw_runs"]))

    assert str(metadata["runs_by_type"].value).splitlines()[-1] == "| all | 0 | 0 | 0 | 0 |"


def test_a_type_that_somebody_made_up_stays_in_its_cell(archive: DayArchive) -> None:
    archive.api.add_run(NOON, run_type="a|b\nc")

    metadata = metadata_of(archive.materialize(["raw_runs"]))

    assert "| a\\|b c | 1 | 0 | 0 | 1 |" in str(metadata["runs_by_type"].value).splitlines()


def test_a_restored_day_shows_the_same_tables(archive: DayArchive) -> None:
    archive.api.add_run(NOON)
    archive.api.add_run(NOON + timedelta(hours=1), run_type="llm", end_time=None)
    fetched = metadata_of(archive.materialize())
    shutil.rmtree(archive.days.day_path(archive.project, DATE))

    restored = metadata_of(archive.run("restore"))

    for table in ("runs_by_type", "runs_by_hour_utc"):
        assert restored[table] == fetched[table]


def test_the_project_in_langsmith_and_the_file_on_drive_are_a_click_away(
    archive: DayArchive, langsmith_client: Client
) -> None:
    archive.api.add_run(NOON)

    result = archive.materialize()

    project = langsmith_client.read_project(project_name=archive.project)
    assert metadata_of(result)["langsmith_link"] == dg.MetadataValue.url(str(project.url))
    assert isinstance(metadata_of(result, "drive_archive")["drive_link"], dg.UrlMetadataValue)
