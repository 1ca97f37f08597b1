# ruff: noqa: E501 - whole texts
"""No advice discards what cannot be had again: every text that speaks of discarding was looked at, here.

A new one fails these tests until somebody has asked what is lost by following it, and has written that down.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import lse_dagster

PACKAGE: Final = Path(lse_dagster.__file__).parent
DOCUMENTS: Final = ("README.md", *(f"docs/{name}.md" for name in ("recovering", "operating", "how-it-works")))
DISCARDS: Final = re.compile(
    r"--force|`always`|: always\b|\b(?:delete|remove|discard|trash|give up|throw|rm)\b(?! FROM )",
    re.IGNORECASE,
)
REVIEWED: Final = {
    # What discards stands last, after what loses nothing, and says what it gives up.
    "Keep it; or run this in a terminal and answer yes, which loses nothing. `dagster asset materialize` asks "
    "nothing and loses nothing either; --force replaces it whatever the new one holds.": "the day there",
    "Keep what is there; it is worth more. Only to give up what it holds: `overwrite: always` (`--force`).": (
        "what it holds"
    ),
    "Look at it. To replace it all the same, run again with `overwrite: always` (`--force`).": (
        "what nobody can read"
    ),
    # Nothing of the archive.
    "--force": "the name of an option",
    "Where the demo keeps everything; delete it to start over.": "the sandbox's own data",
    "remove the app at https://myaccount.google.com/connections and run `lse auth login` again; if that changes "
    "nothing, {}": "a consent, which is asked for again",
    "Remove old days from this disk that are verified on Drive. `dry_run` first, by default.": (
        "what Drive holds, compared right before"
    ),
    "Remove them from this disk?": "what Drive holds, compared right before, and again after a yes",
    # Thirty days in Drive's trash.
    "Check GOOGLE_DRIVE_FOLDER_URL, and Drive's trash, which keeps a file for 30 days. A day that was never archived "
    "is only on LangSmith.": "nothing: it is where to look",
    "open them (https://drive.google.com/file/d/ID), move the wrong ones to the trash, and run again; the oldest "
    "is {}": "a twin, after a person looked",
    "run the same step again to make a new copy, or take it out of the trash in Google Drive": "nothing",
    # What was done, no advice.
    "{} was on Drive {} times with the same content; one is kept, in the trash now: {}": "an identical twin",
    "{} is a symbolic link: to remove it would free nothing here.": "nothing",
    "The folder is in the trash.": "nothing",
    "The file, or the folder around it, was put into the trash meanwhile: {}": "nothing",
    "The bad copy was moved to the trash.": "a copy that was made a moment ago, and differs from its zip",
}
"""Texts, and what is lost by following them."""
REVIEWED_LINES: Final = {
    "`overwrite`: `never` (refuse), `superset` (the default: all this), `always` (`--force`: as it comes).",
    "per content; `--force` does not lift that. The copy on Drive is compared with the hash recorded then, so a zip and a",
    "- A yes never gives anything up; `--force` asks nothing and replaces whatever is there. Without a terminal it",
    "around them. Nothing below loses a day that is on this disk or on Drive, but for `--force`, which replaces",
    "day or the new one. An interrupted fetch is gone on with by the next one, for a day; `--force` begins anew.",
}
"""Lines of the documents that speak of `--force`."""


def texts(path: Path) -> Iterator[str]:
    """Every text of a module but its docstrings; `{}` stands for what is put in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if id(node) in docstrings | parts:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def modules() -> list[Path]:
    found = sorted(PACKAGE.rglob("*.py"))
    return [path for path in found if "sandbox" not in path.relative_to(PACKAGE).parts]


def test_every_text_that_speaks_of_discarding_was_reviewed() -> None:
    found = {text: path.name for path in modules() for text in texts(path) if DISCARDS.search(text)}

    assert {text: where for text, where in found.items() if text not in REVIEWED} == {}
    assert len(found) > 10  # it finds them


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_line_of_the_documents_that_speaks_of_force_was_reviewed(document: str) -> None:
    lines = (PACKAGE.parent / document).read_text(encoding="utf-8").splitlines()

    assert {line.strip() for line in lines if "--force" in line} <= REVIEWED_LINES
