"""What docs/file-formats.md says of a day can be done by hand, with the command that stands there."""

import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from lse_dagster.day.run_names import attachment_file_name
from lse_dagster.day.store import DayStore
from lse_dagster_tests.worlds.attached import stage_with
from lse_dagster_tests.worlds.runs import at, root

DOCS = Path(__file__).parents[2] / "docs" / "file-formats.md"
NAMES = [
    "a.txt",
    "a b.txt",
    "zwei  Größen 日本.txt",
    "it's.txt",
    "a*b?.txt",
    "$(touch x).txt",
    "-n",
    "B.txt",
    "b.txt",
]


def command_for_the_hash() -> list[str]:
    """The lines of the command, without the one that goes to the day's folder."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [textwrap.dedent(block) for block in blocks if "sha256sum" in block]
    first, *lines = block.splitlines()
    assert first.startswith("cd data/")
    return lines


@pytest.mark.parametrize("names", [NAMES, []])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_the_hash_of_a_day_is_computed_by_hand(tmp_path: Path, names: list[str], locale: str) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed here")
    run = root(at("10:00:00"))
    files = {attachment_file_name(run.id, "attachment", name): name.encode() for name in names}
    store = DayStore(tmp_path)
    day = store.publish(stage_with(store, [run.raw()] if names else [], files), "superset").day

    (day.path / "Thumbs.db").write_bytes(b"of a file manager")

    found = subprocess.run(
        ["sh", "-c", "\n".join(command_for_the_hash())],
        cwd=day.path,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": locale},
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stderr == ""
    assert found.stdout.split() == [day.summary.sha256, "-"]
