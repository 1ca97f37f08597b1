"""The map of the code: every room and module that the documents name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = "|".join(path.name for path in (ROOT / "lse_dagster").iterdir() if path.is_dir())
NAMED = re.compile(rf"`((?:lse_dagster/)?(?:{ROOMS})/[\w/]*(?:\.py)?)`")


@pytest.mark.parametrize("document", ["README.md", "docs/how-it-works.md"])
def test_every_room_and_module_that_is_named_is_there(document: str) -> None:
    named = NAMED.findall((ROOT / document).read_text(encoding="utf-8"))

    missing = [
        name for name in named if not (ROOT / "lse_dagster" / name.removeprefix("lse_dagster/")).exists()
    ]

    assert len(named) > 10
    assert missing == []
