"""The copy on Drive under the overwrite policy: no run and no attachment is lost, there and back."""

from pathlib import Path

import pytest

from lse_dagster.day.disk import scratch_folder
from lse_dagster.day.errors import DiskError, OverwriteRefused
from lse_dagster.day.run_names import attachment_file_name
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.file import DayZip
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.drive_copy import find_copy, upload_copy
from lse_dagster.steps.restore import stage_from_drive
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.worlds.attached import stage_with
from lse_dagster_tests.worlds.drive import connect
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, content, publish

RUN = root(at("10:00:00"))
NOTE = attachment_file_name(RUN.id, "attachment", "note.txt")


def test_a_copy_with_attachments_is_not_replaced_by_one_without_and_comes_back_whole(
    sandbox: Sandbox, drive_sandbox: ControlClient, tmp_path: Path
) -> None:
    fuller_store = DayStore(tmp_path / "fuller")
    fuller = fuller_store.publish(stage_with(fuller_store, [RUN.raw()], {NOTE: b"hello"}), "superset").day
    emptier = publish(DayStore(tmp_path / "emptier"), [RUN.raw()]).day
    fuller_zip = make_zip(ZipStore(tmp_path / "fuller zips"), fuller, "superset").zip
    emptier_zip = make_zip(ZipStore(tmp_path / "emptier zips"), emptier, "superset").zip
    with connect(sandbox) as drive:
        upload_copy(drive, fuller_zip, "always")

        with pytest.raises(OverwriteRefused, match="1 attachments that the new one lacks"):
            upload_copy(drive, emptier_zip, "superset")

        copy = find_copy(drive, PROJECT, DAY)
        assert copy is not None
        assert copy.size == fuller_zip.bytes
        restored_store = DayStore(tmp_path / "restored")
        restored = restored_store.publish(
            stage_from_drive(drive, restored_store, PROJECT, DAY).staged, "superset"
        ).day
        assert content(restored.path) == content(fuller.path)


def test_what_a_killed_comparison_left_is_removed_and_what_a_living_one_uses_is_not(
    sandbox: Sandbox, drive_sandbox: ControlClient, tmp_path: Path
) -> None:
    zipped = make_zip(
        ZipStore(tmp_path / "zips"), publish(DayStore(tmp_path), [RUN.raw()]).day, "superset"
    ).zip
    left = zipped.path.with_name(".compare-1234")
    left.mkdir()
    (left / ".drive.zip.part").write_bytes(b"half")
    with (
        scratch_folder(zipped.path.parent, ".compare-") as used,
        connect(sandbox) as drive,
    ):
        (used / "drive.zip").write_bytes(b"in use")

        upload_copy(drive, zipped, "always")

        assert not left.exists()
        assert (used / "drive.zip").read_bytes() == b"in use"
    assert {path.name for path in zipped.path.parent.iterdir()} == {zipped.path.name}


def test_a_place_where_no_copy_can_be_compared_is_named(
    sandbox: Sandbox, drive_sandbox: ControlClient, tmp_path: Path
) -> None:
    old = publish(DayStore(tmp_path / "old"), [RUN.raw()]).day
    new = publish(DayStore(tmp_path / "new"), [root(at("11:00:00")).raw()]).day
    old_zip = make_zip(ZipStore(tmp_path / "old zips"), old, "superset").zip
    new_zip = make_zip(ZipStore(tmp_path / "new zips"), new, "superset").zip
    with connect(sandbox) as drive, new_zip.path.open("rb") as file:
        upload_copy(drive, old_zip, "always")
        # Not even root can make a folder beside this name of the file.
        unwritable = DayZip(Path(f"/proc/self/fd/{file.fileno()}"), new_zip.summary)

        with pytest.raises(DiskError, match="Copying the day"):
            upload_copy(drive, unwritable, "superset")

        copy = find_copy(drive, PROJECT, DAY)
        assert copy is not None
        assert copy.size == old_zip.bytes
