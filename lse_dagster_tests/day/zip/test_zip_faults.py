"""Zipping and extracting when the process is killed, the disk is full, or a file changes meanwhile."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.day.errors import BrokenDay
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.day.zip.zipper import Order, Zipper
from lse_dagster_tests.worlds.large import runs_of_sizes
from lse_dagster_tests.worlds.staged import DAY, PROJECT, content, publish
from lse_dagster_tests.worlds.zips import differences_of

FILES = 100
RUNS = runs_of_sizes([2_000] * (FILES - 1) + [3_000_000])


class Place:
    """A data directory and an archives directory with an older, smaller day in both."""

    def __init__(self, folder: Path) -> None:
        self.store, self.zips = DayStore(folder / "data"), ZipStore(folder / "archives")
        self.old = publish(self.store, RUNS[:3]).day
        self.zip_path = make_zip(self.zips, self.old, "superset").zip.path

    def hidden(self) -> set[str]:
        """Hidden files beside the day and beside the zip."""
        beside = [*self.store.day_path(PROJECT, DAY).parent.iterdir(), *self.zips.root.iterdir()]
        return {path.name for path in beside if path.name.startswith(".")}

    def order(self, work: str, **changes: int) -> Order:
        """To do it in another process."""
        data, path = str(self.store.root), str(self.zip_path)
        assert work in {"zip", "extract"}
        return Order("zip" if work == "zip" else "extract", data, path, PROJECT, DAY.isoformat(), **changes)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


LOCK = f".{DAY}.lock"


@pytest.mark.parametrize("files_done", [1, 40, FILES + 1])
def test_a_zipping_that_is_killed_leaves_the_old_zip_and_the_next_one_cleans_up(
    files_done: int, place: Place
) -> None:
    day = publish(place.store, RUNS).day
    before = place.zip_path.read_bytes()

    with Zipper(place.order("zip", waits_at=files_done)) as zipper:
        assert zipper.says().endswith(f"of {FILES + 1}")
        zipper.kill()

    assert place.zip_path.read_bytes() == before
    assert [path.name for path in place.zips.root.glob("*.zip")] == [place.zip_path.name]
    assert make_zip(place.zips, day, "superset").action == "built"
    assert differences_of(place.zip_path, day) == []
    assert place.hidden() == {LOCK}


@pytest.mark.parametrize("files_done", [1, 40, FILES + 1])
def test_an_extraction_that_is_killed_leaves_the_old_day_and_the_next_one_cleans_up(
    files_done: int, place: Place, tmp_path: Path
) -> None:
    newer = publish(DayStore(tmp_path / "elsewhere"), RUNS).day
    make_zip(place.zips, newer, "superset")
    before = content(place.old.path)

    with Zipper(place.order("extract", waits_at=files_done)) as zipper:
        assert zipper.says().endswith(f"of {FILES + 1}")
        zipper.kill()

    assert content(place.old.path) == before
    with Zipper(place.order("extract")) as zipper:
        assert zipper.says() == "done"
    assert content(place.old.path) == content(newer.path)
    assert place.hidden() == {LOCK}


@pytest.mark.parametrize("largest_file", [0, 10_000, 300_000])
def test_a_disk_that_is_full_while_zipping_is_told_and_leaves_the_old_zip(
    largest_file: int, place: Place
) -> None:
    day = publish(place.store, RUNS).day
    before = place.zip_path.read_bytes()

    with Zipper(place.order("zip", largest_file=largest_file)) as zipper:
        assert zipper.says() == "DiskError"

    assert place.zip_path.read_bytes() == before
    assert place.hidden() == {LOCK}
    assert make_zip(place.zips, day, "superset").action == "built"


@pytest.mark.parametrize("largest_file", [0, 1_000, 10_000, 2_500_000])
def test_a_disk_that_is_full_while_extracting_is_told_and_leaves_the_old_day(
    largest_file: int, place: Place, tmp_path: Path
) -> None:
    make_zip(place.zips, publish(DayStore(tmp_path / "elsewhere"), RUNS).day, "superset")
    before = content(place.old.path)

    with Zipper(place.order("extract", largest_file=largest_file)) as zipper:
        assert zipper.says() == "DiskError"

    assert content(place.old.path) == before
    assert place.hidden() == {LOCK}


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b" ")


def shrink(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def largest(day: DayFolder) -> Path:
    return day.path / max(day.summary.files, key=lambda name: day.summary.files[name].bytes)


def smallest(day: DayFolder) -> Path:
    return day.path / min(day.summary.files, key=lambda name: (day.summary.files[name].bytes, name))


@pytest.mark.parametrize("which", [largest, smallest])
@pytest.mark.parametrize("change", [grow, shrink, alter, Path.unlink])
def test_a_file_that_changed_since_the_fetch_is_never_zipped(
    which: Callable[[DayFolder], Path], change: Callable[[Path], None], place: Place
) -> None:
    day = publish(place.store, RUNS[-5:] + RUNS[:3]).day
    before = place.zip_path.read_bytes()
    path = which(day)
    change(path)

    with pytest.raises(BrokenDay, match=path.name):
        make_zip(place.zips, day, "superset")

    assert place.zip_path.read_bytes() == before
    assert place.hidden() == {LOCK}


def test_a_file_that_disappears_while_its_day_is_zipped_is_told(place: Place) -> None:
    day = publish(place.store, runs_of_sizes([3_000_000, 3_000_000]), "always").day
    last = day.path / max(day.summary.files)
    before = place.zip_path.read_bytes()

    with pytest.raises(BrokenDay, match=last.name):
        make_zip(place.zips, day, "always", on_progress=lambda done, in_all: last.unlink(missing_ok=True))

    assert place.zip_path.read_bytes() == before


def test_a_summary_that_changed_since_it_was_read_is_told(place: Place) -> None:
    day = publish(place.store, RUNS[:4]).day
    text = day.summary_path.read_text()
    day.summary_path.write_text(text.replace(day.summary.fetched_at, "2026-01-01T00:00:00.000000Z"))

    with pytest.raises(BrokenDay, match=r"_summary.json differs"):
        make_zip(place.zips, day, "always")
