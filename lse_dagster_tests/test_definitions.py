"""The definitions as Dagster sees them: names that must not change, and wiring that must not cross."""

import inspect
import os
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

import lse_dagster
from lse_dagster.definitions import build_definitions
from lse_dagster.defs import assets
from lse_dagster.defs.failure import Retries
from lse_dagster.defs.overview import asset as asset_of_all
from lse_dagster.defs.project import slug
from lse_dagster.settings import Settings

ROOT = Path(__file__).parent.parent
OVERVIEW = dg.AssetKey("archive_overview")
NAMES = ("my-project", "My Project ü", "my_project", "a/b, c")


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_definitions(Settings(projects=NAMES))


def test_the_first_project_has_plain_keys_and_the_others_a_prefix(defs: dg.Definitions) -> None:
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}

    prefixes = ["", "my_project_u_7e3d21/", "my_project_a6392d/", f"{slug('a/b, c')}/"]
    assert keys == {"archive_overview"} | {
        f"{prefix}{name}" for prefix in prefixes for name in ("raw_runs", "day_zip", "drive_archive")
    }


def test_each_projects_chain_is_closed_and_all_of_them_end_in_the_overview(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    keys = {*graph.get_all_asset_keys()} - {OVERVIEW}

    assert graph.get(OVERVIEW).parent_keys == {key for key in keys if key.path[-1] == "drive_archive"}
    for key in keys:
        for parent in graph.get(key).parent_keys:
            assert parent.path[:-1] == key.path[:-1]


def test_every_asset_has_its_checks_and_the_blocking_ones_block(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()

    blocking = {(key.asset_key.path[-1], key.name): graph.get(key).blocking for key in graph.asset_check_keys}

    assert blocking == {
        ("raw_runs", "run_count_matches_langsmith"): True,
        ("raw_runs", "trace_count_matches_langsmith"): True,
        ("raw_runs", "traces_are_complete"): False,
        ("raw_runs", "files_match_summary"): True,
        ("raw_runs", "no_pending_runs"): False,
        ("raw_runs", "langsmith_still_had_the_day"): False,
        ("raw_runs", "attachments_are_complete"): False,
        ("raw_runs", "nothing_was_withdrawn"): False,
        ("raw_runs", "feedback_is_complete"): False,
        ("day_zip", "zip_matches_day"): True,
        ("drive_archive", "drive_copy_matches_zip"): False,
        ("archive_overview", "every_day_is_archived"): False,
    }
    assert len(list(graph.asset_check_keys)) == (len(blocking) - 1) * len(NAMES) + 1


def test_every_asset_says_what_it_is_whose_it_is_and_where_its_code_is() -> None:
    owners = ("jane@example.com", "team:data")
    settings = Settings.from_environment({"LSE_PROJECTS": "a,b", "LSE_OWNERS": ",".join(owners)})
    graph = build_definitions(settings).resolve_asset_graph()

    for key in graph.get_all_asset_keys():
        asset = graph.get(key)
        assert asset.description
        assert list(asset.owners) == list(owners)
        whose = None if key == OVERVIEW else "b" if key.has_prefix(["b"]) else "a"
        assert asset.tags.get("lse/project") == whose
        assert len(asset.kinds) == 2
        references = asset.metadata["dagster/code_references"]
        assert isinstance(references, dg.CodeReferencesMetadataValue)
        (reference,) = references.code_references
        assert isinstance(reference, dg.LocalFileCodeReference)
        module = asset_of_all if key == OVERVIEW else assets
        assert reference.file_path == module.__file__
        assert f"def {key.path[-1]}(" in "".join(lines_from(reference))
    for check in graph.asset_check_keys:
        assert graph.get(check).description


def lines_from(reference: dg.LocalFileCodeReference) -> list[str]:
    """What an editor shows that follows the link: the lines of one decorated function."""
    lines = Path(reference.file_path).read_text(encoding="utf-8").splitlines(keepends=True)
    assert reference.line_number is not None
    return inspect.getblock(lines[reference.line_number - 1 :])


def test_what_may_pass_is_tried_again_when_dagster_runs_it() -> None:
    retries = (lse_dagster.code_location.resources or {})["retries"]

    assert isinstance(retries, Retries)
    assert (retries.most, retries.first_wait_seconds) == (3, 60)


def test_jobs_and_schedules_have_stable_names(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()

    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert {"archive", "restore", "verify"} <= jobs
    assert {"archive_my_project_u_7e3d21", "restore_my_project_a6392d"} <= jobs
    assert "archive_schedule" in {schedule.name for schedule in repository.schedule_defs}


@pytest.mark.parametrize("first", [True, False])
def test_what_belongs_to_a_project_says_its_name_as_langsmith_shows_it(first: bool) -> None:
    name = "eval/nightly"
    settings = Settings(projects=(name, "b") if first else ("b", name), keep_local_days=30, schedules="on")
    repository = build_definitions(settings).get_repository_def()
    graph = repository.asset_graph
    assets = [
        graph.get(key)
        for key in graph.get_all_asset_keys()
        if graph.get(key).metadata.get("langsmith_project") == name
    ]
    jobs = [job for job in repository.get_all_jobs() if job.run_tags.get("lse/project") == name]
    ticking: list[Any] = [*repository.schedule_defs, *repository.sensor_defs]
    clocks = [one for one in ticking if one.tags.get("lse/project") == name]

    suffix = "" if first else f"_{slug(name)}"
    assert len(assets) == 3
    assert {job.name for job in jobs} == {
        f"{kind}{suffix}" for kind in ("archive", "restore", "verify", "reconcile", "expiry", "free_disk")
    }
    assert {one.name for one in clocks} == {
        f"{kind}{suffix}{what}"
        for kind, what in (("archive", "_schedule"), ("free_disk", "_schedule"), ("reconcile", "_sensor"))
    }
    described: list[Any] = [*assets, *jobs, *clocks]
    assert all(one.description.startswith(f"{name}: ") for one in described)


def test_the_schedule_archives_yesterday_some_hours_after_midnight_utc_and_is_off(
    defs: dg.Definitions,
) -> None:
    schedule = defs.get_repository_def().get_schedule_def("archive_schedule")
    tick = datetime(2025, 8, 30, 3, 30, tzinfo=UTC)

    with dg.DagsterInstance.ephemeral() as instance:
        evaluated = schedule.evaluate_tick(
            dg.build_schedule_context(
                instance, scheduled_execution_time=tick, repository_def=defs.get_repository_def()
            )
        )

    assert schedule.cron_schedule == "30 3 * * *"
    assert schedule.execution_timezone == "UTC"
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert [request.partition_key for request in evaluated.run_requests or []] == ["2025-08-29"]


def test_partitions_are_utc_dates_from_the_start_date_to_yesterday() -> None:
    defs = build_definitions(Settings(start_date=datetime(2025, 8, 1, tzinfo=UTC).date()))
    partitions = defs.resolve_asset_graph().get(dg.AssetKey("raw_runs")).partitions_def

    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    assert partitions.timezone == "UTC"
    assert partitions.get_first_partition_key() == "2025-08-01"
    with dg.partition_loading_context(effective_dt=datetime(2025, 8, 30, 0, 0, 1, tzinfo=UTC)):
        assert partitions.get_last_partition_key() == "2025-08-29"


def test_definitions_load_without_any_variable(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "DAGSTER_HOME": str(tmp_path)}

    finished = subprocess.run(
        [sys.executable, "-c", "import lse_dagster as m; print(type(m.code_location).__name__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.stdout == "Definitions\n", finished.stderr
    assert "Warning" not in finished.stderr


def test_a_setting_that_is_wrong_stops_no_loading_and_is_named(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "LSE_START_DATE": "yesterday"}

    finished = subprocess.run(
        [sys.executable, "-c", "import lse_dagster as m; print(type(m.code_location).__name__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.stdout == "Definitions\n"
    assert "LSE_START_DATE=2025-08-01" in finished.stderr


def test_importing_the_package_does_not_import_dagster() -> None:
    code = "import sys, lse_dagster, lse_dagster.cli; print('dagster' in sys.modules)"

    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert finished.stdout == "False\n"


def test_workspace_and_pyproject_name_the_same_location() -> None:
    (location,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]

    module, name = location["python_module"]["module_name"], location["python_module"]["location_name"]
    assert (tools["dagster"]["module_name"], tools["dagster"]["code_location_name"]) == (module, name)
    assert tools["dg"]["project"]["code_location_target_module"] == module
    assert tools["dg"]["project"]["code_location_name"] == name


@pytest.mark.parametrize(
    "command", [["definitions", "validate"], ["definitions", "validate", "-w", "workspace.yaml"]]
)
def test_dagster_itself_finds_the_definitions_valid(command: list[str]) -> None:
    dagster = Path(sys.executable).with_name("dagster")

    finished = subprocess.run([str(dagster), *command], cwd=ROOT, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr
