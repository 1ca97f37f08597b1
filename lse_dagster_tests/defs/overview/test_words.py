"""What is said of all projects: one line if all is well, else project, days and the command to copy."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from lse_dagster.calendar.overview import Overview, Standing, Unsafe
from lse_dagster.calendar.rules import Need
from lse_dagster.defs.overview.words import size, storage_table, table, verdict

NOW = datetime(2025, 8, 31, 12, tzinfo=UTC)
LAST = date(2025, 8, 30)


def overview(*unsafe: tuple[int, Standing, Need], project: str = "p") -> Overview:
    days = tuple(Unsafe(date(2025, 8, day), standing, need) for day, standing, need in unsafe)
    return Overview(project, NOW, LAST, 30, 31, 3_000_000, 40_000_000, days, watched_from=date(2025, 8, 3))


def test_where_all_is_well_it_is_one_line() -> None:
    found = verdict(
        {"a": overview(project="a"), "b": overview((30, "in time", Need.ARCHIVE), project="b")}, NOW
    )

    assert (found.passed, found.text) == (
        True,
        "Every day of 2 projects is on Drive, through 2025-08-30, but 1 day that has time yet.",
    )


def test_what_is_wrong_names_project_days_and_command_the_most_urgent_first() -> None:
    found = verdict(
        {
            "p": overview(
                (20, "missing", Need.ARCHIVE), (21, "missing", Need.ARCHIVE), (24, "late", Need.UPLOAD)
            ),
            "a b": overview((17, "at risk", Need.ZIP), project="a b"),
        },
        NOW,
    )

    assert not found.passed
    assert found.is_urgent
    assert found.text.splitlines() == [
        "- p: 2 days are missing (2025-08-20..2025-08-21). "
        "`lse archive --date 2025-08-20..2025-08-21 --project p`",
        "- p: 1 day is not on Drive (2025-08-24). `lse archive upload --date 2025-08-24 --project p`",
        "- a b: 1 day is at risk (2025-08-17). `lse archive zip --date 2025-08-17 --project 'a b'`",
    ]


def test_what_langsmith_has_forgotten_has_no_command_and_is_no_alarm_after_two_weeks() -> None:
    lately, long_ago = (verdict({"p": overview((day, "forgotten", Need.ARCHIVE))}, NOW) for day in (3, 2))

    assert (lately.passed, lately.is_urgent, "lse " in lately.text) == (False, False, False)
    assert long_ago.passed


@pytest.mark.parametrize("found", [None, overview()])
def test_a_project_at_which_nobody_looks_is_not_taken_for_well(found: Overview | None) -> None:
    said = verdict({"p": found}, NOW + timedelta(hours=3))

    assert not said.passed
    assert said.text.startswith("p: not looked at ")


def test_what_storage_costs_is_only_said_with_a_price() -> None:
    found = {"p": overview()}

    assert "USD" not in storage_table(found, None)
    assert storage_table(found, 0.02).splitlines()[2].endswith("| <&nbsp;0.01 |")
    assert storage_table(found, 20.0).splitlines()[2] == "| p | 30 | 3.0&nbsp;MB | 40.0&nbsp;MB | 0.06 |"


def test_projects_that_somebody_should_look_after_stand_first() -> None:
    late = overview((20, "late", Need.ZIP), (2, "forgotten", Need.ARCHIVE), project="b")
    late = msgspec.structs.replace(late, next_expiry=(date(2025, 8, 20), datetime(2025, 9, 3, tzinfo=UTC)))

    rows = table({"a": overview(project="a"), "b": late, "c": None}, NOW).splitlines()[2:]

    assert rows == [
        "| ✗ | b | 2025-08-30 | 1 late, 1 forgotten, the first until 2025-09-03 |",
        "| ✗ | c | not looked at |  |",
        "| ✓ | a | 2025-08-30 |  |",
    ]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 kB"), (999_499, "999 kB"), (1_000_000, "1.0 MB"), (2_500_000_000, "2.5 GB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("eval/nightly, über_all", "eval/nightly, über_all"),
        ("*<b>_x_</b>* `[y](z)`", r"\*\<b\>\_x\_\</b\>\* \`\[y\](z)\`"),
        ("__init__", r"\_\_init\_\_"),
        ("a|b\\", "a\\|b\\\\"),
    ],
)
def test_a_name_is_shown_as_it_is_whatever_markdown_would_make_of_it(name: str, shown: str) -> None:
    found = {name: overview(project=name)}

    assert f"| {shown} |" in table(found, NOW)
    assert f"| {shown} |" in storage_table(found, None)
