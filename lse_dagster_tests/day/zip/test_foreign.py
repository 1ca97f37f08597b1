"""Zips that somebody made with a file manager of the files of a day: what it adds is left out."""

import io
import unicodedata
import zipfile
from pathlib import Path
from typing import BinaryIO, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.day.errors import BrokenZip
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.foreign import is_foreign_file
from lse_dagster.day.run_names import attachment_file_name, is_day_file_name
from lse_dagster.day.store import DayStore
from lse_dagster.day.zip.file import read_zip
from lse_dagster.steps.zip_proof import prove_zip
from lse_dagster_tests.day.zip.zip_bytes import ZipBytes
from lse_dagster_tests.worlds.attached import stage_with
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, content
from lse_dagster_tests.worlds.zips import differences_of, extract_zip

APPLE_DOUBLE = b"\x00\x05\x16\x07" + bytes(116)


class OneWay(io.RawIOBase):
    """A file in which nobody can go back: sizes follow the data, as Finder writes them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self._file.write(data)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> DayFolder:
    first, second = root(at("10:00:00")), root(at("11:00:00"))
    store = DayStore(tmp_path_factory.mktemp("data"))
    photo = attachment_file_name(first.id, "attachment", "Würzburg.png")
    return store.publish(stage_with(store, [first.raw(), second.raw()], {photo: b"photo"}), "superset").day


def made_by_finder(day: DayFolder, path: Path, *, folder: str = "", extra: tuple[str, ...] = ()) -> Path:
    with path.open("wb") as file, zipfile.ZipFile(OneWay(file), "w", zipfile.ZIP_DEFLATED) as archive:
        for name in filter(None, ("__MACOSX/", folder)):
            archive.writestr(zipfile.ZipInfo(name), b"")
        for source in sorted(day.path.iterdir()):
            archive.write(source, folder + source.name)
            archive.writestr(f"__MACOSX/{folder}._{source.name}", APPLE_DOUBLE)
        for name in extra:
            archive.writestr(name, b"foreign")
    return path


@pytest.mark.parametrize(
    "extra", [(), (".DS_Store",), ("Thumbs.db", "desktop.ini"), (".nfs00000000ab", "notes.txt~")]
)
def test_what_a_file_manager_adds_is_left_out(day: DayFolder, tmp_path: Path, extra: tuple[str, ...]) -> None:
    path = made_by_finder(day, tmp_path / "a.zip", extra=extra)
    out = tmp_path / "out"
    out.mkdir()

    extract_zip(path, out, project=PROJECT, day=DAY)

    assert content(out) == content(day.path)
    assert differences_of(path, day) == []
    assert prove_zip(path, project=PROJECT, day=DAY)
    assert len(read_zip(path, project=PROJECT, day=DAY).run_ids()) == 2


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("says_so", [True, False])
def test_names_in_utf8_are_read_in_either_form_also_where_nothing_says_that_they_are(
    form: Literal["NFC", "NFD"], says_so: bool, day: DayFolder, tmp_path: Path
) -> None:
    """Finder writes NFD, and does not set the flag (seen in zips of macOS, by several readers of zips)."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(day.path.iterdir()):
            archive.write(source, unicodedata.normalize(form, source.name))
    made = ZipBytes(path)
    for name in made.names():
        made.set(name, "flags", 0x800 if says_so and not name.isascii() else 0)
    made.save()
    (out := tmp_path / "out").mkdir()

    extract_zip(path, out, project=PROJECT, day=DAY)

    assert content(out) == content(day.path)
    assert differences_of(path, day) == []


def test_one_name_in_two_forms_is_there_twice(day: DayFolder, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(day.path.iterdir()):
            for name in {unicodedata.normalize(form, source.name) for form in ("NFC", "NFD")}:
                archive.write(source, name)

    assert any("more than once" in found for found in differences_of(path, day))


def test_a_zip_of_the_folder_is_told_what_it_is(day: DayFolder, tmp_path: Path) -> None:
    path = made_by_finder(day, tmp_path / "a.zip", folder="2025-08-29/")

    with pytest.raises(BrokenZip, match="Zip the files in the folder, not the folder"):
        read_zip(path, project=PROJECT, day=DAY)


@pytest.mark.parametrize("name", ["other.json", "../_summary.json", "a/_summary.json", "__MACOSXX/a"])
def test_any_other_stranger_is_refused(day: DayFolder, tmp_path: Path, name: str) -> None:
    path = made_by_finder(day, tmp_path / "a.zip", extra=(name,))
    (out := tmp_path / "out").mkdir()

    with pytest.raises(BrokenZip, match="is not in the summary"):
        extract_zip(path, out, project=PROJECT, day=DAY)

    assert list(out.iterdir()) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_no_day_zip_has_is_named(day: DayFolder, tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for source in sorted(day.path.iterdir()):
            archive.write(source, source.name)

    with pytest.raises(BrokenZip, match=f"packed by method {method}"):
        read_zip(path, project=PROJECT, day=DAY)


@given(st.text())
def test_no_file_of_a_day_is_foreign(name: str) -> None:
    assert not (is_day_file_name(name) and is_foreign_file(name))


def test_the_files_of_a_day_are_its_own(day: DayFolder) -> None:
    assert not any(is_foreign_file(path.name) for path in day.path.iterdir())
