"""The proof of a zip: any byte that changes is noticed or means nothing, and no content is proved twice."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lse_dagster.day.errors import BrokenZip
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.sandbox.drive.settings import flip_byte
from lse_dagster.steps.zip import make_zip
from lse_dagster.steps.zip_proof import prove_zip
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, content, published_day
from lse_dagster_tests.worlds.zips import extract_zip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of two traces."""
    place = tmp_path_factory.mktemp("whole")
    day = published_day(place / "data", [root(at("10:00:00")).raw(), root(at("11:00:00")).raw()])
    return make_zip(ZipStore(place / "zips"), day, "superset").zip.path


def prove(path: Path, recorded: str | None = None) -> str:
    return prove_zip(path, project=PROJECT, day=DAY, recorded=recorded)


@hypothesis_settings(max_examples=300)
@given(data=st.data())
def test_a_flipped_bit_is_noticed_or_changes_nothing_that_comes_out(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = tmp_path_factory.mktemp("flipped")
    damaged = bytearray(whole.read_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = place / whole.name
    path.write_bytes(damaged)
    recorded = prove(whole)

    try:
        proved = prove(path, recorded)
    except (BrokenZip, InvalidSummary):
        return

    assert proved != recorded
    for zipped, folder in ((whole, place / "a"), (path, place / "b")):
        folder.mkdir()
        extract_zip(zipped, folder, project=PROJECT, day=DAY)
    assert content(place / "a") == content(place / "b")


def test_a_content_that_was_proved_is_not_inflated_again(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / whole.name
    path.write_bytes(whole.read_bytes())
    flip_byte(path)
    with path.open("rb") as file:
        import hashlib

        recorded = hashlib.file_digest(file, "sha256").hexdigest()

    # It could not be proved, so whoever looks into it is noticed.
    with pytest.raises(BrokenZip):
        prove(path)
    assert prove(path, recorded) == recorded
