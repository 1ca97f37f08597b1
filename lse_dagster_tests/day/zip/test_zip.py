"""The day zip: deterministic, verified, and refused when it is not what its summary promises."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.day.errors import BrokenDay, BrokenZip, NoSuchZip, OverwriteRefused
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.worlds.large import day_of_sizes
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, content, published_day
from lse_dagster_tests.worlds.zips import differences_of, extract_zip

ONE, TWO = root(at("10:00:00")).raw(), root(at("11:00:00")).raw()


@pytest.fixture
def day(tmp_path: Path) -> DayFolder:
    return published_day(tmp_path / "data", [ONE, TWO])


@pytest.fixture
def zips(tmp_path: Path) -> ZipStore:
    return ZipStore(tmp_path / "archives")


def extract(path: Path, to: Path) -> DayFolder:
    to.mkdir()
    return extract_zip(path, to, project=PROJECT, day=DAY)


def rewrite(path: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> None:
    """Make the zip again with other members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in change(members).items():
            archive.writestr(name, data)


def test_a_zip_holds_the_files_of_the_day_flat_and_comes_back_byte_for_byte(
    day: DayFolder, zips: ZipStore, tmp_path: Path
) -> None:
    zipped = make_zip(zips, day, "superset").zip

    with zipfile.ZipFile(zipped.path) as archive:
        assert archive.namelist() == sorted(content(day.path))
        assert archive.testzip() is None
    extract(zipped.path, tmp_path / "out")
    assert content(tmp_path / "out") == content(day.path)


def test_the_same_day_gives_the_same_bytes_whatever_the_files_times(day: DayFolder, zips: ZipStore) -> None:
    first = make_zip(zips, day, "superset").zip.path.read_bytes()
    for path in day.path.iterdir():
        path.touch()

    assert make_zip(zips, day, "superset").zip.path.read_bytes() == first


def test_nothing_but_the_zip_is_left_in_the_archives_directory(day: DayFolder, zips: ZipStore) -> None:
    (zips.root).mkdir()
    (zips.root / ".my-project_2025-08-29.zip.part").write_text("left by a crash")

    make_zip(zips, day, "superset")

    assert [path.name for path in zips.root.iterdir()] == ["my-project_2025-08-29.zip"]


def test_a_zip_that_holds_the_day_is_verified_and_kept(day: DayFolder, zips: ZipStore) -> None:
    first = make_zip(zips, day, "superset")
    written = first.zip.path.stat()
    before = (written.st_ino, written.st_mtime_ns)

    second = make_zip(zips, day, "superset")

    assert (first.action, second.action) == ("built", "kept")
    kept = second.zip.path.stat()
    assert (kept.st_ino, kept.st_mtime_ns) == before
    assert make_zip(zips, day, "always").action == "built"


def test_a_zip_of_the_same_day_that_is_damaged_is_built_again(day: DayFolder, zips: ZipStore) -> None:
    path = make_zip(zips, day, "superset").zip.path
    good = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        trace = archive.getinfo(next(day.summary.trace_names()))
    inside = trace.header_offset + 30 + len(trace.filename) + trace.compress_size // 2
    path.write_bytes(good[:inside] + bytes([good[inside] ^ 1]) + good[inside + 1 :])

    assert make_zip(zips, day, "superset").action == "built"

    assert path.read_bytes() == good


@pytest.mark.parametrize("overwrite", ["superset", "always"])
def test_a_folder_in_the_place_of_a_zip_is_set_aside(
    overwrite: Overwrite, day: DayFolder, zips: ZipStore
) -> None:
    place = zips.zip_path(day.project, day.date)
    place.mkdir(parents=True)
    (place / "note.txt").write_text("mine")

    made = make_zip(zips, day, overwrite)

    assert made.set_aside is not None
    assert (made.set_aside / "note.txt").read_text() == "mine"
    assert zips.load(day.project, day.date).summary == day.summary


def test_a_link_that_leads_nowhere_in_the_place_of_a_zip_is_set_aside(
    day: DayFolder, zips: ZipStore, tmp_path: Path
) -> None:
    place = zips.zip_path(day.project, day.date)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(tmp_path / "unplugged.zip")

    made = make_zip(zips, day, "superset")

    assert made.set_aside is not None
    assert made.set_aside.readlink() == tmp_path / "unplugged.zip"


def test_what_a_killed_run_left_is_removed_when_the_zip_is_kept(day: DayFolder, zips: ZipStore) -> None:
    make_zip(zips, day, "superset")
    (zips.root / ".my-project_2025-08-29.zip.part").write_text("left by a crash")

    make_zip(zips, day, "superset")

    assert [path.name for path in zips.root.iterdir()] == ["my-project_2025-08-29.zip"]


def test_the_progress_of_zipping_and_of_extracting_ends_with_all_files(
    zips: ZipStore, tmp_path: Path
) -> None:
    day = day_of_sizes(tmp_path / "data", [300] * 70)
    zipping: list[tuple[int, int]] = []
    extracting: list[tuple[int, int]] = []
    out = tmp_path / "out"
    out.mkdir()

    path = make_zip(zips, day, "superset", on_progress=lambda *step: zipping.append(step)).zip.path
    extract_zip(path, out, project=PROJECT, day=DAY, on_progress=lambda *step: extracting.append(step))

    for steps in (zipping, extracting):
        assert len(steps) > 2
        assert steps == sorted(steps)
        assert steps[-1] == (71, 71)


def test_a_fuller_zip_is_not_replaced_by_an_emptier_day(
    tmp_path: Path, day: DayFolder, zips: ZipStore
) -> None:
    fuller = make_zip(zips, day, "superset").zip.path.read_bytes()
    emptier = published_day(tmp_path / "later", [ONE])

    with pytest.raises(OverwriteRefused, match="1 runs"):
        make_zip(zips, emptier, "superset")
    with pytest.raises(OverwriteRefused):
        make_zip(zips, emptier, "never")

    assert zips.zip_path(PROJECT, DAY).read_bytes() == fuller
    make_zip(zips, emptier, "always")


def test_a_day_whose_files_were_changed_is_not_zipped(day: DayFolder, zips: ZipStore) -> None:
    name = next(iter(day.summary.files))
    (day.path / name).write_text("{}")

    with pytest.raises(BrokenDay):
        make_zip(zips, day, "superset")

    assert not zips.zip_path(PROJECT, DAY).exists()


def test_a_zip_that_is_not_there_is_named(zips: ZipStore) -> None:
    with pytest.raises(NoSuchZip, match="day_zip"):
        zips.load(PROJECT, DAY)


def test_a_good_zip_has_no_differences(day: DayFolder, zips: ZipStore) -> None:
    zipped = make_zip(zips, day, "superset").zip

    assert differences_of(zipped.path, day) == []
    assert zips.load(PROJECT, DAY) == zipped
    assert zipped.run_ids() == day.run_ids()


def _dropped(members: dict[str, bytes]) -> dict[str, bytes]:
    return dict(list(members.items())[1:])


def _with(name: str) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda members: {**members, name: b"{}"}


def _longer(members: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data + b" " * (name != SUMMARY) for name, data in members.items()}


def _altered(members: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data.replace(b"a run", b"a RUN") for name, data in members.items()}


HOSTILE = {
    "a member is missing": _dropped,
    "an absolute name": _with("/etc/passwd"),
    "a name that climbs": _with("../escape.json"),
    "a folder": _with("folder/"),
    "a stray file": _with("extra.json"),
    "a member of another size": _longer,
    "a member of other content": _altered,
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_zip_that_differs_from_its_summary_is_refused_and_writes_nothing_outside(
    change: Callable[[dict[str, bytes]], dict[str, bytes]], day: DayFolder, zips: ZipStore, tmp_path: Path
) -> None:
    path = make_zip(zips, day, "superset").zip.path
    rewrite(path, change)
    before = {found.name for found in tmp_path.iterdir()}

    assert differences_of(path, day)
    with pytest.raises((BrokenZip, BrokenDay)):
        extract(path, tmp_path / "out")

    assert {found.name for found in tmp_path.iterdir()} - before == {"out"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(day: DayFolder, zips: ZipStore, tmp_path: Path) -> None:
    path = make_zip(zips, day, "superset").zip.path
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(next(iter(day.summary.files)), b"{}")

    with pytest.raises(BrokenZip, match=r"more than once|the summary says"):
        extract(path, tmp_path / "out")


@pytest.mark.parametrize("kept", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_zip_is_refused(kept: float, day: DayFolder, zips: ZipStore, tmp_path: Path) -> None:
    path = make_zip(zips, day, "superset").zip.path
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])

    with pytest.raises(BrokenZip):
        extract(path, tmp_path / "out")


def test_no_flipped_byte_goes_unnoticed(day: DayFolder, zips: ZipStore, tmp_path: Path) -> None:
    path = make_zip(zips, day, "superset").zip.path
    good = path.read_bytes()
    expected = content(day.path)

    for position in range(0, len(good), 7):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x55]) + good[position + 1 :])
        out = tmp_path / f"out-{position}"
        try:
            extract(path, out)
        except (BrokenZip, BrokenDay, InvalidSummary):
            continue
        # Bytes that say nothing about the content (times, attributes) may change.
        assert content(out) == expected


def test_the_zip_of_another_day_is_refused(day: DayFolder, zips: ZipStore, tmp_path: Path) -> None:
    path = make_zip(zips, day, "superset").zip.path
    (tmp_path / "out").mkdir()

    with pytest.raises(InvalidSummary):
        extract_zip(path, tmp_path / "out", project="another", day=DAY)

    assert list((tmp_path / "out").iterdir()) == []
