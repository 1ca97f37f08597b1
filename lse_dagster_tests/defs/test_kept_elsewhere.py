"""A day in several places that differ: what one of them holds and another does not goes nowhere."""

import json
import os
import shutil
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import day_zip_name, project_path_part
from lse_dagster.day.trace_file import KeptRun, read_entry
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.settings import Settings
from lse_dagster_tests.steps.first_system.first_system_files import run_file, write_zip_of
from lse_dagster_tests.worlds.day_archive import DATE, NOON, DayArchive, failure
from lse_dagster_tests.worlds.runs import root

LOCAL = ["raw_runs", "day_zip"]


def day_of(archive: DayArchive) -> DayFolder:
    day = archive.days.load(archive.project, DATE)
    day.verify_files()
    return day


def attach(archive: DayArchive, run_id: str, name: str, content: str) -> None:
    part = (
        f'Content-Disposition: form-data; name="attachment.{run_id}.{name}"\r\n'
        f"Content-Length: {len(content)}\r\n\r\n{content}"
    )
    answer = archive.api.session.post(
        f"{archive.api.url}/runs/multipart",
        data=f"--b\r\n{part}\r\n--b--\r\n".encode(),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert answer.ok, answer.text


def files_in(day: DayFolder) -> set[bytes]:
    return {(day.path / name).read_bytes() for name in day.summary.attachment_names()}


def forms_in(day: DayFolder) -> list[dict[str, Any]]:
    """Every form of every run, those that are kept too."""
    found = []
    for trace in day.traces():
        found += [json.loads(bytes(raw)) for raw in trace.runs]
        found += [
            json.loads(bytes(entry.raw))
            for raw in trace.kept
            if isinstance(entry := read_entry(raw), KeptRun)
        ]
    return found


def without_drive(archive: DayArchive, assets: list[str] = LOCAL) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GOOGLE_DRIVE_FOLDER_URL")
        assert archive.materialize(assets).success


def wipe(archive: DayArchive) -> None:
    shutil.rmtree(archive.folder / "data", ignore_errors=True)
    shutil.rmtree(archive.folder / "archives", ignore_errors=True)


def copy_on_drive(archive: DayArchive) -> DayFolder:
    """What the copy holds, restored to an empty disk."""
    wipe(archive)
    result = archive.run("restore")
    assert result.success, failure(result, "raw_runs").description
    return day_of(archive)


def test_an_attachment_that_could_not_be_had_again_is_not_lost_by_an_upload(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    run_id = archive.api.add_run()
    attach(archive, run_id, "photo", "abc")
    assert archive.materialize().success
    wipe(archive)
    langsmith_sandbox.fault(path="/_blobs/", status=403, times=1000)
    without_drive(archive)
    assert files_in(day_of(archive)) == set()

    assert archive.materialize(["drive_archive"]).success

    assert files_in(copy_on_drive(archive)) == {b"abc"}


def test_a_restore_does_not_give_up_an_attachment_that_was_had_later(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    run_id = archive.api.add_run()
    attach(archive, run_id, "photo", "abc")
    langsmith_sandbox.fault(path="/_blobs/", status=403, times=1000)
    assert archive.materialize().success
    langsmith_sandbox.clear_faults()
    assert archive.materialize(["raw_runs"]).success
    assert files_in(day_of(archive)) == {b"abc"}

    archive.run("restore")

    assert files_in(day_of(archive)) == {b"abc"}


def test_what_the_first_system_kept_beside_a_run_is_not_lost_by_an_upload(archive: DayArchive) -> None:
    run = root(NOON)
    file = run_file(run, project=archive.project, session_id=archive.api.project_id)
    path = write_zip_of(archive.folder / "old.zip", dict([file]))
    folder, name = project_path_part(archive.project), day_zip_name(archive.project, DATE)
    with DriveArchive.connect(Settings.from_environment(os.environ).drive) as drive:
        drive.upload(path, folder=folder, name=name)
    archive.api.add_run(run.start, id=run.id, trace_id=run.trace_id, dotted_order=run.dotted_order)
    without_drive(archive)
    assert archive.materialize(["drive_archive"]).success
    assert [raw for trace in copy_on_drive(archive).traces() for raw in trace.first_system]


def test_the_attachment_of_a_run_whose_file_is_damaged_goes_on_once(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    run_id = archive.api.add_run()
    attach(archive, run_id, "photo", "abc")
    assert archive.materialize().success
    day = day_of(archive)
    (trace,) = day.summary.trace_names()
    (day.path / trace).write_bytes(b"rotten")
    langsmith_sandbox.settings(delete_runs=[run_id])

    result = archive.materialize()

    assert result.success, failure(result, "raw_runs").metadata
    assert files_in(day_of(archive)) == {b"abc"}
    assert [form["id"] for form in forms_in(day_of(archive))] == [run_id]


def flip(path: Path, member: str) -> None:
    """Change a byte of a member's compressed data."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    data = bytearray(path.read_bytes())
    at = info.header_offset + 30 + len(member) + info.compress_size // 2
    data[at] ^= 0xFF
    path.write_bytes(bytes(data))


def test_a_damaged_zip_that_was_fetched_later_stops_nobody(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    run_id, other = archive.api.add_run(outputs=None), archive.api.add_run(NOON + timedelta(seconds=5))
    without_drive(archive)
    shutil.copytree(archive.folder / "data", archive.folder / "backup")
    archive.api.session.patch(f"{archive.api.url}/runs/{run_id}", json={"outputs": {"answer": "late"}})
    without_drive(archive)
    shutil.rmtree(archive.folder / "data")
    shutil.copytree(archive.folder / "backup", archive.folder / "data")
    (same,) = [name for name in day_of(archive).summary.trace_names() if other in name]
    flip(archive.zips.zip_path(archive.project, DATE), same)

    without_drive(archive, ["day_zip"])

    assert {"answer": "late"} in [form["outputs"] for form in forms_in(day_of(archive))]
    without_drive(archive)


def test_a_day_that_was_fetched_before_langsmith_forgot_stays_the_day(
    archive: DayArchive, langsmith_sandbox: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = archive.api.add_runs(3)
    assert archive.materialize().success
    total = day_of(archive).summary.langsmith_total
    wipe(archive)
    monkeypatch.setenv("LSE_RETENTION_DAYS", "14")
    langsmith_sandbox.settings(delete_runs=runs[:2])
    without_drive(archive)
    assert archive.materialize(["drive_archive"]).success
    day = copy_on_drive(archive)
    assert {form["id"] for form in forms_in(day)} == set(runs)
    assert day.summary.langsmith_total == total


def test_a_day_that_comes_again_with_what_it_keeps_stays_as_it_is(
    archive: DayArchive, langsmith_sandbox: ControlClient
) -> None:
    runs = archive.api.add_runs(3)
    attach(archive, runs[0], "photo", "abc")
    for run_id in runs:
        archive.api.post("/feedback", {"run_id": run_id, "key": "quality", "score": 1})
    archive.materialize()
    langsmith_sandbox.settings(delete_runs=[runs[0]], withheld=["inputs"])
    archive.materialize()
    assert day_of(archive).summary.counts.kept_attachments == 1

    result = archive.materialize()

    told = {
        event.materialization.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    assert (told["raw_runs"]["action"].value, told["day_zip"]["action"].value) == ("kept", "kept")
    assert told["drive_archive"]["bytes_sent"].value == 0
