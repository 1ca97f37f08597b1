"""What is broken in one day, and every way to check: each day has its own verdict in every check."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from lse_dagster.definitions import build_definitions
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.cli.workplace import DATE, Workplace, check_names, documents
from lse_dagster_tests.drive.conftest import Person
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

BROKEN, SOUND, FLIPPED = DAYS = [DATE - timedelta(days=2), DATE - timedelta(days=1), DATE]
COUNTS = {"run_count_matches_langsmith", "trace_count_matches_langsmith"}
OF_THE_FOLDER = check_names("raw_runs")
FILES = "files_match_summary"
ZIP = "zip_matches_day"
DRIVE = "drive_copy_matches_zip"

Verdicts = dict[date, dict[str, bool]]
"""By day and check, whether it passed."""


@pytest.fixture(scope="module")
def archived_days(
    sandbox: Sandbox, empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workplace]:
    """Three archived days. Only to be copied; what is done to Drive's copies is undone by who does it."""
    sandbox.clear()
    made = Workplace.prepare(tmp_path_factory.mktemp("days"), LangSmithApi(sandbox), empty_home, sandbox.env)
    for day in DAYS:
        made.add_runs(2, day)
    finished = made.lse("archive", "--date", f"{DAYS[0]}..{DAYS[-1]}", "--quiet")
    assert finished.returncode == 0, finished.stderr
    yield made


@pytest.fixture
def workplace(
    archived_days: Workplace,
    sandbox: Sandbox,
    langsmith_sandbox: ControlClient,
    drive_sandbox: ControlClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Workplace:
    """The three days in a folder of the test; in the last one a bit of a trace file is flipped."""
    monkeypatch.setenv("LANGSMITH_API_KEY", sandbox.env["LANGSMITH_API_KEY"])
    folder = tmp_path / "work"
    shutil.copytree(archived_days.folder, folder)
    workplace = archived_days.moved(folder)
    trace = next(path for path in workplace.days.day_path(workplace.project, FLIPPED).glob("*Z.json"))
    trace.write_bytes(trace.read_bytes().replace(b'"run"', b'"ruN"', 1))
    return workplace


def verify_all_at_once(workplace: Workplace) -> Verdicts:
    """The job `verify` without a partition."""
    return _verdicts_of_job(workplace, [None])


def verify_one_after_the_other(workplace: Workplace) -> Verdicts:
    """The job `verify` for each day."""
    return _verdicts_of_job(workplace, DAYS)


def verify_in_the_terminal(workplace: Workplace) -> Verdicts:
    """`lse verify` of the range."""
    found = documents(workplace.lse("verify", "--date", f"{DAYS[0]}..{DAYS[-1]}", "--json"))
    return {
        date.fromisoformat(one["date"]): {check["check"]: check["passed"] for check in one["checks"]}
        for one in found
    }


def _verdicts_of_job(workplace: Workplace, days: list[date] | list[None]) -> Verdicts:
    job = build_definitions(workplace.settings()).resolve_job_def("verify")
    verdicts: Verdicts = {day: {} for day in DAYS}
    with workplace.instance() as instance:
        for day in days:
            result = job.execute_in_process(
                instance=instance,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                tags={"dagster/partition": str(day)} if day else None,
                raise_on_error=False,
            )
            for check in result.get_asset_check_evaluations():
                verdicts[date.fromisoformat(check.partition or str(day))][check.check_name] = check.passed
    return verdicts


def _folder(workplace: Workplace) -> Path:
    return workplace.days.day_path(workplace.project, BROKEN)


def _zip(workplace: Workplace) -> Path:
    return workplace.zips.zip_path(workplace.project, BROKEN)


def cut_summary(workplace: Workplace) -> set[str]:
    summary = _folder(workplace) / "_summary.json"
    os.truncate(summary, summary.stat().st_size // 2)
    return OF_THE_FOLDER | {ZIP}


def summary_is_a_folder(workplace: Workplace) -> set[str]:
    summary = _folder(workplace) / "_summary.json"
    summary.unlink()
    summary.mkdir()
    return OF_THE_FOLDER | {ZIP}


def trace_is_missing(workplace: Workplace) -> set[str]:
    next(_folder(workplace).glob("*Z.json")).unlink()
    return OF_THE_FOLDER - {"langsmith_still_had_the_day"}


def zip_is_missing(workplace: Workplace) -> set[str]:
    _zip(workplace).unlink()
    return {ZIP, DRIVE}


def zip_is_a_folder(workplace: Workplace) -> set[str]:
    _zip(workplace).unlink()
    _zip(workplace).mkdir()
    return {ZIP, DRIVE}


def zip_is_cut(workplace: Workplace) -> set[str]:
    os.truncate(_zip(workplace), 100)
    return {ZIP, DRIVE}


Harm = Callable[[Workplace], set[str]]
"""Breaks the first day, and says which of its checks must fail."""
HARMS: list[Harm] = [
    cut_summary,
    summary_is_a_folder,
    trace_is_missing,
    zip_is_missing,
    zip_is_a_folder,
    zip_is_cut,
]
WAYS = [verify_all_at_once, verify_in_the_terminal]
"""The terminal runs the job for one day after the other."""


def assert_each_day_has_its_verdict(verdicts: Verdicts, failed: set[str]) -> None:
    every_check = check_names()
    assert verdicts == {
        BROKEN: {check: check not in failed for check in every_check},
        SOUND: dict.fromkeys(every_check, True),
        FLIPPED: {check: check != FILES for check in every_check},
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("harm", HARMS)
def test_a_broken_day_leaves_every_other_day_its_verdict(
    harm: Harm, way: Callable[[Workplace], Verdicts], workplace: Workplace
) -> None:
    failed = harm(workplace)

    verdicts = way(workplace)

    assert_each_day_has_its_verdict(verdicts, failed)


@pytest.mark.parametrize("way", WAYS)
def test_a_day_that_langsmith_refuses_to_count_leaves_the_others_theirs(
    way: Callable[[Workplace], Verdicts], workplace: Workplace, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path="/runs/stats$", status=422, times=1)

    assert_each_day_has_its_verdict(way(workplace), COUNTS)


@pytest.mark.parametrize("way", [verify_all_at_once, verify_one_after_the_other])
def test_a_file_in_a_days_place_is_the_verdict_of_its_day(
    way: Callable[[Workplace], Verdicts], workplace: Workplace
) -> None:
    shutil.rmtree(_folder(workplace))
    _folder(workplace).write_text("no folder")

    assert_each_day_has_its_verdict(way(workplace), OF_THE_FOLDER | {ZIP})


@pytest.mark.parametrize("way", WAYS)
def test_a_twin_on_drive_is_the_verdict_of_its_day(
    way: Callable[[Workplace], Verdicts], workplace: Workplace, sandbox: Sandbox
) -> None:
    person = Person(sandbox.env)
    name = _zip(workplace).name
    (copy,) = person.files.list(
        q=f"name = '{name}' and trashed = false",
        fields="files(id,parents)",
        includeItemsFromAllDrives=True,
        supportsAllDrives=True,
        corpora="allDrives",
    ).execute()["files"]
    twin = person.make_file(name, copy["parents"][0], b"something else")
    try:
        verdicts = way(workplace)
    finally:
        person.trash(twin)

    assert_each_day_has_its_verdict(verdicts, {DRIVE})


@pytest.mark.parametrize("way", WAYS)
def test_without_a_drive_folder_each_day_says_so_and_the_rest_is_checked(
    way: Callable[[Workplace], Verdicts], workplace: Workplace
) -> None:
    del workplace.variables["GOOGLE_DRIVE_FOLDER_URL"]
    env = workplace.folder / ".env"
    env.write_text("\n".join(line for line in env.read_text().splitlines() if "FOLDER_URL" not in line))

    verdicts = way(workplace)

    assert {
        day: {check for check, passed in found.items() if not passed} for day, found in verdicts.items()
    } == {
        BROKEN: {DRIVE},
        SOUND: {DRIVE},
        FLIPPED: {FILES, DRIVE},
    }


def test_an_error_is_told_with_its_three_parts_and_fails_whatever_the_check_is(workplace: Workplace) -> None:
    zip_is_missing(workplace)

    finished = workplace.lse("verify", "--date", str(BROKEN))
    verify_all_at_once(workplace)

    assert finished.returncode == 1
    assert "✗ zip_matches_day" in finished.stdout
    assert f"or `lse archive zip --date {BROKEN} --project {workplace.project}`." in finished.stderr
    with workplace.instance() as instance:
        key = dg.AssetCheckKey(dg.AssetKey("day_zip"), ZIP)
        infos = instance.event_log_storage.get_asset_check_partition_info([key])
    assert {info.partition_key for info in infos} >= {str(day) for day in DAYS}
