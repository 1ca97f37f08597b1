"""`lse archive restore` of a range: what is on Drive comes back, the rest makes nothing red."""

import shutil

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from lse_dagster.cli.running.display import Display
from lse_dagster.cli.running.outcome import DayPlan
from lse_dagster.day.identity import id_hash
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.cli.workplace import DATE, NEXT, Workplace, check_names, documents

WEEK = ("--start-date", "2025-08-25", "--end-date", "2025-08-31")
BEFORE = "2025-08-25..2025-08-28"
AFTER = "2025-08-30..2025-08-31"


def restored_partitions(workplace: Workplace) -> list[tuple[str, dg.DagsterRunStatus]]:
    """The day and the status of every run of the job `restore` that Dagster knows."""
    with workplace.instance() as instance:
        runs = instance.get_runs(dg.RunsFilter(job_name="restore"))
    return [(run.tags["dagster/partition"], run.status) for run in runs]


def check_statuses(workplace: Workplace) -> set[AssetCheckExecutionRecordStatus]:
    """How the checks of `raw_runs` stand in the UI."""
    keys = [dg.AssetCheckKey(dg.AssetKey("raw_runs"), name) for name in check_names("raw_runs")]
    with workplace.instance() as instance:
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    assert latest.keys() == set(keys)
    return {record.status for record in latest.values()}


@pytest.mark.parametrize("form", ["", "--quiet", "--json"])
def test_a_range_with_holes_restores_what_is_on_drive_and_tells_the_rest_in_one_line(
    form: str, archived: Workplace
) -> None:
    shutil.rmtree(archived.folder / "data")

    finished = archived.lse("archive", "restore", *WEEK, *filter(None, [form]))

    assert (finished.returncode, finished.stderr) == (0, "")
    assert archived.days.find(archived.project, DATE) is not None
    assert restored_partitions(archived) == [(str(DATE), dg.DagsterRunStatus.SUCCESS)]
    assert check_statuses(archived) == {AssetCheckExecutionRecordStatus.SUCCEEDED}
    match form:
        case "":
            last = finished.stdout.splitlines()[-1]
            assert last == f"1 restored; 6 are not on Drive: {BEFORE}, {AFTER}."
            assert finished.stdout.count("not on Drive") == 1
        case "--quiet":
            assert finished.stdout == ""
        case _:
            told = {one["date"]: one for one in documents(finished)}
            done = told.pop(str(DATE))
            assert (done["status"], done["error"], len(done["steps"])) == ("done", None, 1)
            assert sorted(told) == [f"2025-08-{day}" for day in (25, 26, 27, 28, 30, 31)]
            assert told["2025-08-25"] == {
                "project": archived.project,
                "date": "2025-08-25",
                "status": "absent",
                "run_id": None,
                "steps": [],
                "checks": [],
                "error": None,
            }
            assert {one["status"] for one in told.values()} == {"absent"}


@pytest.mark.parametrize("zip_is_here", [True, False])
def test_the_same_restore_again_leaves_what_came_back_and_asks_about_what_is_damaged(
    zip_is_here: bool, archived: Workplace
) -> None:
    shutil.rmtree(archived.folder / "data")
    if not zip_is_here:
        archived.zips.zip_path(archived.project, DATE).unlink()
    assert archived.lse("archive", "restore", *WEEK).returncode == 0

    again = archived.lse("archive", "restore", *WEEK)
    next(archived.days.load(archived.project, DATE).path.glob("*Z.json")).unlink()
    damaged = archived.lse("archive", "restore", *WEEK)

    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == f"0 restored, 1 was whole; 6 are not on Drive: {BEFORE}, {AFTER}.\n"
    assert damaged.returncode == 1
    assert "The day folder is damaged" in damaged.stderr
    assert len(restored_partitions(archived)) == 1


@pytest.mark.parametrize(
    ("days", "status", "why"),
    [
        (["2025-08-25", "2025-08-26"], "absent", "holds no day zip of this project in the dates asked for"),
        (["2025-08-25"], "failed", "_2025-08-25.zip is not in the Drive folder"),
    ],
)
def test_where_nothing_asked_for_is_on_drive_it_fails_with_what_to_do_and_runs_nothing(
    days: list[str], status: str, why: str, archived: Workplace
) -> None:
    finished = archived.lse("archive", "restore", "--date", "..".join(days), "--json")

    assert finished.returncode == 1
    assert [line.split()[0] for line in finished.stderr.splitlines()] == ["Error:", "Why:", "Next:"]
    assert why in finished.stderr
    assert "GOOGLE_DRIVE_FOLDER_URL" in finished.stderr
    told = [(one["date"], one["status"], one["error"] is not None) for one in documents(finished)]
    assert told == [(day, status, status == "failed") for day in days]
    assert restored_partitions(archived) == []


def test_a_day_that_only_its_remembered_id_tells_of_is_restored(
    workplace: Workplace, drive_sandbox: ControlClient
) -> None:
    drive_sandbox.settings(list_lag=50)
    workplace.add_runs(1)
    assert workplace.lse("archive", "--date", str(DATE), "--quiet").returncode == 0
    shutil.rmtree(workplace.folder / "data")

    restored = workplace.lse("archive", "restore", *WEEK)
    shutil.rmtree(workplace.folder / "archives" / ".drive")
    forgotten = workplace.lse("archive", "restore", *WEEK, "--force")

    assert restored.returncode == 0, restored.stderr
    assert restored.stdout.splitlines()[-1].startswith("1 restored; 6 are not on Drive")
    assert forgotten.returncode == 1  # without the memory the lists would have hidden it


def test_a_day_that_is_on_drive_for_another_project_of_the_name_is_absent_of_this_one(
    workplace: Workplace,
) -> None:
    workplace.add_runs(3)
    assert workplace.lse("archive", "--date", str(DATE), "--quiet").returncode == 0
    api, old = workplace.api, workplace.api.project_id
    assert api.session.delete(f"{api.url}/sessions/{old}").ok
    new = api.project_id = api.post("/sessions", {"name": api.project}).json()["id"]
    workplace.add_runs(1)
    workplace.add_runs(1, NEXT)
    assert workplace.lse("archive", "--date", f"{DATE}..{NEXT}", "--force", "--quiet").returncode == 0
    shutil.rmtree(workplace.folder / "data")
    both = ("--date", f"{DATE}..{NEXT}", "--json", "--project-id")

    of_old = documents(workplace.lse("archive", "restore", *both, old))
    of_new = documents(workplace.lse("archive", "restore", *both, id_hash(new)))

    assert {one["date"]: one["status"] for one in of_old} == {str(DATE): "done", str(NEXT): "absent"}
    assert [one["status"] for one in of_new] == ["done", "done"]
    assert workplace.days.load(workplace.project, DATE, old).summary.counts.traces == 3
    assert workplace.days.load(workplace.project, DATE, new).summary.counts.traces == 1


def test_a_copy_that_goes_after_it_was_listed_is_an_error_of_its_day(workplace: Workplace) -> None:
    workplace.add_runs(1, NEXT)
    assert workplace.lse("archive", "--date", str(NEXT), "--quiet").returncode == 0

    with workplace.instance() as instance:
        outcome = workplace.runner(Display(), instance).run(DayPlan(DATE, {"restore": "never"}))

    assert outcome.steps == ()
    assert "is not in the Drive folder" in str(outcome.error)
    assert restored_partitions(workplace) == [(str(DATE), dg.DagsterRunStatus.SUCCESS)]
