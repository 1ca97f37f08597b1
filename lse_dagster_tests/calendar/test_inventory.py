"""What lies on the disk, seen without opening what is large."""

from datetime import date, timedelta
from pathlib import Path

from lse_dagster.calendar.inventory import LocalDay, local_days, projects_here
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.file import summary_in_zip
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, publish


def zipped_day(folder: Path) -> tuple[Path, Path]:
    """A day with two traces, and its zip."""
    day = publish(DayStore(folder / "data"), [root(at("10:00:00")).raw(), root(at("11:00:00")).raw()]).day
    zips = ZipStore(folder / "archives")
    make_zip(zips, day, "superset")
    return day.path, zips.zip_path(PROJECT, DAY)


def look(folder: Path) -> dict[date, LocalDay]:
    return local_days(folder / "data", folder / "archives", PROJECT)


def test_a_day_and_its_zip_are_seen_with_their_numbers(tmp_path: Path) -> None:
    _, zip_path = zipped_day(tmp_path)

    (found,) = look(tmp_path).values()

    assert found.day == DAY
    assert found.summary is not None
    assert found.summary.counts.traces == 2
    assert found.summary.files == 2
    assert found.zip is not None
    assert (found.zip.bytes, found.zip.whole, found.zip.files) == (zip_path.stat().st_size, True, 3)
    assert found.zip_is_of_folder
    head = summary_in_zip(zip_path, project=PROJECT, day=DAY)
    assert head == found.summary


def test_a_folder_without_a_valid_summary_is_broken(tmp_path: Path) -> None:
    day_path, _ = zipped_day(tmp_path)
    summary = day_path / "_summary.json"
    for content in (b"", b"{", summary.read_bytes().replace(b"2025-08-29", b"2025-08-30", 1), b"\xff{}"):
        summary.write_bytes(content)

        (found,) = look(tmp_path).values()

        assert found.broken
        assert found.summary is None


def test_a_zip_that_was_cut_off_or_is_of_another_state_of_the_day_is_seen(tmp_path: Path) -> None:
    _, zip_path = zipped_day(tmp_path)
    whole = zip_path.read_bytes()
    publish(DayStore(tmp_path / "data"), [root(at("12:00:00")).raw()], "always")

    (other,) = local_days(tmp_path / "data", tmp_path / "archives", PROJECT).values()
    zip_path.write_bytes(whole[:-10])
    (cut,) = local_days(tmp_path / "data", tmp_path / "archives", PROJECT).values()

    assert other.zip is not None
    assert other.zip.whole
    assert not other.zip_is_of_folder
    assert cut.zip is not None
    assert not cut.zip.whole
    assert summary_in_zip(zip_path, project=PROJECT, day=DAY) is None


def test_files_of_others_are_no_days(tmp_path: Path) -> None:
    zipped_day(tmp_path)
    data, archives = tmp_path / "data", tmp_path / "archives"
    (data / PROJECT / "2025-08-30").write_text("a file")
    (data / PROJECT / "2025-02-30").mkdir()
    (data / PROJECT / ".2025-08-31.staging").mkdir()
    (archives / f"{PROJECT}-2_{DAY + timedelta(days=1)}.zip").write_bytes(b"")
    (archives / f"{PROJECT}_{DAY + timedelta(days=2)}.zip").mkdir()

    assert look(tmp_path).keys() == {DAY}


def test_nothing_at_all_is_no_error(tmp_path: Path) -> None:
    assert look(tmp_path) == {}


def test_each_project_that_is_here_is_found_with_its_oldest_day_by_folder_or_zip(tmp_path: Path) -> None:
    data, archives = tmp_path / "data", tmp_path / "archives"
    zipped_day(tmp_path)
    for name in ("0001-01-01", "2025-08-01"):  # neither is a day: nothing is in them
        (data / PROJECT / name).mkdir()
    archives.joinpath("another_2025-08-03.zip").write_bytes(b"PK, cut off")
    archives.joinpath("another_2025-08-04.zip").write_bytes(
        archives.joinpath(f"{PROJECT}_{DAY}.zip").read_bytes()
    )
    (data / "lost+found").mkdir()
    long = "a very long name " * 20
    publish(DayStore(data), [root(at("10:00:00")).raw()], project=long)

    assert projects_here(data, archives) == {PROJECT: DAY, "another": date(2025, 8, 4), long: DAY}
    assert projects_here(tmp_path / "missing", tmp_path / "missing") == {}
