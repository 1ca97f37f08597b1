"""What the README says of the checks is what they are."""

import re
from pathlib import Path

import pytest

from lse_dagster.defs.check_table import CHECKS, Check

_README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
_ROWS = re.findall(r"^ *\| `(\w+)` \| `(\w+)` \| (.*) \|$", _README, flags=re.MULTILINE)


def test_the_readme_names_each_check_and_its_asset() -> None:
    assert sorted((name, asset) for name, asset, _ in _ROWS) == sorted(
        (one.name, one.asset) for one in CHECKS
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.name))
def test_the_readme_says_whether_a_check_stops_the_day(check: Check) -> None:
    said = {name: words for name, _, words in _ROWS}[check.name]
    assert (said.split(";")[0] == "yes") is check.blocks
    assert said.startswith("warns") is check.warns
