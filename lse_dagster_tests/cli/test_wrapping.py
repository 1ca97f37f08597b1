"""No row of a terminal ends inside a word, and what is copied from it is whole lines."""

import io
import re

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from lse_dagster.cli.terminal.rich_console import TerminalConsole
from lse_dagster.cli.terminal.wrapping import wrapped
from lse_dagster_tests.cli.workplace import DATE, Workplace

WORDS = st.text("abc日é-/.", min_size=1, max_size=30)
BLANKS = st.sampled_from([" ", "  ", "     "])


@st.composite
def lines(draw: st.DrawFn) -> str:
    words = draw(st.lists(WORDS, min_size=1, max_size=30))
    return draw(st.sampled_from(["", "  "])) + "".join(word + draw(BLANKS) for word in words).rstrip()


def rows(text: str, columns: int) -> list[str]:
    """What a terminal shows."""
    screen = pyte.Screen(columns, 50)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return [line.rstrip() for line in screen.display if line.strip()]


@settings(max_examples=50)
@given(lines(), st.sampled_from([40, 60, 80, 120]))
def test_each_word_that_a_row_can_hold_stands_whole_in_one(line: str, columns: int) -> None:
    shown = wrapped(Text(line), columns).plain

    assert shown.split() == line.split()
    words = {word for row in rows(shown, columns) for word in row.split()}
    assert {word for word in line.split() if cell_len(word) < columns} <= words
    assert "\n" not in shown


@given(lines())
def test_a_line_that_has_room_is_as_it_was(line: str) -> None:
    assert wrapped(Text(line), cell_len(line)).plain == line


def test_later_rows_stand_below_the_text_and_not_below_its_label() -> None:
    line = "Next:  lse archive restore --date 2025-08-01..2025-08-31 --project my-other-project"

    first, second = rows(wrapped(Text(line), 60).plain, 60)

    assert (first, second) == (
        "Next:  lse archive restore --date 2025-08-01..2025-08-31",
        "       --project my-other-project",
    )


@pytest.mark.parametrize("columns", [30, 60, 80])
def test_a_table_that_is_too_wide_breaks_between_words(columns: int) -> None:
    console = TerminalConsole(file=io.StringIO(), width=columns, force_terminal=True, color_system=None)
    table = Table("project", "zip", "to do", box=None)
    table.add_row("a-project-with-a-long-name/of-a-team", "28 kB", "not archived, and soon forgotten")
    console.print(table)

    shown = rows(console.file.getvalue(), columns)  # type: ignore[attr-defined]

    words = re.split(r"\s+", "a-project-with-a-long-name/of-a-team not archived, and soon forgotten")
    assert {word for word in words if len(word) <= columns} <= {word for row in shown for word in row.split()}


def test_no_command_breaks_a_word(archived: Workplace) -> None:
    """Tables, errors, findings, and what click says of wrong usage."""
    columns = 60
    for arguments in (
        ("status", "--month", "2025-08", "--local-only"),
        ("verify", "--date", f"{DATE}", "--local-only"),
        ("archive", "--date", "2025-13-45"),
        ("doctor",),
        ("health",),
    ):
        with archived.terminal(*arguments, columns=columns) as terminal:
            terminal.wait_until_it_ends()
        text = re.sub(r"\x1b\[[\d;?]*\w", "", terminal.sent_by_command.decode()).replace("\r", "")
        for line in text.splitlines():
            for word in re.finditer(r"\S+", line):
                begins, ends = (cell_len(line[:place]) for place in word.span())
                assert ends - begins > columns or begins // columns == (ends - 1) // columns, word[0]
