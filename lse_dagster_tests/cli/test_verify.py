"""`lse verify` on the sandbox: what is checked again, what is found, and that Dagster keeps it."""

import shutil

import requests

from lse_dagster.day.identity import id_hash
from lse_dagster.day.names import day_zip_name
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.cli.test_status import archive, day_of, status
from lse_dagster_tests.cli.workplace import DATE, NEXT, Finished, Workplace, check_names, documents


def verify(workplace: Workplace, *arguments: str) -> Finished:
    return workplace.lse("verify", "--date", str(DATE), *arguments)


def test_verify_makes_dagsters_checks_and_dagster_keeps_the_results(archived: Workplace) -> None:
    finished = verify(archived, "--verbose")
    (document,) = documents(verify(archived, "--json"))
    quiet = verify(archived)

    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[0] == f"{DATE} {archived.project}"
    assert {line.split()[1] for line in lines[1:-1]} == check_names()
    assert all(line.startswith("  ✓ ") for line in lines[1:])
    assert quiet.stdout.splitlines() == [lines[0], "  ✓ 11 of 11 checks passed"]
    assert document["passed"]
    assert document["run_id"]
    assert archived.latest_run().job_name == "verify"
    assert {check["check"] for check in document["checks"]} == check_names()


def test_verify_finds_a_changed_trace_file_and_status_shows_that_it_did(archived: Workplace) -> None:
    day = archived.days.load(archived.project, DATE)
    trace = day.path / next(day.summary.trace_names())
    trace.write_bytes(trace.read_bytes().replace(b'"run"', b'"ruN"', 1))
    before = {path.name: path.read_bytes() for path in day.path.iterdir()}

    finished = verify(archived)
    quiet = verify(archived, "--quiet", "--local-only")

    assert finished.returncode == 1
    assert "  ✗ files_match_summary" in finished.stdout
    assert finished.stdout.count(trace.name) == finished.stderr.count(trace.name) == 1  # a cause is told once
    assert f"Next:  lse archive restore --date {DATE}, then lse verify" in finished.stderr
    assert quiet.returncode == 1
    assert quiet.stdout == ""
    assert "files_match_summary" in quiet.stderr
    assert {path.name: path.read_bytes() for path in day.path.iterdir()} == before
    assert day_of(status(archived), DATE)["verified"] == "failed"


def test_verify_of_this_disk_alone_asks_nobody(
    archived: Workplace, langsmith_sandbox: ControlClient, drive_sandbox: ControlClient
) -> None:
    langsmith_sandbox.clear()
    drive_sandbox.clear()

    finished = verify(archived, "--local-only", "--json")

    (document,) = documents(finished)
    assert finished.returncode == 0
    assert {check["check"] for check in document["checks"]} == {
        "files_match_summary",
        "traces_are_complete",
        "no_pending_runs",
        "langsmith_still_had_the_day",
        "attachments_are_complete",
        "nothing_was_withdrawn",
        "feedback_is_complete",
        "zip_matches_day",
    }
    assert langsmith_sandbox.requests() == []
    assert drive_sandbox.requests() == []


def test_verify_of_a_damaged_copy_on_drive_names_the_upload(workplace: Workplace) -> None:
    archive(workplace)
    headers = {"Authorization": f"Bearer {workplace.variables['SANDBOX_DRIVE_TOKEN']}"}
    root = workplace.variables["GOOGLE_DRIVE_ENDPOINT"]
    asked = {
        "q": f"name = '{day_zip_name(workplace.project, DATE)}'",
        "corpora": "allDrives",
        "supportsAllDrives": "true",
        "includeItemsFromAllDrives": "true",
    }
    (file,) = requests.get(f"{root}/drive/v3/files", params=asked, headers=headers, timeout=30).json()[
        "files"
    ]
    changed = requests.patch(
        f"{root}/upload/drive/v3/files/{file['id']}?uploadType=media&supportsAllDrives=true",
        data=b"other",
        headers=headers,
        timeout=30,
    )
    assert changed.ok, changed.text

    finished = verify(workplace)

    assert finished.returncode == 1
    assert "✗ drive_copy_matches_zip" in finished.stdout
    assert f"lse archive upload --date {DATE}" in finished.stderr
    assert day_of(status(workplace), DATE)["why"] == "the copy on Drive is not of this zip"


def test_a_freed_day_is_verified_by_its_copy_on_drive(archived: Workplace) -> None:
    shutil.rmtree(archived.days.day_path(archived.project, DATE))
    zip_alone = verify(archived, "--json", "--local-only")
    archived.zips.zip_path(archived.project, DATE).unlink()

    with archived.terminal("verify", "--date", str(DATE), columns=80) as terminal:
        code = terminal.wait_until_it_ends()
    unasked = verify(archived, "--local-only")

    (document,) = documents(zip_alone)
    assert (zip_alone.returncode, document["freed"]) == (0, True)
    assert {check["check"] for check in document["checks"]} == {"zip_matches_day"}
    assert code == 0
    assert terminal.lines[0] == f"{DATE} {archived.project}"
    assert terminal.lines[-1] == "  ✓ 1 of 1 checks passed"
    assert "folder freed                   The day is in its copy on Drive." in terminal.text
    assert unasked.returncode == 1
    assert f"Next:  lse verify --date {DATE}" in unasked.stderr


def test_a_day_that_is_nowhere_is_not_verified(archived: Workplace) -> None:
    finished = archived.lse("verify", "--date", f"{NEXT}", "--json")

    (nowhere,) = documents(finished)
    assert finished.returncode == 1
    assert nowhere["errors"][0]["why"] == "It is neither on this disk nor on Drive."
    assert (nowhere["run_id"], nowhere["freed"]) == (None, False)


def test_verify_interrupted_ends_with_130_and_dagster_has_the_run_as_canceled(
    archived: Workplace, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path="/runs/stats", delay=60)

    with archived.terminal("verify", "--date", str(DATE), "--verbose") as terminal:
        terminal.wait_for("✓ no_pending_runs")
        terminal.interrupt()
        code = terminal.wait_until_it_ends()

    assert code == 130
    assert archived.latest_run().status.value == "CANCELED"


def test_verify_says_why_it_waits_for_langsmith(
    archived: Workplace, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path="/runs/stats", status=503, headers={"Retry-After": "600"}, times=100)

    with archived.terminal("verify", "--date", str(DATE)) as terminal:
        terminal.wait_for("! POST ", "/runs/stats: 503", "Trying again in 600 s.")
        terminal.interrupt()
        assert terminal.wait_until_it_ends() == 130


def test_days_of_two_projects_of_one_name_are_each_shown_verified_and_restored(workplace: Workplace) -> None:
    archive(workplace)
    api, old = workplace.api, workplace.api.project_id
    assert api.session.delete(f"{api.url}/sessions/{old}").ok
    new = api.project_id = api.post("/sessions", {"name": api.project}).json()["id"]
    workplace.add_runs(2)
    assert workplace.lse("archive", "--date", str(DATE), "--force", "--quiet").returncode == 0

    shown = status(workplace)["days"]
    text = workplace.lse("status", "--month", "2025-08").stdout
    verified = documents(verify(workplace, "--json", "--local-only"))
    assert [(day["project_id"], day["runs"]) for day in shown if day["date"] == str(DATE)] == [
        (new, 2),
        (old, 3),
    ]
    assert {day["drive_bytes"] == day["zip_bytes"] for day in shown if day["drive_bytes"]} == {True}
    assert f"{DATE}~{id_hash(old)}: the project with the id {old}" in text
    assert [(one["project_id"], one["passed"]) for one in verified] == [(old, True), (new, True)]

    damaged = workplace.days.load(workplace.project, DATE, old)
    (damaged.path / next(damaged.summary.trace_names())).write_bytes(b"{}")
    told = verify(workplace, "--local-only")
    assert f"lse archive restore --date {DATE} --project-id {old}" in told.stderr
    assert told.returncode == 1
    shutil.rmtree(workplace.folder / "data")
    shutil.rmtree(workplace.folder / "archives")

    on_drive = [day for day in status(workplace)["days"] if day["date"] == str(DATE)]
    assert [day["project_id"] for day in on_drive] == [id_hash(new), id_hash(old)]
    for project_id in (id_hash(old), new):
        restored = workplace.lse(
            "archive", "restore", "--date", str(DATE), "--project-id", project_id, "--json"
        )
        assert restored.returncode == 0, restored.stderr
        (document,) = documents(restored)
        assert all(check["passed"] for check in document["checks"] if not check["warning"])
    assert workplace.days.load(workplace.project, DATE, old).summary.counts.runs_started_in_day == 3
    assert workplace.days.load(workplace.project, DATE, new).summary.counts.runs_started_in_day == 2
