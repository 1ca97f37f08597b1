"""Zips that someone made to do harm: refused with a clear error before anything is written."""

import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.day.errors import BrokenZip
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.day.zip.zip_bytes import ZipBytes
from lse_dagster_tests.worlds.large import day_of_sizes
from lse_dagster_tests.worlds.staged import DAY, PROJECT
from lse_dagster_tests.worlds.zips import differences_of, extract_zip

LARGE = 2_500_000


@pytest.fixture
def day(tmp_path: Path) -> DayFolder:
    return day_of_sizes(tmp_path / "data", [500, 700, LARGE])


@pytest.fixture
def path(day: DayFolder, tmp_path: Path) -> Path:
    return make_zip(ZipStore(tmp_path / "archives"), day, "superset").zip.path


def by_size(zipped: ZipBytes) -> list[str]:
    """The traces, the large one last."""
    return sorted(
        (name for name in zipped.names() if name != SUMMARY), key=lambda name: zipped.get(name, "size")
    )


def encrypted(zipped: ZipBytes) -> None:
    name = by_size(zipped)[0]
    zipped.set(name, "flags", zipped.get(name, "flags") | 1)


def a_link(zipped: ZipBytes) -> None:
    zipped.set(by_size(zipped)[0], "attributes", (stat.S_IFLNK | 0o777) << 16)


def a_device(zipped: ZipBytes) -> None:
    zipped.set(by_size(zipped)[0], "attributes", (stat.S_IFCHR | 0o777) << 16)


def a_folder(zipped: ZipBytes) -> None:
    zipped.set(by_size(zipped)[0], "attributes", (stat.S_IFDIR | 0o777) << 16)


def a_folder_of_dos(zipped: ZipBytes) -> None:
    zipped.set(by_size(zipped)[0], "attributes", 0x10)


def an_unknown_method(zipped: ZipBytes) -> None:
    zipped.set(by_size(zipped)[0], "method", 14)


def an_unknown_flag(zipped: ZipBytes) -> None:
    zipped.set(by_size(zipped)[0], "flags", 0x20)


def another_name_in_the_local_header(zipped: ZipBytes) -> None:
    name = by_size(zipped)[0]
    zipped.rename(name, "x" + name[1:], central=False)


def another_crc_in_the_local_header(zipped: ZipBytes) -> None:
    zipped.set(by_size(zipped)[0], "crc", 1, central=False)


def another_size_in_the_local_header(zipped: ZipBytes) -> None:
    zipped.set(by_size(zipped)[0], "size", 1, central=False)


def another_method_in_the_local_header(zipped: ZipBytes) -> None:
    zipped.set(by_size(zipped)[0], "method", 0, central=False)


def overlapping(zipped: ZipBytes) -> None:
    first = zipped.names()[0]
    zipped.set(first, "compressed", zipped.get(first, "compressed") + 200)


def one_data_for_two(zipped: ZipBytes) -> None:
    first, second = zipped.names()[:2]
    zipped.set(second, "offset", zipped.get(first, "offset"))


def reaching_into_the_directory(zipped: ZipBytes) -> None:
    last = zipped.names()[-1]
    zipped.set(last, "compressed", zipped.get(last, "compressed") + 1)


def beyond_the_end(zipped: ZipBytes) -> None:
    zipped.set(zipped.names()[-1], "offset", len(zipped.data) - 4)


def a_name_that_climbs(zipped: ZipBytes) -> None:
    name = by_size(zipped)[0]
    zipped.rename(name, "../" + name[3:])


def an_absolute_name(zipped: ZipBytes) -> None:
    name = by_size(zipped)[0]
    zipped.rename(name, "/" + name[1:])


def a_name_that_is_no_text(zipped: ZipBytes) -> None:
    name = by_size(zipped)[0]
    zipped.set(name, "flags", 0x800)
    at = zipped.data.rindex(name.encode())
    zipped.data[at] = 0xFF


def a_name_of_windows(zipped: ZipBytes) -> None:
    name = by_size(zipped)[0]
    zipped.rename(name, "C:\\" + name[3:])


def a_name_twice(zipped: ZipBytes) -> None:
    first, second = by_size(zipped)[:2]
    zipped.rename(second, first)


def a_claim_beyond_all_compression(zipped: ZipBytes) -> None:
    zipped.set(SUMMARY, "size", 0xFFFF_FFFE)


def a_size_that_the_summary_does_not_promise(zipped: ZipBytes) -> None:
    name = by_size(zipped)[0]
    zipped.set(name, "size", zipped.get(name, "size") + 1)


def fewer_members_than_the_directory_lists(zipped: ZipBytes) -> None:
    at = zipped.data.rindex(b"PK\x05\x06")
    count = len(zipped.names()) - 1
    struct.pack_into("<2H", zipped.data, at + 8, count, count)


def several_disks(zipped: ZipBytes) -> None:
    at = zipped.data.rindex(b"PK\x05\x06")
    struct.pack_into("<H", zipped.data, at + 4, 1)


def data_before_it(zipped: ZipBytes) -> None:
    zipped.data[:0] = b"#!/bin/sh\n"


def data_after_it(zipped: ZipBytes) -> None:
    zipped.data += b"more"


HOSTILE: dict[Callable[[ZipBytes], None], str] = {
    encrypted: "encrypted",
    a_link: "a link",
    a_device: "no plain file",
    a_folder: "a folder",
    a_folder_of_dos: "a folder",
    an_unknown_method: "packed in a way",
    an_unknown_flag: "packed in a way",
    another_name_in_the_local_header: "contradicts",
    another_crc_in_the_local_header: "contradicts",
    another_size_in_the_local_header: "contradicts",
    another_method_in_the_local_header: "contradicts",
    overlapping: "overlaps",
    one_data_for_two: "overlaps|contradicts",
    reaching_into_the_directory: "overlaps the directory",
    beyond_the_end: "ends too early|overlaps|local header",
    a_name_that_climbs: "not in the summary",
    an_absolute_name: "not in the summary",
    a_name_that_is_no_text: "not UTF-8",
    a_name_of_windows: "not in the summary",
    a_name_twice: "more than once|the summary says",
    a_claim_beyond_all_compression: "claims",
    a_size_that_the_summary_does_not_promise: "the summary says",
    fewer_members_than_the_directory_lists: "more than its members",
    several_disks: "end is damaged",
    data_before_it: "directory is not where",
    data_after_it: "end is damaged|no zip",
}


@pytest.mark.parametrize("harm", HOSTILE, ids=lambda harm: harm.__name__)
def test_a_hostile_zip_is_refused_and_nothing_is_written(
    harm: Callable[[ZipBytes], None], day: DayFolder, path: Path, tmp_path: Path
) -> None:
    zipped = ZipBytes(path)
    harm(zipped)
    zipped.save()
    out = tmp_path / "out"
    out.mkdir()

    with pytest.raises(BrokenZip, match=HOSTILE[harm]):
        extract_zip(path, out, project=PROJECT, day=DAY)

    assert list(out.iterdir()) == []
    assert _is_told(path, day)


def _is_told(path: Path, day: DayFolder) -> bool:
    """Whether the check of the zip says that it is wrong."""
    try:
        return bool(differences_of(path, day))
    except BrokenZip:
        return True


@pytest.mark.parametrize("which", [0, -1], ids=["small", "large"])
def test_a_bomb_is_never_inflated_beyond_its_promised_size(
    which: int, day: DayFolder, path: Path, tmp_path: Path
) -> None:
    """Given a member whose data inflates to far more than both headers and the summary say."""
    name = by_size(ZipBytes(path))[which]
    promised = day.summary.files[name].bytes
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members[name] = b" " * (promised + 50_000_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    zipped = ZipBytes(path)
    zipped.set(name, "size", promised)
    zipped.set(name, "crc", 0)
    zipped.save()
    out = tmp_path / "out"
    out.mkdir()

    with pytest.raises(BrokenZip, match=r"size|inflated"):
        extract_zip(path, out, project=PROJECT, day=DAY)

    # A large member is checked as it is written: never more than a piece too much, in the staging only.
    assert all(found.stat().st_size <= promised + (1 << 20) for found in out.iterdir())


def test_a_member_with_the_right_crc_and_another_hash_is_refused_unwritten(
    day: DayFolder, path: Path, tmp_path: Path
) -> None:
    """Given another day's file under the promised name and size: its CRC is right, its hash is not."""
    name = by_size(ZipBytes(path))[0]
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members[name] = members[name].replace(b"a run", b"A RUN")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    out = tmp_path / "out"
    out.mkdir()

    with pytest.raises(BrokenZip, match=f"{name}.*hash"):
        extract_zip(path, out, project=PROJECT, day=DAY)

    assert name not in {found.name for found in out.iterdir()}
