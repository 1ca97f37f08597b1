"""A summary with bytes in it that are no text, or nested beyond reason: a typed error wherever it is read."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.calendar.inventory import local_days
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.file import summary_in_zip
from lse_dagster_tests.worlds.large import day_of_sizes
from lse_dagster_tests.worlds.staged import DAY, PROJECT
from lse_dagster_tests.worlds.zips import extract_zip


@pytest.fixture
def day(tmp_path: Path) -> DayFolder:
    return day_of_sizes(tmp_path / "data", [500])


def a_flipped_bit(raw: bytes) -> bytes:
    at = raw.index(PROJECT.encode())
    return raw[:at] + bytes([raw[at] ^ 0x80]) + raw[at + 1 :]


def brackets(raw: bytes) -> bytes:
    return raw.replace(b'"project_id"', b'"more": ' + b"[" * 100_000 + b"]" * 100_000 + b', "project_id"')


DAMAGES = [a_flipped_bit, brackets]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_day_with_a_damaged_summary_is_no_day(
    damage: Callable[[bytes], bytes], day: DayFolder, tmp_path: Path
) -> None:
    day.summary_path.write_bytes(damage(day.summary_path.read_bytes()))

    with pytest.raises(InvalidSummary, match="not a valid summary"):
        DayStore(tmp_path / "data").load(PROJECT, DAY)

    assert local_days(tmp_path / "data", tmp_path / "archives", PROJECT)[DAY].broken


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_zip_with_a_damaged_summary_is_refused_and_nothing_is_written(
    damage: Callable[[bytes], bytes], day: DayFolder, tmp_path: Path
) -> None:
    path, out = tmp_path / "a.zip", tmp_path / "out"
    out.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SUMMARY, damage(day.summary_path.read_bytes()))
        for name in day.summary.files:
            archive.write(day.path / name, name)

    with pytest.raises(InvalidSummary, match="not a valid summary"):
        extract_zip(path, out, project=PROJECT, day=DAY)

    assert list(out.iterdir()) == []
    assert summary_in_zip(path, project=PROJECT, day=DAY) is None
