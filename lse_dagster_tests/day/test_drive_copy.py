"""The copy on Drive under the overwrite policy: no run and no attachment is lost, there and back."""

from pathlib import Path

import pytest

from lse_dagster.day.attachment import attachment_file_name
from lse_dagster.day.drive_copy import find_copy, stage_from_drive, upload_copy
from lse_dagster.day.errors import OverwriteRefused
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip_store import ZipStore
from lse_dagster.drive import DriveArchive, DriveSettings
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.day.attached import stage_with
from lse_dagster_tests.day.runs import at, root
from lse_dagster_tests.day.staged import DAY, PROJECT, content, publish

RUN = root(at("10:00:00"))
NOTE = attachment_file_name(RUN.id, "attachment", "note.txt")


def test_a_copy_with_attachments_is_not_replaced_by_one_without_and_comes_back_whole(
    sandbox: Sandbox, drive_sandbox: ControlClient, tmp_path: Path
) -> None:
    settings = DriveSettings(
        folder_url=sandbox.env["GOOGLE_DRIVE_FOLDER_URL"],
        auth_type="service_account",
        credentials_path=Path(sandbox.env["GOOGLE_DRIVE_CREDENTIALS_PATH"]),
        token_path=None,
        endpoint=sandbox.env["GOOGLE_DRIVE_ENDPOINT"],
    )
    fuller_store = DayStore(tmp_path / "fuller")
    fuller = fuller_store.publish(stage_with(fuller_store, [RUN.raw()], {NOTE: b"hello"}), "superset").day
    emptier = publish(DayStore(tmp_path / "emptier"), [RUN.raw()]).day
    fuller_zip = ZipStore(tmp_path / "fuller zips").archive(fuller, "superset").zip
    emptier_zip = ZipStore(tmp_path / "emptier zips").archive(emptier, "superset").zip
    with DriveArchive.connect(settings, timeout=10) as drive:
        upload_copy(drive, fuller_zip, "always")

        with pytest.raises(OverwriteRefused, match="1 attachments that the new one lacks"):
            upload_copy(drive, emptier_zip, "superset")

        copy = find_copy(drive, PROJECT, DAY)
        assert copy is not None
        assert copy.size == fuller_zip.bytes
        restored_store = DayStore(tmp_path / "restored")
        restored = restored_store.publish(
            stage_from_drive(drive, restored_store, PROJECT, DAY), "superset"
        ).day
        assert content(restored.path) == content(fuller.path)
