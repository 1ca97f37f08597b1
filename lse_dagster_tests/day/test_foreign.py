"""What file managers, editors, sync programs and people leave in our folders harms no day and is not lost."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.calendar.inventory import local_days
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.steps.examination.finding import find_changed_files
from lse_dagster.steps.examination.reading import examine_day
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, content, publish
from lse_dagster_tests.worlds.zips import differences_of

NAMES = [
    ".DS_Store",
    "._0198f31f_20250829T120000000000Z.json",
    "Thumbs.db",
    "desktop.ini",
    ".nfs000000000012",
    ".fuse_hidden0001",
    "Icon\r",
    "~$notes.docx",
    "notes.txt~",
    ".notes.txt.swp",
    "#notes.txt#",
    "notes.txt",
    "\udcff",
]
ONE, TWO = root(at("10:00:00")), root(at("11:00:00"))


def a_file(path: Path) -> None:
    path.write_bytes(b"x")


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "in it").write_bytes(b"x")


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.fixture
def store(tmp_path: Path) -> DayStore:
    return DayStore(tmp_path / "data")


@pytest.mark.parametrize("make", [a_file, a_folder, a_link_to_nothing])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_named_and_no_damage_and_never_zipped(
    name: str, make: Callable[[Path], None], store: DayStore, tmp_path: Path
) -> None:
    day = publish(store, [ONE.raw()]).day
    make(day.path / name)

    found = find_changed_files(day, examine_day(day))
    zips = ZipStore(tmp_path / "archives")
    zipped = make_zip(zips, day, "superset").zip

    day.verify_files()
    assert found.verdict.passed
    assert f"Left out, because it is not of the day: {name!r}." in found.verdict.why
    assert found.numbers["foreign_files"] == 1
    assert differences_of(zipped.path, day) == []
    with zipfile.ZipFile(zipped.path) as archive:
        assert name not in archive.namelist()


@pytest.mark.parametrize("make", [a_file, a_folder, a_link_to_nothing])
def test_it_stays_when_its_day_is_replaced(make: Callable[[Path], None], store: DayStore) -> None:
    day = publish(store, [ONE.raw()]).day
    make(day.path / "notes")

    replaced = publish(store, [ONE.raw(), TWO.raw()]).day

    assert replaced.summary.counts.traces == 2
    assert replaced.verify_names() == ["notes"]
    assert (replaced.path / "notes" / "in it").exists() == (make is a_folder)


def test_a_day_that_comes_again_is_the_same_day_for_it(store: DayStore) -> None:
    day = publish(store, [ONE.raw()]).day
    a_file(day.path / ".DS_Store")
    before = content(day.path)

    again = publish(store, [ONE.raw()])

    assert again.action == "kept"
    assert content(day.path) == before


@pytest.mark.parametrize("names", [[], [".DS_Store"], ["notes.txt", "Thumbs.db"]], ids=str)
def test_a_folder_with_nothing_of_a_day_in_it_is_no_day_and_in_nobodys_way(
    names: list[str], store: DayStore
) -> None:
    place = store.day_path(PROJECT, DAY)
    place.mkdir(parents=True)
    for name in names:
        a_file(place / name)

    assert store.find(PROJECT, DAY) is None
    assert store.dates(PROJECT) == []
    assert not any(found.has_folder for found in local_days(store.root, store.root, PROJECT).values())
    store.refuse_if_exists(PROJECT, DAY, "never")

    day = publish(store, [ONE.raw()], "never").day

    assert day.verify_names() == sorted(names)


def test_files_of_a_day_without_their_summary_are_a_broken_day(store: DayStore) -> None:
    day = publish(store, [ONE.raw()]).day
    day.summary_path.unlink()

    with pytest.raises(InvalidSummary, match="files of a day and no"):
        store.find(PROJECT, DAY)
    assert store.dates(PROJECT) == [DAY]


def test_a_file_in_the_place_of_a_day_is_told_and_is_to_be_moved(store: DayStore) -> None:
    place = store.day_path(PROJECT, DAY)
    place.parent.mkdir(parents=True)
    a_file(place)

    with pytest.raises(InvalidSummary, match="not a folder") as told:
        store.find(PROJECT, DAY)

    assert "Move it away" in told.value.next_step
    assert store.dates(PROJECT) == [DAY]


@pytest.mark.parametrize("make", [a_file, a_folder, a_link_to_nothing])
@pytest.mark.parametrize("name", NAMES)
def test_beside_the_days_and_the_zips_it_is_not_seen(
    name: str, make: Callable[[Path], None], store: DayStore, tmp_path: Path
) -> None:
    day = publish(store, [ONE.raw()]).day
    zips = ZipStore(tmp_path / "archives")
    make_zip(zips, day, "superset")
    for folder in (store.root, day.path.parent, zips.root):
        make(folder / name)
    make(zips.root / f"._{PROJECT}_{DAY}.zip")

    (found,) = local_days(store.root, zips.root, PROJECT).values()

    assert found.zip_is_of_folder
    assert store.dates(PROJECT) == [DAY]
    assert [found.date for found in store.days(PROJECT)] == [DAY]
    assert publish(store, [ONE.raw(), TWO.raw()]).day.verify_names() == []
