"""Zip64 numbers that no file can hold: refused like any other lie, and no memory asked for them."""

import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from lse_dagster.day.errors import BrokenZip
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.zip.file import read_zip
from lse_dagster.day.zip.format import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    END64_SIGNATURE,
    EXTRA_64,
    NEEDS_64,
    UNIX,
    end_records,
)
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.worlds.large import day_of_sizes
from lse_dagster_tests.worlds.staged import DAY, PROJECT, content
from lse_dagster_tests.worlds.zips import extract_zip

BEYOND_MEMORY = 1 << 50
BEYOND_THE_SYSTEM = 1 << 63


@pytest.fixture
def day(tmp_path: Path) -> DayFolder:
    return day_of_sizes(tmp_path / "data", [500, 700])


@pytest.fixture
def path(day: DayFolder, tmp_path: Path) -> Path:
    return make_zip(ZipStore(tmp_path / "archives"), day, "superset").zip.path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def read(how: str, path: Path, out: Path) -> object:
    """What reads a zip from Drive: a restore, or the comparison before it is replaced."""
    if how == "extract":
        return extract_zip(path, out, project=PROJECT, day=DAY)
    return list(read_zip(path, project=PROJECT, day=DAY).traces())


def claim(path: Path, name: str, **numbers: int) -> None:
    """Write the directory anew, with all numbers in Zip64 and those of one member changed."""
    with zipfile.ZipFile(path) as archive:
        infos, begin = archive.infolist(), archive.start_dir
    directory = b""
    for info in infos:
        told = {"size": info.file_size, "compressed": info.compress_size, "offset": info.header_offset}
        if info.filename == name:
            told |= numbers
        extra = struct.pack("<2H3Q", EXTRA_64, 24, told["size"], told["compressed"], told["offset"])
        directory += CENTRAL.pack(
            CENTRAL_SIGNATURE, 45, UNIX, 45, 0, 0, DEFLATED, 0, 0x21, info.CRC, NEEDS_64, NEEDS_64,
            len(info.filename), len(extra), 0, 0, 0, 0o100644 << 16, NEEDS_64,
        ) + info.filename.encode() + extra  # fmt: skip
    data = path.read_bytes()[:begin]
    path.write_bytes(data + directory + end_records(len(infos), len(directory), begin))


def test_a_directory_that_is_all_zip64_is_read_when_it_is_true(day: DayFolder, path: Path, out: Path) -> None:
    claim(path, SUMMARY)

    extract_zip(path, out, project=PROJECT, day=DAY)

    assert content(out) == content(day.path)


@pytest.mark.parametrize("how", ["extract", "holdings"])
@pytest.mark.parametrize("value", [BEYOND_MEMORY, BEYOND_THE_SYSTEM - 10, BEYOND_THE_SYSTEM, (1 << 64) - 2])
@pytest.mark.parametrize("number", ["offset", "compressed"])
@pytest.mark.parametrize("of", [SUMMARY, "a trace"])
def test_a_number_beyond_the_file_is_refused(
    of: str, number: str, value: int, how: str, day: DayFolder, path: Path, out: Path
) -> None:
    claim(path, SUMMARY if of == SUMMARY else min(day.summary.files), **{number: value})

    with pytest.raises(BrokenZip):
        read(how, path, out)

    assert list(out.iterdir()) == []


@pytest.mark.parametrize("how", ["extract", "holdings"])
@pytest.mark.parametrize("count", [4, 1 << 32, BEYOND_THE_SYSTEM, (1 << 64) - 1])
def test_more_members_than_its_directory_holds_are_refused(
    count: int, how: str, day: DayFolder, path: Path, out: Path
) -> None:
    data = path.read_bytes()
    at = data.rindex(b"PK\x05\x06")
    size, begin = struct.unpack_from("<2L", data, at + 12)
    end = bytearray(end_records(0xFFFF, size, begin))
    struct.pack_into("<2Q", end, end.index(END64_SIGNATURE) + 24, count, count)
    path.write_bytes(data[:at] + end)

    with pytest.raises(BrokenZip, match="ends too early"):
        read(how, path, out)

    assert list(out.iterdir()) == []


@pytest.mark.parametrize("how", ["extract", "read"])
def test_a_directory_of_any_size_is_read_a_piece_at_a_time(how: str, path: Path, out: Path) -> None:
    length = 1 << 30
    with path.open("wb") as file:
        file.seek(length)
        file.write(end_records(length // CENTRAL.size, length, 0))

    tracemalloc.start()
    try:
        with pytest.raises(BrokenZip, match="directory is damaged"):
            read(how, path, out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1 << 20
    assert list(out.iterdir()) == []
