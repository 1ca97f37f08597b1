"""`lse migrate` as a person and a script use it."""

from pathlib import Path
from typing import Any

import msgspec

from lse_dagster_tests.cli.workplace import DATE, Workplace
from lse_dagster_tests.steps.first_system.first_system_files import run_file
from lse_dagster_tests.worlds.runs import at, root


def write_old(workplace: Workplace, hours: list[int]) -> Path:
    """Old run files of the project, in a folder named by the fetch."""
    folder = workplace.folder / "old" / workplace.project / "2025-09-03"
    folder.mkdir(parents=True)
    for hour in hours:
        name, content = run_file(root(at(f"{hour}:00:00")), project=workplace.project)
        (folder / name).write_bytes(content)
    return folder


def test_old_days_are_brought_over_and_shown_as_what_they_are(workplace: Workplace) -> None:
    write_old(workplace, [10, 11])

    dry = workplace.lse("migrate", "--from", "old", "--dry-run")
    nothing_yet = workplace.days.dates(workplace.project)
    done = workplace.lse("migrate", "--from", "old")
    again = workplace.lse("migrate", "--from", "old", "--json")
    zipped = workplace.lse("archive", "zip", "--date", str(DATE), "--quiet")
    uploaded = workplace.lse("archive", "upload", "--date", str(DATE), "--quiet")
    verified = workplace.lse("verify", "--date", str(DATE))
    status = workplace.lse("status", "--json")

    assert (dry.returncode, nothing_yet) == (0, [])
    assert f"✓ {DATE}  2 runs in 2 traces, would be written" in dry.stdout
    assert done.returncode == 0, done.stderr
    assert f"✓ {DATE}  2 runs in 2 traces, written" in done.stdout
    document = msgspec.json.decode(again.stdout, type=dict[str, Any])
    assert (again.returncode, document["unusable"]) == (0, [])
    assert [(day["date"], day["result"], day["runs"]) for day in document["days"]] == [
        (str(DATE), "unchanged", 2)
    ]
    assert (zipped.returncode, uploaded.returncode) == (0, 0), zipped.stderr + uploaded.stderr
    assert verified.returncode == 0, verified.stderr
    assert "! run_count_matches_langsmith" in verified.stdout
    (day,) = [
        day
        for day in msgspec.json.decode(status.stdout, type=dict[str, Any])["days"]
        if day["date"] == str(DATE)
    ]
    assert (day["verified"], day["langsmith_total"], day["need"]) == ("unverified", None, None)


def test_a_dry_run_says_what_the_real_run_then_does(archived: Workplace) -> None:
    """A day of ours, a trace across midnight, a run in two files, and one of which we have more."""
    ours = archived.days.load(archived.project, DATE)
    late = root(at("23:59:59", "2025-08-27"))
    runs = [
        root(at("10:00:00")),
        late,
        late.child(at("00:00:01", "2025-08-28")),
        root(at("09:00:00", "2025-08-28")),
    ]
    for fetched in ("2025-09-03", "2025-09-04"):
        folder = archived.folder / "old" / archived.project / fetched
        folder.mkdir(parents=True)
        for run in runs:
            name, content = run_file(run, project=archived.project)
            (folder / name).write_bytes(content)

    dry = archived.lse("migrate", "--from", "old", "--dry-run", "--json")
    text = archived.lse("migrate", "--from", "old", "--dry-run")
    left = (sorted(archived.days.dates(archived.project)), archived.hidden_files())
    real = archived.lse("migrate", "--from", "old", "--json")

    told, done = (msgspec.json.decode(one.stdout, type=dict[str, Any]) for one in (dry, real))
    assert told == {**done, "dry_run": True}
    assert (dry.returncode, real.returncode) == (1, 1)
    assert [(day["date"], day["result"], day["runs"]) for day in done["days"]] == [
        ("2025-08-27", "written", 1),
        ("2025-08-28", "written", 2),
        (str(DATE), "kept", 1),
    ]
    assert text.stdout.splitlines()[0] == f"4 runs of {archived.project} would go to 3 days"
    assert text.stdout.splitlines()[-1] == (
        "2 days with 3 runs would be written; 1 day with 1 run would be kept"
    )
    assert left == ([DATE], [])
    assert archived.days.load(archived.project, DATE).summary == ours.summary


def test_what_cannot_be_brought_over_ends_with_1_and_is_named(workplace: Workplace) -> None:
    folder = write_old(workplace, [10])
    (folder / "11111111-0000-4000-8000-000000000000_010203.json").write_text("{")

    finished = workplace.lse("migrate", "--from", "old")
    nowhere = workplace.lse("migrate", "--from", "old", "--project", "another")

    assert finished.returncode == 1
    assert "1 runs in 1 traces, written" in finished.stdout
    assert "Not brought over: old/" in finished.stderr
    assert "11111111-0000-4000-8000-000000000000_010203.json" in finished.stderr
    assert nowhere.returncode == 1
    assert "lse migrate --from DIR" in nowhere.stderr


def test_old_files_in_the_data_directory_are_left_there_and_the_way_out_is_named(
    workplace: Workplace,
) -> None:
    folder = write_old(workplace, [10])
    (workplace.folder / "old").rename(workplace.folder / "data")

    finished = workplace.lse("migrate")

    assert finished.returncode == 1
    assert "Next:  mkdir -p data-first-system/" in finished.stderr
    assert len(list((workplace.folder / "data" / workplace.project / folder.name).iterdir())) == 1
