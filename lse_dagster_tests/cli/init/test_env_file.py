"""Changing a `.env`: what is asked for changes, everything else stays, and nothing is ever half written."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.cli.init.env_file import CannotWriteEnvFile, read_variables, with_variables, write_env_file

VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40)
NAMES = st.text(string.ascii_uppercase + "_", min_size=1, max_size=8)


@given(before=st.dictionaries(NAMES, VALUES, max_size=4), changes=st.dictionaries(NAMES, VALUES, max_size=4))
def test_every_value_reads_back_as_it_was_given(before: dict[str, str], changes: dict[str, str]) -> None:
    text = with_variables("# mine\n", before)

    assert read_variables(with_variables(text, changes)) == {**before, **changes}


def test_comments_and_unknown_lines_stay_where_they_are() -> None:
    text = "# mine\nFOO='a b'\n\nexport KEY=old # why\n# LSE_DATA_DIR=./data\n# about\nTAIL=1\n"

    changed = with_variables(text, {"KEY": "new", "LSE_DATA_DIR": "/data", "MORE": "x y"})

    assert changed == "# mine\nFOO='a b'\n\nKEY=new\nLSE_DATA_DIR=/data\n# about\nTAIL=1\nMORE='x y'\n"


def test_the_file_is_written_for_its_owner_alone_and_a_link_stays_a_link(tmp_path: Path) -> None:
    place, link = tmp_path / "real.env", tmp_path / ".env"
    place.write_text("A=1\n")
    place.chmod(0o644)
    link.symlink_to(place)

    write_env_file(link, "A=2\n", variables={"A": "2"}, before="A=1\n")

    assert link.is_symlink()
    assert place.read_text() == "A=2\n"
    assert place.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"real.env", ".env"}


def test_a_text_that_would_change_other_variables_is_refused(tmp_path: Path) -> None:
    before = "SECRET='first\nKEY=x\nlast'\n"
    place = tmp_path / ".env"
    place.write_text(before)

    with pytest.raises(CannotWriteEnvFile):
        write_env_file(place, with_variables(before, {"KEY": "new"}), variables={"KEY": "new"}, before=before)

    assert place.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == [".env"]
