"""Whatever writes a large file looks first whether it fits on its disk, beside what is kept for Dagster."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.run_names import attachment_file_name
from lse_dagster.day.space import KEPT_FREE, FreeBytes, NoRoom
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.file import DayZip
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.drive_copy import upload_copy
from lse_dagster.steps.places import Places
from lse_dagster.steps.restore import stage_from_drive
from lse_dagster.steps.union import unite
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.worlds.attached import stage_with
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, PROJECT_ID

RUN, LATER = root(at("10:00:00")), root(at("11:00:00"))
FILES = {"noise": os.urandom(50_000), "text": b"a" * 50_000}
"""What deflate leaves whole, and what it makes small: then there is more to extract than to download."""


@dataclass
class World:
    """A day with a file, its zip, its copy on Drive, and one more run to send there."""

    folder: Path
    day: DayFolder
    fuller: DayZip
    copy_bytes: int
    drive: DriveArchive

    def zip(self, free: FreeBytes) -> None:
        make_zip(ZipStore(self.folder / "new"), self.day, "superset", free=free)

    def needed_to_zip(self) -> int:
        traces = sum((self.day.path / name).stat().st_size for name in self.day.summary.trace_names())
        return 50_000 + traces // 2

    def compare(self, free: FreeBytes) -> None:
        upload_copy(self.drive, self.fuller, "superset", free=free)

    def needed_to_compare(self) -> int:
        return self.copy_bytes

    def unite(self, free: FreeBytes) -> None:
        """The zip holds more than the folder."""
        zips = ZipStore(self.folder / "fuller zips")
        places = Places(DayStore(self.folder / "data"), zips, None, lambda _: None, free)
        unite(places, PROJECT, DAY, PROJECT_ID)

    def needed_to_unite(self) -> int:
        return self.fuller.summary.bytes

    def restore(self, free: FreeBytes) -> None:
        staged = stage_from_drive(self.drive, DayStore(self.folder / "new"), PROJECT, DAY, free=free).staged
        staged.staging.discard()

    def needed_to_restore(self) -> int:
        members = sum(path.stat().st_size for path in self.day.path.iterdir())
        return max(2 * self.copy_bytes, members)


@pytest.fixture(params=FILES)
def world(
    request: pytest.FixtureRequest, sandbox: Sandbox, drive_sandbox: ControlClient, tmp_path: Path
) -> Iterator[World]:
    attached = {attachment_file_name(RUN.id, "attachment", "file"): FILES[request.param]}
    store, fuller_store = DayStore(tmp_path / "data"), DayStore(tmp_path / "fuller")
    day = store.publish(stage_with(store, [RUN.raw()], attached), "superset").day
    fuller = stage_with(fuller_store, [RUN.raw(), LATER.raw()], attached)
    settings = DriveSettings(
        folder_url=sandbox.env["GOOGLE_DRIVE_FOLDER_URL"],
        auth_type="service_account",
        credentials_path=Path(sandbox.env["GOOGLE_DRIVE_CREDENTIALS_PATH"]),
        token_path=None,
        endpoint=sandbox.env["GOOGLE_DRIVE_ENDPOINT"],
    )
    with DriveArchive.connect(settings, timeout=60) as drive:
        copy = upload_copy(drive, make_zip(ZipStore(tmp_path / "zips"), day, "never").zip, "always")
        more = fuller_store.publish(fuller, "never").day
        made = make_zip(ZipStore(tmp_path / "fuller zips"), more, "never").zip
        yield World(tmp_path, day, made, copy.file.size, drive)


@pytest.mark.parametrize("write", ["zip", "compare", "unite", "restore"])
def test_what_would_not_fit_is_refused_before_it_is_there_and_what_fits_is_written(
    world: World, write: str
) -> None:
    needed: int = getattr(world, f"needed_to_{write}")()
    step: Callable[[FreeBytes], None] = getattr(world, write)
    before = sorted(world.folder.glob("**/*.json")), sorted(world.folder.glob("**/*zip*"))
    looked_at: list[Path] = []

    def one_too_few(place: Path) -> int:
        looked_at.append(place)
        return KEPT_FREE + needed - 1

    with pytest.raises(NoRoom, match=r"Up to \d+\.\d{3} GB .* left alone for Dagster") as refused:
        step(one_too_few)

    after = sorted(world.folder.glob("**/*.json")), sorted(world.folder.glob("**/*zip*"))
    assert after == before
    assert set(looked_at) == {world.folder / {"compare": "fuller zips", "unite": "data"}.get(write, "new")}
    assert "free_disk" in refused.value.next_step
    step(lambda _: KEPT_FREE + needed)
