"""Project names as path parts: reversible, free of collisions, safe on every file system."""

import string
import unicodedata
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.day.names import (
    day_name,
    day_zip_name,
    is_trace_file_name,
    parse_day_name,
    parse_day_zip_name,
    project_of_path_part,
    project_path_part,
    trace_file_name,
)
from lse_dagster_tests.worlds.runs import at, new_id

any_name = st.text(st.characters(codec=None), max_size=60)
days = st.dates(date(1970, 1, 1), date(2999, 12, 31))


@pytest.mark.parametrize(
    ("project", "part"),
    [
        ("my-project", "my-project"),
        ("My Project", "My Project"),
        ("größe", "größe"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("nul", "%6Eul"),
        ("Aux.txt", "%41ux.txt"),
        ("100%", "100%25"),
        ("a\x00b", "a%00b"),
        ("ends.", "ends%2E"),
        ("", "%"),
    ],
)
def test_a_name_is_kept_where_it_is_safe_and_escaped_where_it_is_not(project: str, part: str) -> None:
    assert project_path_part(project) == part


@given(st.text(st.characters(codec=None), max_size=14))
def test_every_name_that_fits_comes_back_from_its_path_part(project: str) -> None:
    assert project_of_path_part(project_path_part(project)) == project


@given(any_name)
def test_a_path_part_is_one_visible_name_of_a_file_system(project: str) -> None:
    part = project_path_part(project)

    assert part
    assert part not in {".", ".."}
    assert not part.startswith(".")
    assert not set(part) & set('/\\:*?"<>|\x00\n\t')
    assert part[-1] not in {".", " "}


@given(st.text(min_size=100, max_size=400), st.text(min_size=100, max_size=400))
def test_long_names_fit_and_stay_apart(one: str, other: str) -> None:
    parts = project_path_part(one), project_path_part(other)

    assert all(len(f".{part}_2025-08-29.zip.part".encode()) <= 255 for part in parts)
    assert (parts[0] == parts[1]) == (one == other)


def test_two_spellings_of_one_accented_name_stay_apart_on_a_file_system_that_unites_them() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"

    assert project_path_part(composed) == composed
    assert project_path_part(decomposed) == "cafe%CC%81"


@given(any_name, days)
def test_the_name_of_a_day_zip_is_the_projects_path_part_and_the_date(project: str, day: date) -> None:
    assert day_zip_name(project, day) == f"{project_path_part(project)}_{day.isoformat()}.zip"


some_hash = st.one_of(st.just(""), st.text("0123456789abcdef", min_size=8, max_size=8))


@given(any_name, days, some_hash)
def test_the_name_of_a_zip_beside_another_says_its_day_and_its_hash(
    project: str, day: date, beside: str
) -> None:
    name = day_zip_name(project, day, beside)

    assert parse_day_zip_name(project, name) == (day, beside)
    assert parse_day_name(day_name(day, beside)) == (day, beside)
    assert len(f".{name}.upload".encode()) <= 255


@given(any_name, any_name, days, days, some_hash, some_hash)
def test_no_two_days_have_one_zip_name(
    one: str, other: str, day: date, next_day: date, beside: str, next_beside: str
) -> None:
    names = day_zip_name(one, day, beside), day_zip_name(other, next_day, next_beside)

    assert (names[0] == names[1]) == ((one, day, beside) == (other, next_day, next_beside))


@given(st.text("0123456789-~abcdef", max_size=22))
def test_what_is_no_days_name_is_none(text: str) -> None:
    found = parse_day_name(text)

    assert found is None or day_name(*found) == text


def test_a_trace_file_is_named_by_trace_and_start_to_the_microsecond() -> None:
    trace_id = new_id()

    assert trace_file_name(trace_id, at("09:08:07.000006")) == f"{trace_id}_20250829T090807000006Z.json"


@given(st.text(string.printable, max_size=20))
def test_a_trace_file_name_holds_no_folder_whatever_the_trace_id(trace_id: str) -> None:
    assert is_trace_file_name(trace_file_name(trace_id, at("00:00:00")))


@pytest.mark.parametrize(
    "name", ["../x_20250829T090807000006Z.json", "x.json", ".x_20250829T090807000006Z.json"]
)
def test_what_is_no_trace_file_name_is_told_apart(name: str) -> None:
    assert not is_trace_file_name(name)


@given(any_name, st.datetimes(timezones=st.just(UTC)))
def test_every_name_that_is_written_is_taken_back(trace_id: str, start: datetime) -> None:
    assert is_trace_file_name(trace_file_name(trace_id, start))
    assert is_trace_file_name(trace_file_name(trace_id * 40, start))


@given(st.text("aé\u0301\u3042\U00020000\u2028.% /", min_size=50, max_size=250))
def test_a_long_name_is_taken_back_wherever_it_was_cut(trace_id: str) -> None:
    assert is_trace_file_name(trace_file_name(trace_id, at("00:00:00")))


START = "_20250829T090807000006Z.json"
nearly = st.one_of(
    st.text(st.characters(codec=None), max_size=20),
    st.text("aAé\u0301\u212b%0AFE2~._- \x1b\n\u202e", max_size=12),
    st.from_regex(r"(con|COM1|nul|aux)(\.[a-z]*)?", fullmatch=True),
    st.builds(project_path_part, any_name),
    st.builds(lambda text, end: project_path_part(text) + end, any_name, st.text(max_size=2)),
)


@given(nearly)
def test_what_is_taken_back_is_what_is_written(part: str) -> None:
    if not is_trace_file_name(part + START):
        return

    project = project_of_path_part(part)

    if project is not None:
        assert trace_file_name(project, at("00:00:00")).startswith(part)
    else:
        assert part.isascii() or unicodedata.is_normalized("NFC", part)
        assert part.partition("%~")[1] or "%" in part  # cut, or a letter that another Python does not know


HOSTILE = [
    *(
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "/etc/passwd",
        "../x",
        "a\x00b",
        "a\nb",
        "a\r",
        "\x1b[2J",
        "a\x9b",
        "a\x7f",
    ),
    *(
        "a\u202eb",
        "a\u2066b",
        "\u200f",
        "a\u200bb",
        "\ufeffa",
        "a\u2028b",
        "a\ud800",
        "\udcff",
        "C:",
        "c:x",
        "a:b",
    ),
    *(
        "con",
        "CON",
        "con.txt",
        "nul",
        "com1",
        "com\u00b9",
        "lpt9.x",
        "aux",
        "prn",
        ".hidden",
        "-rf",
        " a",
        "a?",
        "a*",
    ),
    *(
        "a|b",
        "a<b",
        "a>b",
        'a"b',
        "a'b",
        "a&b",
        "a`b",
        "a$b",
        "a;b",
        "~a",
        "a~1",
        "%",
        "100%",
        "%2",
        "%zz",
        "%2f",
    ),
    *(
        "%41",
        "%E4",
        "%FF",
        "%C0%AF",
        "cafe\u0301",
        "\u212b",
        "\uf900",
        "\u1100\u1161",
        "%~",
        "a%~0123456789abcdef",
    ),
    *(
        "a" * 181,
        "a" * 300,
        "a" * 150 + "%~0123456789abcdef",
        "\u2215",
        "\uff0f",
        "\U000e0041",
        "a\tb",
        "a\u00a0",
    ),
]


@pytest.mark.parametrize("part", [part for part in HOSTILE if part != "%"])
def test_no_other_name_is_taken_from_a_zip(part: str) -> None:
    assert not is_trace_file_name(f"{part}{START}")


@pytest.mark.parametrize(
    "start",
    [
        *(
            "20250230T000000000000Z",
            "00000101T000000000000Z",
            "20251301T000000000000Z",
            "20250829T240000000000Z",
        ),
        *(
            "20250829T006000000000Z",
            "20250829T000060000000Z",
            "20250829t000000000000z",
            "2025082\u0669T000000000000Z",
        ),
        *(
            "20250829T000000000000",
            "20250829T000000000000Z\n",
            "20250829T00000000000Z",
            "+2025829T000000000000Z",
        ),
    ],
)
def test_no_time_that_cannot_be_is_taken_from_a_zip(start: str) -> None:
    assert not is_trace_file_name(f"{new_id()}_{start}.json")
    assert not is_trace_file_name(f"{new_id()}_20250829T000000000000Z.json\n")
