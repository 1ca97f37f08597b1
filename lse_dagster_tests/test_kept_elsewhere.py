"""A day in several places that differ: what one of them holds and another does not goes nowhere."""

import json
import os
import shutil
import zipfile
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.kept import KeptAttachment, KeptFeedback, KeptRun, read_entry
from lse_dagster.day.names import day_zip_name, project_path_part
from lse_dagster.drive import DriveArchive
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.settings import Settings
from lse_dagster_tests.day.first_system_files import run_file, write_zip_of
from lse_dagster_tests.day.runs import root
from lse_dagster_tests.day_archive import DATE, NOON, DayArchive, failure

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


def comments_in(day: DayFolder) -> set[str]:
    found = set()
    for trace in day.traces():
        found |= {json.loads(bytes(raw))["comment"] for raw in trace.feedback}
        found |= {
            json.loads(bytes(entry.raw))["comment"]
            for raw in trace.kept
            if isinstance(entry := read_entry(raw), KeptFeedback)
        }
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


def test_a_an_attachment_that_could_not_be_had_again_is_not_lost_by_an_upload(
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


def test_b_restore_of_copy_without_the_attachment_over_a_folder_with_it(
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


def test_c_two_olds_two_contents_then_missing(archive: DayArchive, langsmith_sandbox: ControlClient) -> None:
    run_id = archive.api.add_run()
    attach(archive, run_id, "photo", "one")
    assert archive.materialize().success
    wipe(archive)
    attach(archive, run_id, "photo", "two")
    without_drive(archive, ["raw_runs"])
    assert files_in(day_of(archive)) == {b"two"}
    langsmith_sandbox.fault(path="/_blobs/", status=403, times=1000)

    assert archive.materialize().success

    assert files_in(day_of(archive)) == {b"one", b"two"}


def test_d_records_of_first_system_lost_by_upload(archive: DayArchive) -> None:
    run = root(NOON)
    file = run_file(run, project=archive.project, session_id=archive.api.project_id)
    path = write_zip_of(archive.folder / "old.zip", dict([file]))
    folder, name = project_path_part(archive.project), day_zip_name(archive.project, DATE)
    with DriveArchive.connect(Settings.from_environment(os.environ).drive()) as drive:
        drive.upload(path, folder=folder, name=name, may_replace=lambda existing: None)
    archive.api.add_run(run.start, id=run.id, trace_id=run.trace_id, dotted_order=run.dotted_order)
    without_drive(archive)
    assert archive.materialize(["drive_archive"]).success
    assert [raw for trace in copy_on_drive(archive).traces() for raw in trace.first_system]


def test_e_same_target_twice(archive: DayArchive, langsmith_sandbox: ControlClient) -> None:
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


def test_f_restore_puts_older_feedback_over_newer(archive: DayArchive) -> None:
    run_id = archive.api.add_run()
    feedback = {"id": "0f6e1b1e-0000-4000-8000-00000000000f", "run_id": run_id, "key": "q", "score": 1}
    feedback["id"] = f"0f6e1b1e-0000-4000-8000-{run_id[-12:]}"
    archive.api.post("/feedback", {**feedback, "comment": "first"})
    assert archive.materialize().success
    archive.api.post("/feedback", {**feedback, "comment": "second"})
    assert archive.materialize(["raw_runs"]).success
    assert "second" in comments_in(day_of(archive))

    archive.run("restore")

    assert "second" in comments_in(day_of(archive))


def flip(path: Path, member: str) -> None:
    """Change a byte of a member's compressed data."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    data = bytearray(path.read_bytes())
    at = info.header_offset + 30 + len(member) + info.compress_size // 2
    data[at] ^= 0xFF
    path.write_bytes(bytes(data))


def test_g_newer_damaged_zip_is_not_stuck(archive: DayArchive, langsmith_sandbox: ControlClient) -> None:
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


def test_g2_newer_damaged_zip_damage_in_the_changed_one(archive: DayArchive) -> None:
    run_id, other = archive.api.add_run(outputs=None), archive.api.add_run(NOON + timedelta(seconds=5))
    without_drive(archive)
    shutil.copytree(archive.folder / "data", archive.folder / "backup")
    archive.api.session.patch(f"{archive.api.url}/runs/{run_id}", json={"outputs": {"answer": "late"}})
    archive.api.session.patch(f"{archive.api.url}/runs/{other}", json={"outputs": {"answer": "other"}})
    without_drive(archive)
    shutil.rmtree(archive.folder / "data")
    shutil.copytree(archive.folder / "backup", archive.folder / "data")
    (changed,) = [name for name in day_of(archive).summary.trace_names() if other in name]
    flip(archive.zips.zip_path(archive.project, DATE), changed)

    without_drive(archive, ["day_zip"])

    assert {"answer": "late"} in [form["outputs"] for form in forms_in(day_of(archive))]
    without_drive(archive)


def test_h_late_look_with_changed_content(archive: DayArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = archive.api.add_run(outputs={"answer": "partial"})
    assert archive.materialize().success
    monkeypatch.setenv("LSE_RETENTION_DAYS", "14")
    archive.api.session.patch(f"{archive.api.url}/runs/{run_id}", json={"outputs": {"answer": "whole"}})

    assert archive.materialize().success

    assert [form["outputs"] for form in forms_in(day_of(archive))] == [
        {"answer": "partial"},
        {"answer": "whole"},
    ]


def test_i_late_fetch_without_drive_does_not_become_the_day(
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


def test_j_zip_newer_folder_freed_restore_refused_advice_works(archive: DayArchive) -> None:
    run_id = archive.api.add_run()
    assert archive.materialize().success
    archive.api.add_run(NOON + timedelta(seconds=9))
    assert archive.materialize(["raw_runs", "day_zip"]).success
    shutil.rmtree(archive.folder / "data")
    result = archive.run("restore")
    assert not result.success
    print(failure(result, "raw_runs").description, failure(result, "raw_runs").metadata)
    assert archive.materialize(["drive_archive"]).success
    assert len(forms_in(copy_on_drive(archive))) == 2
    assert run_id


def test_k_damaged_newer_copy_on_drive_is_not_stuck(archive: DayArchive) -> None:
    run_id, other = archive.api.add_run(outputs=None), archive.api.add_run(NOON + timedelta(seconds=5))
    without_drive(archive)
    shutil.copytree(archive.folder / "data", archive.folder / "backup")
    archive.api.session.patch(f"{archive.api.url}/runs/{run_id}", json={"outputs": {"answer": "late"}})
    without_drive(archive)
    (same,) = [name for name in day_of(archive).summary.trace_names() if other in name]
    path = archive.zips.zip_path(archive.project, DATE)
    flip(path, same)
    with DriveArchive.connect(Settings.from_environment(os.environ).drive()) as drive:
        drive.upload(
            path, folder=project_path_part(archive.project), name=path.name, may_replace=lambda _: None
        )
    wipe(archive)
    shutil.copytree(archive.folder / "backup", archive.folder / "data")
    without_drive(archive, ["day_zip"])

    result = archive.materialize(["drive_archive"])

    assert result.success, failure(result, "drive_archive").description
    assert {"answer": "late"} in [form["outputs"] for form in forms_in(copy_on_drive(archive))]


def test_l_same_day_stays(archive: DayArchive, langsmith_sandbox: ControlClient) -> None:
    runs = archive.api.add_runs(3)
    attach(archive, runs[0], "photo", "abc")
    archive.api.post("/feedback", {"run_id": runs[0], "key": "q", "score": 1, "comment": "c"})
    archive.api.post("/feedback", {"run_id": runs[1], "key": "q", "score": 1, "comment": "d"})
    archive.materialize()
    langsmith_sandbox.settings(delete_runs=[runs[0]], withheld=["inputs"])
    archive.materialize()
    before = {
        p: sha256(p.read_bytes()).hexdigest()
        for p in sorted(archive.folder.rglob("*"))
        if p.is_file() and ".drive" not in p.parts
    }
    for _ in range(3):
        result = archive.materialize()
        assert result.success
        meta = {
            e.materialization.asset_key.to_user_string(): e.materialization.metadata
            for e in result.get_asset_materialization_events()
        }
        assert meta["raw_runs"]["action"].value == "kept"
        assert meta["day_zip"]["action"].value == "kept"
        assert meta["drive_archive"]["bytes_sent"].value == 0
    after = {
        p: sha256(p.read_bytes()).hexdigest()
        for p in sorted(archive.folder.rglob("*"))
        if p.is_file() and ".drive" not in p.parts
    }
    assert before == after


def test_m_late_newer_feedback(archive: DayArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = archive.api.add_run()
    feedback = {"id": f"0f6e1b1e-0000-4000-8000-{run_id[-12:]}", "run_id": run_id, "key": "q", "score": 1}
    archive.api.post("/feedback", {**feedback, "comment": "first"})
    assert archive.materialize().success
    monkeypatch.setenv("LSE_RETENTION_DAYS", "14")
    archive.api.post("/feedback", {**feedback, "comment": "second"})
    assert archive.materialize().success
    assert comments_in(day_of(archive)) == {"first", "second"}


def test_n_damaged_child_attachment_verify(archive: DayArchive, langsmith_sandbox: ControlClient) -> None:
    """The attachment of a child whose trace file is rotten everywhere."""
    parent = archive.api.add_run()
    import uuid

    child = str(uuid.uuid4())
    start = NOON + timedelta(seconds=1)
    archive.api.add_run(
        start,
        id=child,
        trace_id=parent,
        parent_run_id=parent,
        dotted_order=f"{NOON:%Y%m%dT%H%M%S%fZ}{parent}.{start:%Y%m%dT%H%M%S%fZ}{child}",
    )
    attach(archive, child, "photo", "abc")
    assert archive.materialize(["raw_runs"]).success
    day = day_of(archive)
    (trace,) = day.summary.trace_names()
    (day.path / trace).write_bytes(b"rotten")
    langsmith_sandbox.settings(delete_runs=[child])
    result = archive.materialize()
    assert result.success
    assert files_in(day_of(archive)) == {b"abc"}
    assert archive.verify().success
    assert files_in(copy_on_drive(archive)) == {b"abc"}
    names = [
        entry
        for t in day_of(archive).traces()
        for raw in t.kept
        if isinstance(entry := read_entry(raw), KeptAttachment)
    ]
    assert names
