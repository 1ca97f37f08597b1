"""`lse archive` of a range or a month: what is missing is done, what is whole left, the rest asked about."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest

from lse_dagster.cli.terminal.dates import utc_today
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.cli.workplace import DATE, NEXT, Finished, Workplace, documents

BEFORE = DATE - timedelta(days=1)
RANGE = f"{BEFORE}..{NEXT}"


@pytest.fixture
def begun(workplace: Workplace) -> Workplace:
    """A project with a day that is whole; these tests change what is on Drive."""
    workplace.add_runs(3)
    assert archive(workplace, "--quiet", dates=str(DATE)).returncode == 0
    return workplace


def archive(workplace: Workplace, *arguments: str, dates: str = RANGE) -> Finished:
    return workplace.lse("archive", "--date", dates, *arguments)


def statuses(finished: Finished) -> dict[str, tuple[str, list[str]]]:
    """What became of each day, by its one document: the status, and the steps."""
    told = documents(finished)
    found = {one["date"]: (one["status"], [step["step"] for step in one["steps"]]) for one in told}
    assert len(found) == len(told)
    return found


def runs_of_dagster(workplace: Workplace) -> Counter[str]:
    """How many runs Dagster has of each day."""
    with workplace.instance() as instance:
        return Counter(run.tags["dagster/partition"] for run in instance.get_runs())


def test_what_is_missing_is_done_what_is_whole_is_left_and_a_dry_run_says_so_before(
    begun: Workplace, langsmith_sandbox: ControlClient
) -> None:
    begun.lse("archive", "fetch", "--date", str(NEXT), "--quiet")
    before = runs_of_dagster(begun)
    langsmith_sandbox.clear_requests()

    dry = archive(begun, "--dry-run")
    planned = statuses(archive(begun, "--dry-run", "--json"))
    untouched = (runs_of_dagster(begun), langsmith_sandbox.requests())
    done = archive(begun)
    again = archive(begun)
    told = statuses(archive(begun, "--json"))

    assert (dry.returncode, done.returncode, again.returncode) == (0, 0, 0), done.stderr
    assert dry.stdout.splitlines() == [
        f"{BEFORE}  would be fetched, zipped and uploaded",
        f"{NEXT}  would be zipped and uploaded",
        "2 would be archived, 1 was whole.",
    ]
    assert planned == {
        str(BEFORE): ("planned", ["fetch", "zip", "upload"]),
        str(DATE): ("whole", []),
        str(NEXT): ("planned", ["zip", "upload"]),
    }
    assert untouched == (before, [])
    assert done.stdout.splitlines()[-1] == "2 archived, 1 was whole."
    assert again.stdout == "3 were whole.\n"
    assert {status for status, _ in told.values()} == {"whole"}
    assert runs_of_dagster(begun) == before + Counter([str(BEFORE), str(NEXT)])


def test_a_freed_day_is_whole_and_a_month_begins_with_the_archive(begun: Workplace) -> None:
    begun.variables["LSE_START_DATE"] = str(DATE)
    moved = begun.moved(begun.folder)
    assert moved.lse("free", "--date", str(DATE), "--yes").returncode == 0

    finished = archive(moved, "--dry-run", dates="2025-08")

    assert finished.stdout.splitlines() == [
        "2025-08-30  would be fetched, zipped and uploaded",
        "2025-08-31  would be fetched, zipped and uploaded",
        "2 would be archived, 1 was whole, 28 are before LSE_START_DATE: 2025-08-01..2025-08-28.",
    ]


def test_drive_out_of_reach_keeps_no_day_of_a_range_from_being_fetched_and_zipped(begun: Workplace) -> None:
    begun.variables["GOOGLE_DRIVE_FOLDER_URL"] = "https://drive.example.com/no/folder"
    moved = begun.moved(begun.folder)

    finished = archive(moved)
    told = archive(moved, "--force", "--json")

    assert (finished.returncode, told.returncode) == (1, 1)
    assert finished.stdout.splitlines()[-1] == "2 fetched and zipped, not on Drive, 1 was whole."
    assert finished.stderr.count("Error:") == 1
    assert statuses(told) == {str(day): ("failed", ["fetch", "zip"]) for day in (BEFORE, DATE, NEXT)}


def test_fetching_a_range_leaves_what_is_whole(begun: Workplace) -> None:
    begun.zips.zip_path(begun.project, DATE).unlink()

    finished = begun.lse("archive", "fetch", "--date", RANGE)

    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.splitlines()[-1] == "2 fetched, 1 was whole."


def shorten(workplace: Workplace) -> tuple[date, str]:
    """A day that was fetched early and is shorter than LangSmith by now; and the range that ends with it."""
    yesterday = utc_today() - timedelta(days=1)
    workplace.add_runs(1, yesterday)
    assert archive(workplace, "--quiet", dates=str(yesterday)).returncode == 0
    late = workplace.add_runs(2, yesterday)
    assert len(late) == 2
    return yesterday, f"{yesterday - timedelta(days=1)}..{yesterday}"


def test_a_day_that_is_shorter_than_langsmith_is_asked_about_or_listed_and_left(workplace: Workplace) -> None:
    yesterday, dates = shorten(workplace)

    dry = archive(workplace, "--dry-run", dates=dates)
    finished = archive(workplace, dates=dates)
    (_, left) = documents(archive(workplace, "--json", dates=dates))
    held = workplace.days.load(workplace.project, yesterday).summary.counts.runs_started_in_day

    tail = f"1 is shorter than LangSmith: {yesterday}."
    assert dry.stdout.splitlines()[-1] == f"1 would be archived, {tail}"
    assert "would be asked about: 1 of the 3 runs that LangSmith counts are here." in dry.stdout
    assert finished.returncode == 1
    assert finished.stdout.splitlines()[-1] == f"1 archived, {tail}"
    assert f"Replacing {yesterday} of" in finished.stderr
    assert (left["status"], left["reason"], held) == ("left", "short", 1)
    assert "1 of the 3 runs" in left["error"]["why"]

    with workplace.terminal("archive", "--date", dates, columns=80) as terminal:
        terminal.wait_for("1 of the 3 runs", "[a]ll / n[o]ne")
        terminal.type("y")
        assert terminal.wait_until_it_ends() == 0
    assert terminal.lines[-1] == "1 archived, 1 was whole."
    assert workplace.days.load(workplace.project, yesterday).summary.counts.runs_started_in_day == 3


def test_after_ctrl_c_the_same_command_goes_on_without_a_question(
    begun: Workplace, langsmith_sandbox: ControlClient
) -> None:
    begun.add_runs(1, NEXT)
    langsmith_sandbox.latency({"/runs/query": 1.5})

    with begun.terminal("archive", "--date", f"{DATE}..{NEXT}", columns=120) as terminal:
        terminal.wait_for(f"{NEXT}", " fetch ━")
        terminal.interrupt()
        assert terminal.wait_until_it_ends() == 130
    langsmith_sandbox.latency({})
    with begun.terminal("archive", "--date", RANGE, columns=120) as terminal:
        assert terminal.wait_until_it_ends() == 0

    assert terminal.lines[-1] == "2 archived, 1 was whole."
    assert "?" not in terminal.text


def replace_zip(workplace: Workplace) -> None:
    """Another zip than the one on Drive, of the same size."""
    path = workplace.zips.zip_path(workplace.project, DATE)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def cut_a_file(workplace: Workplace) -> None:
    day = workplace.days.load(workplace.project, DATE)
    trace = day.path / next(day.summary.trace_names())
    trace.write_bytes(trace.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [replace_zip, cut_a_file])
def test_a_day_whose_places_differ_is_left_until_somebody_agrees(begun: Workplace, harm: Any) -> None:
    harm(begun)

    left = archive(begun, dates=f"{DATE}..{DATE + timedelta(days=1)}")
    forced = archive(begun, "--force", "--json", dates=f"{DATE}..{NEXT}")

    assert left.returncode == 1
    assert left.stdout.splitlines()[-1] == f"1 archived, 1 is not the same everywhere: {DATE}."
    assert forced.returncode == 0, forced.stderr
    assert set(statuses(forced)) == {str(DATE), str(NEXT)}
    assert {status for status, _ in statuses(forced).values()} == {"done"}


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        (("--project", "no such project"), {}),
        ((), {"GOOGLE_DRIVE_FOLDER_URL": "no address"}),
        ((), {"LSE_START_DATE": "2025-09-01"}),
    ],
)
def test_with_json_each_day_is_told_whatever_ends_the_command(
    workplace: Workplace, arguments: tuple[str, ...], setting: dict[str, str]
) -> None:
    workplace.variables.update(setting)
    moved = workplace.moved(workplace.folder)

    finished = archive(moved, "--json", *arguments)

    assert finished.returncode == 1
    assert [(one["date"], one["status"]) for one in documents(finished)] == [
        (str(day), "failed") for day in (BEFORE, DATE, NEXT)
    ]
    assert all(one["error"]["next"] for one in documents(finished))
