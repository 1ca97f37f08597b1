"""Days that LangSmith forgot before they were archived: nothing passes for them, and nothing is red."""

from datetime import date, timedelta

import dagster as dg
import pytest

from lse_dagster.cli.archive.wording import sign_of
from lse_dagster.cli.running.outcome import CheckOutcome, DayOutcome, DayPlan
from lse_dagster.errors import ArchiveError
from lse_dagster_tests.cli.test_status import day_of, status
from lse_dagster_tests.cli.workplace import DATE, NEXT, Workplace, check_names, documents

RANGE = ("--date", f"{DATE}..{NEXT}")


@pytest.fixture
def late(workplace: Workplace) -> Workplace:
    """Long after the retention: of the first day a trace has outlived it, of the next one nothing."""
    workplace.add_runs(1)
    env = workplace.folder / ".env"
    env.write_text(env.read_text().replace("36500", "14"))
    return workplace


def test_a_forgotten_day_of_a_range_is_one_line_and_leaves_neither_a_day_nor_anything_red(
    late: Workplace, caplog: pytest.LogCaptureFixture
) -> None:
    finished = late.lse("archive", *RANGE)

    assert finished.returncode == 0, finished.stderr
    assert "Blocking asset check" not in caplog.text
    assert f"1 forgotten by LangSmith, nothing to fetch: {NEXT}." in finished.stdout
    assert finished.stdout.count("forgotten by LangSmith") == 1
    assert late.days.dates(late.project) == [DATE]
    assert not late.zips.zip_path(late.project, NEXT).exists()
    assert late.hidden_files() == []
    with late.instance() as instance:
        runs = {run.tags["dagster/partition"]: run for run in instance.get_runs()}
        materialized = {
            asset: instance.get_materialized_partitions(dg.AssetKey(asset))
            for asset in ("raw_runs", "day_zip", "drive_archive")
        }
        keys = [
            dg.AssetCheckKey(dg.AssetKey(asset), name)
            for asset in materialized
            for name in check_names(asset)
        ]
        checks = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    assert {run.status for run in runs.values()} == {dg.DagsterRunStatus.SUCCESS}
    assert runs[str(NEXT)].tags["lse/skipped"] == "forgotten by LangSmith"
    assert "lse/skipped" not in runs[str(DATE)].tags
    assert set.union(*materialized.values()) == {str(DATE)}
    assert {check.partition for check in checks.values()} == {str(DATE)}  # nothing is left of the other day


def test_a_forgotten_day_alone_is_no_success_and_the_error_says_what_is_left_to_do(late: Workplace) -> None:
    alone = late.lse("archive", "--date", str(NEXT), "--json")
    forced = late.lse("archive", "fetch", "--date", str(NEXT), "--force", "--quiet")
    archived = late.lse("archive", *RANGE, "--json")

    assert (alone.returncode, forced.returncode, archived.returncode) == (1, 1, 0)
    assert [one["status"] for one in documents(alone)] == ["forgotten"]
    assert [one["status"] for one in documents(archived)] == ["done", "forgotten"]
    assert f"Error: Fetching {NEXT} of '{late.project}'" in alone.stderr
    assert "LangSmith has no run of it any more: it keeps them for 14 days" in alone.stderr
    assert f"lse archive restore --date {NEXT} --project {late.project}" in alone.stderr


def test_status_has_no_command_for_it_and_no_tick_for_what_outlived_its_day(late: Workplace) -> None:
    late.lse("archive", "--date", str(DATE), "--quiet")

    document, shown = status(late), late.lse("status", "--month", "2025-08")

    project = document["projects"][0]
    (of_late,) = document["gaps"]  # what LangSmith still has
    assert date.fromisoformat(of_late["last"]) - date.fromisoformat(of_late["first"]) < timedelta(days=14)
    assert project["days"] == project["gap_days"] + project["forgotten_days"] + 1
    assert (day_of(document, NEXT)["forgotten"], day_of(document, NEXT)["need"]) == (True, None)
    assert day_of(document, DATE)["verified"] == "unproved"
    rows = {line[:10]: line for line in shown.stdout.splitlines() if line.startswith("2025-08-")}
    assert rows[str(NEXT)].endswith("forgotten by LangSmith")
    assert f"{project['forgotten_days']} forgotten by LangSmith after 14 days," in shown.stdout
    assert "✓" not in rows[str(DATE)]
    assert shown.stdout.count("lse archive") == 1


def test_langsmith_may_count_runs_of_a_day_that_it_has_begun_to_forget(late: Workplace) -> None:
    late.lse("archive", "--date", str(DATE), "--quiet")
    late.add_runs(2, NEXT)

    asked = status(late, "--langsmith", "--month", "2025-08")

    gap, *_ = asked["gaps"]
    assert (gap["first"], gap["last"], gap["why"]) == (str(NEXT), str(NEXT), "some of it outlived its day")
    assert late.lse(*gap["command"].split()[1:], "--quiet").returncode == 0
    assert day_of(status(late), NEXT)["runs"] == 2


def test_an_empty_day_within_the_retention_is_a_day(workplace: Workplace) -> None:
    finished = workplace.lse("archive", "fetch", "--date", str(DATE), "--json")

    assert [one["status"] for one in documents(finished)] == ["done"]
    assert workplace.days.load(workplace.project, DATE).summary.langsmith_total == 0


@pytest.mark.parametrize(
    ("check", "passed", "failed", "sign"),
    [
        ("langsmith_still_had_the_day", True, False, "✓"),
        ("langsmith_still_had_the_day", False, False, "!"),
        ("no_pending_runs", False, False, "✓"),
        ("langsmith_still_had_the_day", False, True, "✗"),
    ],
)
def test_in_a_range_only_a_day_that_is_proved_whole_has_a_tick(
    check: str, passed: bool, failed: bool, sign: str
) -> None:
    found = CheckOutcome("raw_runs", check, passed, not passed, "", {})
    errors = (ArchiveError("what", "why", "next"),) if failed else ()

    assert sign_of(DayOutcome("p", DayPlan(DATE, {}), "run", checks=(found,), errors=errors)) == sign
