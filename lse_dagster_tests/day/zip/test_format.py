"""The bytes of the day zip: the same whatever the threads, and read by tools that we did not write."""

import os
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.day.errors import BrokenZip
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.run_names import attachment_file_name
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.directory import ZipDirectory
from lse_dagster.day.zip.format import Entry, central_record, end_records, local_header
from lse_dagster.day.zip.member import read_whole
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.worlds.attached import stage_with
from lse_dagster_tests.worlds.large import runs_of_sizes
from lse_dagster_tests.worlds.staged import content

SIZES = [100, 20_000, 2_200_000, 4_500_000]
NOTE = attachment_file_name("0198c2a4-7b1d-7c3e-9f00-000000000001", "attachment", "日本 Größe.txt")
EMPTY = attachment_file_name("0198c2a4-7b1d-7c3e-9f00-000000000001", "attachment", "日本 Größe.dat")
ZONES = ["UTC+12", "UTC", "UTC-9", "UTC-14"]
"""As POSIX writes them: the last one is 14 hours ahead."""
READERS = {
    "unzip": ["unzip", "-q", "{zip}", "-d", "{out}"],
    "7z": ["7z", "x", "-y", "-o{out}", "{zip}"],
    "bsdtar": ["bsdtar", "-x", "-f", "{zip}", "-C", "{out}"],
}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> DayFolder:
    """Small and large traces, an empty attachment, and one whose name is not ASCII."""
    store = DayStore(tmp_path_factory.mktemp("data"))
    attachments = {NOTE: b"hello", EMPTY: b""}
    return store.publish(stage_with(store, runs_of_sizes(SIZES), attachments), "superset").day


@pytest.fixture(scope="module")
def zipped(day: DayFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_zip(ZipStore(tmp_path_factory.mktemp("archives")), day, "superset").zip.path


def run_reader(name: str, path: Path, out: Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed here")
    words = [word.format(zip=path, out=out) for word in READERS[name]]
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


@pytest.mark.parametrize("name", READERS)
def test_another_tool_extracts_it_byte_for_byte(
    name: str, day: DayFolder, zipped: Path, tmp_path: Path
) -> None:
    run_reader(name, zipped, tmp_path)

    assert content(tmp_path) == content(day.path)


def test_pythons_zipfile_extracts_it_byte_for_byte(day: DayFolder, zipped: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(zipped) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)

    assert content(tmp_path) == content(day.path)


def test_members_are_plain_files_with_their_sizes_in_front_of_their_data(zipped: Path) -> None:
    """What Windows Explorer and macOS read: no data descriptors, version 2.0, UTF-8 where needed only."""
    with zipfile.ZipFile(zipped) as archive:
        members = archive.infolist()

    assert {info.flag_bits for info in members if info.filename.isascii()} == {0}
    assert {info.flag_bits for info in members if not info.filename.isascii()} == {0x800}
    assert {info.extract_version for info in members} == {20}
    assert {info.compress_type for info in members} == {zipfile.ZIP_DEFLATED}
    assert {info.external_attr >> 16 for info in members} == {0o100644}
    assert {info.date_time for info in members} == {(1980, 1, 2, 12, 0, 0)}
    assert {info.extra for info in members} == {b""}


@pytest.mark.parametrize("cores", [1, 3, 64])
def test_the_bytes_do_not_depend_on_the_number_of_threads(
    cores: int, day: DayFolder, zipped: Path, tmp_path: Path
) -> None:
    """Given a process that believes to have so many cores."""
    code = (
        "import os, sys; os.cpu_count = lambda: int(sys.argv[1]); from pathlib import Path;"
        "from datetime import date; from lse_dagster.day.folder import read_day_folder;"
        "from lse_dagster.day.zip.file import write_zip;"
        "day = read_day_folder(Path(sys.argv[2]), project=sys.argv[3], day=date.fromisoformat(sys.argv[4]));"
        "write_zip(day, Path(sys.argv[5]))"
    )
    target = tmp_path / "again.zip"
    arguments = [str(cores), str(day.path), day.project, day.date.isoformat(), str(target)]

    subprocess.run([sys.executable, "-c", code, *arguments], check=True)

    assert target.read_bytes() == zipped.read_bytes()


def test_a_higher_level_is_smaller_and_every_level_holds_the_same(day: DayFolder, tmp_path: Path) -> None:
    sizes = []
    for level in (1, 6, 9):
        zips = ZipStore(tmp_path / str(level), level=level)
        path = make_zip(zips, day, "superset").zip.path
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
        sizes.append(path.stat().st_size)

    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3


def test_the_default_level_is_as_small_as_zipfiles_level_6(
    day: DayFolder, zipped: Path, tmp_path: Path
) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in sorted(day.path.iterdir()):
            archive.write(file, file.name)

    assert zipped.stat().st_size <= 1.01 * path.stat().st_size


def build(path: Path, count: int, name: Callable[[int], str]) -> None:
    """A zip of so many small members, made with the records of the format alone."""
    offset, directory = 0, bytearray()
    with path.open("wb") as file:
        for number in range(count):
            data = str(number).encode()
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            packed = packer.compress(data) + packer.flush()
            entry = Entry(name(number), zlib.crc32(data), len(packed), len(data), offset)
            offset += file.write(local_header(entry) + packed)
            directory += central_record(entry)
        file.write(directory + end_records(count, len(directory), offset))


@pytest.mark.parametrize("count", [65_534, 65_535, 65_536, 65_537, 70_000])
def test_more_members_than_the_first_zip_format_knew(count: int, tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    build(path, count, "{:06}.json".format)

    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == count
        assert archive.read(f"{count - 1:06}.json") == str(count - 1).encode()
    with ZipDirectory(path) as ours:
        assert list(ours.check()) == []
        assert sum(1 for _ in ours.members()) == count
    for command in (["unzip", "-tqq", str(path)], ["7z", "t", str(path)]):
        if shutil.which(command[0]) is not None:
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    for command in (["unzip", "-Z1", str(path)], ["bsdtar", "-tf", str(path)]):
        if shutil.which(command[0]) is not None:
            listed = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            assert len(listed.splitlines()) == count


@pytest.mark.parametrize("written_in", ZONES)
@pytest.mark.parametrize("read_in", ZONES)
def test_no_file_of_a_zip_is_older_than_1980_wherever_it_is_unzipped_and_zipped_again(
    written_in: str, read_in: str, zipped: Path, tmp_path: Path
) -> None:
    subprocess.run(
        ["unzip", "-q", str(zipped), "-d", str(tmp_path)], env={**os.environ, "TZ": written_in}, check=True
    )

    code = "import sys, zipfile; [zipfile.ZipFile('again.zip', 'w').write(name) for name in sys.argv[1:]]"
    subprocess.run(
        [sys.executable, "-c", code, *sorted(path.name for path in tmp_path.iterdir())],
        env={**os.environ, "TZ": read_in},
        cwd=tmp_path,
        check=True,
    )


def test_a_zip_with_the_times_of_before_is_the_same_zip(day: DayFolder, tmp_path: Path) -> None:
    zips = ZipStore(tmp_path)
    path = make_zip(zips, day, "superset").zip.path
    now, before = struct.pack("<2H", 12 << 11, 0x22), struct.pack("<2H", 0, 0x21)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        central = archive.start_dir
    old = bytearray(path.read_bytes())
    for info in members:
        assert old[info.header_offset + 10 : info.header_offset + 14] == now
        old[info.header_offset + 10 : info.header_offset + 14] = before
        old[central + 12 : central + 16] = before
        central += 46 + len(info.filename.encode()) + len(info.extra)
    path.write_bytes(old)

    again = make_zip(zips, day, "superset")

    assert again.action == "kept"
    assert path.read_bytes() == old


@pytest.mark.parametrize("offset", [0xFFFF_FFFE, 0xFFFF_FFFF])
def test_a_member_beyond_4_gib_is_found(offset: int, tmp_path: Path) -> None:
    """Given a hole before it, which costs no disk."""
    text, path = b"text", tmp_path / "far.zip"
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = compressor.compress(text) + compressor.flush()
    entries = [
        Entry(name, zlib.crc32(text), len(packed), len(text), at)
        for name, at in (("near.json", 0), ("far.json", offset))
    ]
    with path.open("wb") as file:
        for entry in entries:
            file.seek(entry.offset)
            file.write(local_header(entry) + packed)
        directory = b"".join(map(central_record, entries))
        file.write(directory + end_records(2, len(directory), file.tell()))

    with zipfile.ZipFile(path) as archive:
        assert archive.read("far.json") == text
    with ZipDirectory(path) as ours:
        assert list(ours.check()) == []
        assert read_whole(ours, ours.member("far.json")) == text
    for command in (["unzip", "-tqq", str(path)], ["7z", "t", str(path)], ["bsdtar", "-tf", str(path)]):
        if shutil.which(command[0]) is not None:
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def test_a_zip_with_as_many_members_as_fit_without_zip64_is_read(tmp_path: Path) -> None:
    """Given zipfile's form of it: it writes Zip64 records only for more than 65,535 members."""
    path = tmp_path / "full.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(65_535):
            archive.writestr(f"{number}", b"")

    with ZipDirectory(path) as ours:
        assert len(ours) == 65_535


@pytest.mark.parametrize("told", [70_000 % 0x10000, 70_000 % 0x10000 + 1])
def test_a_zip_whose_end_cannot_tell_how_many_members_it_has_is_counted(told: int, tmp_path: Path) -> None:
    """Finder writes no Zip64 end, only what 16 bits hold of the number. Another number is a lie."""
    path = tmp_path / "many.zip"
    build(path, 70_000, "{:06}.json".format)
    with zipfile.ZipFile(path) as archive:
        begin = archive.start_dir
    whole = path.read_bytes()
    end64 = whole.rindex(b"PK\x06\x06")
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, told, told, end64 - begin, begin, 0)
    path.write_bytes(whole[:end64] + end)

    with ZipDirectory(path) as ours:
        if told == 70_000 % 0x10000:
            assert len(ours) == sum(1 for _ in ours.members()) == 70_000
            assert list(ours.check()) == []
        else:
            with pytest.raises(BrokenZip, match="more than its members"):
                list(ours.members())


@pytest.mark.parametrize("size", [0, 1, 0xFEFF_FFFE, 0xFEFF_FFFF, 0xFFFF_FFFF, 1 << 33])
def test_a_local_header_is_as_long_before_as_after_its_numbers_are_known(size: int) -> None:
    """It is written first and filled in afterwards, so it must not grow."""
    before = local_header(Entry("name", 0, 0, size, 0))
    after = local_header(Entry("name", 0xFFFF_FFFF, size // 3, size, 0))

    assert len(before) == len(after)
