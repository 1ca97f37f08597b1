"""`lse archive` as scripts and other programs meet it: pipes, JSON, exit codes, Dagster's instance."""

import re
import sys
from datetime import datetime
from pathlib import Path

import dagster as dg

from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.cli.workplace import DATE, LSE, NEXT, Workplace, check_names, documents

DAGSTER = str(Path(sys.executable).with_name("dagster"))
ASSETS = ("raw_runs", "day_zip", "drive_archive")


def materializations(instance: dg.DagsterInstance, run_id: str) -> dict[str, set[str]]:
    """The metadata keys of each asset of a day that a run materialized."""
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    found = [event.asset_materialization for event in events]
    named = {one.asset_key.to_user_string(): set(one.metadata) for one in found if one is not None}
    return {name: keys for name, keys in named.items() if name in ASSETS}


def evaluations(instance: dg.DagsterInstance, run_id: str) -> dict[str, tuple[bool, str | None, set[str]]]:
    """What a run recorded of a day's checks: whether each passed, for which day, and its metadata keys."""
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [event.dagster_event.asset_check_evaluation_data for event in events if event.dagster_event]
    of_a_day = [one for one in found if one.asset_key.to_user_string() in ASSETS]
    return {one.check_name: (one.passed, one.partition, set(one.metadata)) for one in of_a_day}


def test_a_day_archived_here_is_the_same_in_dagster_as_one_that_dagster_materialized(
    workplace: Workplace,
) -> None:
    workplace.add_runs(3)
    command = f"{DAGSTER} asset materialize -m lse_dagster --select * --partition {DATE}"

    by_dagster = workplace.run(*command.split())
    dagster_run = workplace.latest_run()
    refused = workplace.lse("archive", "--date", str(DATE))
    by_lse = workplace.lse("archive", "--date", str(DATE), "--force")
    lse_run = workplace.latest_run()

    assert by_dagster.returncode == 0, by_dagster.stderr
    assert refused.returncode == 1
    assert "3 runs in 3 traces lie in data/" in refused.stderr  # what Dagster fetched
    assert by_lse.returncode == 0, by_lse.stderr
    assert lse_run.run_id != dagster_run.run_id
    assert lse_run.status == dg.DagsterRunStatus.SUCCESS
    assert {run.tags["lse/project"] for run in (dagster_run, lse_run)} == {workplace.project}
    with workplace.instance() as instance:
        expected = materializations(instance, dagster_run.run_id)
        assert expected.keys() == set(ASSETS)
        # A day that replaced another says how they differ; the first one had none to replace.
        kinds = ("runs", "attachments", "feedback")
        replaced = {"runs_added", "runs_changed"} | {
            f"{kind}_{fate}" for kind in kinds for fate in ("kept", "lost")
        }
        assert materializations(instance, lse_run.run_id) == {
            **expected,
            "raw_runs": expected["raw_runs"] | replaced,
        }
        assert evaluations(instance, lse_run.run_id) == evaluations(instance, dagster_run.run_id)
        assert evaluations(instance, lse_run.run_id).keys() == check_names()
        for asset in ASSETS:
            assert instance.get_materialized_partitions(dg.AssetKey(asset)) == {str(DATE)}


def test_without_a_terminal_it_logs_plain_lines_and_never_overwrites_unasked(workplace: Workplace) -> None:
    workplace.add_runs(2)

    first = workplace.run(LSE, "archive", "--date", str(DATE))
    before = workplace.days.load(workplace.project, DATE).summary
    again = workplace.lse("archive", "fetch", "--date", str(DATE))

    prefix = f"{workplace.project} {DATE}: "
    lines = first.stdout.splitlines()
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    assert all(line.startswith(prefix) for line in lines)
    assert "\x1b" not in first.stdout
    said = [line.removeprefix(prefix).split(":")[0] for line in lines]
    assert [text for text in said if "so far" not in text] == [
        "✓ fetch",
        "✓ zip",
        "✓ upload",
        "done, 11 of 11 checks passed",
    ]
    assert f"data/{workplace.project}/{DATE}" in first.stdout
    assert again.returncode == 1
    assert [line.split()[0] for line in again.stderr.splitlines()] == ["Error:", "Why:", "Next:"]
    assert "--force" in again.stderr
    assert workplace.days.load(workplace.project, DATE).summary == before


def test_json_is_one_document_per_day_and_a_failed_day_keeps_no_other_from_its_turn(
    workplace: Workplace,
) -> None:
    workplace.add_runs(2)
    assert workplace.lse("archive", "fetch", "--date", str(DATE)).returncode == 0

    finished = workplace.lse("archive", "zip", "--date", f"2025-08-28..{DATE}", "--json")

    missing, zipped = documents(finished)
    assert finished.returncode == 1
    assert (missing["date"], missing["status"], missing["steps"]) == ("2025-08-28", "failed", [])
    assert "lse archive restore --date 2025-08-28" in missing["error"]["next"]
    assert (zipped["date"], zipped["status"], zipped["error"]) == (str(DATE), "done", None)
    assert zipped["project"] == workplace.project
    assert zipped["steps"][0]["step"] == "zip"
    assert zipped["steps"][0]["metadata"]["action"] == "built"
    assert {check["check"]: check["passed"] for check in zipped["checks"]} == dict.fromkeys(
        check_names("day_zip"), True
    )
    assert zipped["run_id"] == workplace.latest_run().run_id
    assert "Failed: 2025-08-28." in finished.stderr
    assert "Traceback" not in finished.stderr


def test_what_would_fail_every_day_ends_a_range_at_once_and_debug_shows_where(
    workplace: Workplace, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path="/sessions", status=401, times=100)

    finished = workplace.lse(
        "archive",
        "fetch",
        "--date",
        f"{DATE}..2025-08-31",
        "--debug",
        "--json",
    )

    assert finished.returncode == 1
    assert [document["date"] for document in documents(finished)] == [str(DATE), str(NEXT), "2025-08-31"]
    assert "Unauthorized" in finished.stderr  # the trace of --debug
    assert f"{NEXT}..2025-08-31" in finished.stderr


def test_a_blocking_check_stops_the_day_and_is_the_exit_code(
    workplace: Workplace, langsmith_sandbox: ControlClient
) -> None:
    workplace.add_runs(1)
    # a run comes between the fetch and the checks: LangSmith counts it from the third time on
    langsmith_sandbox.fault(path="/runs/stats$", status=200, body={"run_count": 1}, times=2)
    langsmith_sandbox.fault(path="/runs/stats$", status=200, body={"run_count": 2}, times=100)

    finished = workplace.lse("archive", "--date", str(DATE), "--quiet")

    assert finished.returncode == 1
    assert finished.stdout == ""
    assert "run_count_matches_langsmith failed: 1 of 2 runs: 1 missing." in finished.stderr
    assert workplace.days.find(workplace.project, DATE) is not None
    assert not workplace.zips.zip_path(workplace.project, DATE).exists()


def test_a_project_that_is_not_configured_is_archived_under_its_own_keys_and_folders(
    workplace: Workplace, tmp_path: Path
) -> None:
    other = "Other projekt ü"
    workplace.api.project = other
    workplace.add_runs(2)

    fetched = workplace.lse("archive", "fetch", "--date", str(DATE), "--project", other)
    zipped = workplace.lse(
        "archive", "zip", "--date", str(DATE), "--project", other, "--output-dir", str(tmp_path / "zips")
    )

    assert fetched.returncode == 0, fetched.stderr
    assert zipped.returncode == 0, zipped.stderr
    assert len(workplace.days.load(other, DATE).run_ids()) == 2
    assert [path.name for path in (tmp_path / "zips").glob("*.zip")] == [f"{other}_{DATE}.zip"]
    with workplace.instance() as instance:
        keys = {key.to_user_string() for key in instance.get_asset_keys()}
    assert {key.partition("/")[2] for key in keys} == {"raw_runs", "day_zip"}
    assert {key.partition("/")[0][:14] for key in keys} == {"other_projekt_"}


def test_drive_out_of_reach_does_not_keep_a_day_from_being_fetched_and_zipped(workplace: Workplace) -> None:
    workplace.add_runs(1)
    env = workplace.folder / ".env"
    kept = [line for line in env.read_text().splitlines() if "FOLDER_URL" not in line]
    env.write_text("\n".join(kept))

    finished = workplace.lse("archive", "--date", str(DATE), "--json")

    (document,) = documents(finished)
    assert finished.returncode == 1
    assert [step["step"] for step in document["steps"]] == ["fetch", "zip"]
    assert "GOOGLE_DRIVE_FOLDER_URL" in document["error"]["why"]
    assert "Fetching and zipping all the same" in finished.stderr
    assert workplace.zips.zip_path(workplace.project, DATE).exists()


def test_a_project_whose_name_is_longer_than_dagster_takes_is_archived(workplace: Workplace) -> None:
    name = f"{workplace.project} and the quarterly evaluation of every prompt of the support assistant"
    workplace.api.post("/sessions", {"name": name})
    noon = datetime.fromisoformat(f"{DATE}T12:00:00+00:00")
    workplace.api.add_run(noon, session_name=name)

    finished = workplace.lse("archive", "--date", str(DATE), "--project", name, "--quiet")

    assert finished.returncode == 0, finished.stderr
    assert workplace.zips.load(name, DATE).summary.counts.traces == 1


def test_a_day_before_the_start_date_is_refused_with_what_to_set(workplace: Workplace) -> None:
    env = workplace.folder / ".env"
    env.write_text(env.read_text() + f"LSE_START_DATE='{NEXT}'\n")

    for command in (["archive"], ["archive", "fetch"], ["archive", "zip"], ["archive", "upload"]):
        finished = workplace.lse(*command, "--date", str(DATE))

        assert finished.returncode == 1
        assert f"Why:   The archive begins on {NEXT}." in finished.stderr
        assert f"Next:  Put LSE_START_DATE={DATE} into .env" in finished.stderr


def test_what_dagster_says_of_such_a_day_stands_in_the_manual(workplace: Workplace) -> None:
    env = workplace.folder / ".env"
    env.write_text(env.read_text() + f"LSE_START_DATE='{NEXT}'\n")
    materialize = ("asset", "materialize", "-m", "lse_dagster", "--select", "*", "--partition", str(DATE))

    finished = workplace.run(DAGSTER, *materialize)

    (said,) = re.findall(r"InvalidSubsetError: (.*) `2025", finished.stderr)
    manual = Path(__file__).parents[3] / "docs" / "recovering.md"
    assert f"**`{said}`**" in manual.read_text(encoding="utf-8")
