"""A zip is opened once on each road, whichever system made it: a large one is read from a slow disk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lse_dagster.day.overwrite.policy import HoldsMore
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.drive_copy import upload_copy
from lse_dagster.steps.open_zip import open_old_zip
from lse_dagster.steps.restore import stage_from_drive
from lse_dagster.steps.zip import make_zip
from lse_dagster.steps.zip_proof import prove_copy
from lse_dagster_tests.steps.first_system.first_system_files import run_file, write_zip_of
from lse_dagster_tests.worlds.drive import connect
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, publish

PROJECT = "opened-once"
"""Not that of other tests: what is uploaded stays on the sandbox's Drive."""

_READ: list[str] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and arguments[1] in {"r", "rb"}:
        _READ.append(str(arguments[0]))


sys.addaudithook(_note)


@contextmanager
def reading(name: str, times: int) -> Iterator[None]:
    _READ.clear()
    yield
    assert len([path for path in _READ if Path(path).name == name]) == times


@pytest.fixture(params=["ours", "of the first system"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    run = root(at("10:00:00"))
    if request.param == "ours":
        day = publish(DayStore(tmp_path / "made"), [run.raw()], project=PROJECT).day
        return make_zip(ZipStore(tmp_path / "archives"), day, "superset").zip.path
    return write_zip_of(tmp_path / f"{PROJECT}_{DAY}.zip", dict([run_file(run, project=PROJECT)]))


def test_an_old_zip_is_opened_once_and_gives_its_traces(path: Path) -> None:
    with reading(path.name, 1), open_old_zip(path, project=PROJECT, day=DAY) as old:
        assert [len(trace.runs) for trace in old.traces()] == [1]
        assert old.is_whole()


def test_a_proof_of_a_zip_opens_it_once_and_a_comparison_with_drive_hashes_it_once_more(path: Path) -> None:
    with reading(path.name, 2):
        assert prove_copy(None, path, project=PROJECT, day=DAY).sha256 is not None


def test_a_zip_that_is_kept_is_opened_to_see_whose_it_is_and_to_see_what_it_holds(tmp_path: Path) -> None:
    zips, day = ZipStore(tmp_path / "archives"), publish(DayStore(tmp_path), [root(at("10:00:00")).raw()]).day
    made = make_zip(zips, day, "superset")

    with reading(made.zip.path.name, 2):
        assert make_zip(zips, day, "superset").action == "kept"


def test_a_copy_that_is_compared_or_restored_is_opened_once(
    sandbox: Sandbox, drive_sandbox: ControlClient, path: Path, tmp_path: Path
) -> None:
    new = publish(DayStore(tmp_path / "new"), [root(at("12:00:00")).raw()], project=PROJECT).day
    zipped = make_zip(ZipStore(tmp_path / "new zips"), new, "superset").zip
    with connect(sandbox) as drive:
        drive.upload(path, folder=PROJECT, name=path.name, replacing=drive.find(PROJECT, path.name))
        with reading("download.zip", 1):
            stage_from_drive(drive, DayStore(tmp_path / "restored"), PROJECT, DAY).staged.staging.discard()
        with reading("drive.zip", 1), suppress(HoldsMore):
            upload_copy(drive, zipped, "superset")
