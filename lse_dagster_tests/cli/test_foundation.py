"""What all commands share: dates, settings, errors, exit codes, help, completion."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.cli import main
from lse_dagster.cli.terminal.dates import DateRange, PastDate, PastDates, utc_today
from lse_dagster.cli.terminal.group import Commands
from lse_dagster.day.names import day_zip_name, project_path_part
from lse_dagster.errors import ArchiveError
from lse_dagster_tests.cli.workplace import LSE, Workplace

TODAY = date(2025, 8, 30)
DATES = PastDates(today=lambda: TODAY)
past_dates = st.dates(min_value=date(1970, 1, 1), max_value=TODAY - timedelta(days=1))


@given(first=past_dates, last=past_dates)
def test_a_range_holds_every_day_from_its_first_to_its_last_and_no_other(first: date, last: date) -> None:
    first, last = min(first, last), max(first, last)

    days = DATES.convert(f"{first}..{last}", None, None)

    assert list(days)[:: max(1, len(days) - 1)] == ([first, last] if first != last else [first])
    assert all(
        later - earlier == timedelta(days=1) for earlier, later in zip(days, list(days)[1:], strict=False)
    )
    assert first - timedelta(days=1) not in days
    assert last in days
    assert str(days) == (f"{first}..{last}" if first != last else str(first))


def test_yesterday_is_the_last_day_that_is_over_in_utc() -> None:
    assert list(DATES.convert("yesterday", None, None)) == [date(2025, 8, 29)]
    assert DATES.convert("2025-08-01..yesterday", None, None) == DateRange(
        date(2025, 8, 1), date(2025, 8, 29)
    )


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2024-12", date(2024, 12, 1), date(2024, 12, 31)),
        ("2025-08", date(2025, 8, 1), date(2025, 8, 29)),  # as far as it is over
        ("2025-06..2025-07", date(2025, 6, 1), date(2025, 7, 31)),
        ("2025-07-15..2025-08", date(2025, 7, 15), date(2025, 8, 29)),
        ("2025-07..yesterday", date(2025, 7, 1), date(2025, 8, 29)),
    ],
)
def test_a_month_is_its_days_that_are_over(text: str, first: date, last: date) -> None:
    assert DATES.convert(text, None, None) == DateRange(first, last)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2025-13", "'2025-13' is not a month"),
        ("2025-09", "not over yet"),
        ("2025-02-30", "is not a date"),
        ("20250829", "is not a date"),
        ("2025-8-29", "is not a date"),
        ("", "is not a date"),
        ("2025-08-01..", "is not a date"),
        ("2025-08-01...2025-08-02", "is not a date"),
        ("tomorrow", "is not a date"),
        ("2025-08-30", "not over yet in UTC: the last whole day is 2025-08-29"),
        ("2025-08-29..2025-08-31", "not over yet"),
        ("2025-08-29..2025-08-01", "ends before it begins: write 2025-08-01..2025-08-29"),
    ],
)
def test_what_is_no_past_day_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        DATES.convert(text, None, None)

    assert why in caught.value.message


def ended(body: BaseException | None, *arguments: str) -> Result:
    """How a group ends whose one command raises this."""

    @click.group(cls=Commands)
    def group() -> None:
        pass

    @group.command()
    def work() -> None:
        if body is not None:
            raise body

    return CliRunner().invoke(group, ["work", *arguments])


def test_an_error_is_three_lines_on_stderr_and_debug_adds_the_traceback() -> None:
    error = ArchiveError("Doing [this]", "It broke\nin the middle.", "Do that.")

    plain, debug = ended(error), ended(error, "--debug")
    before = CliRunner().invoke(main, ["--debug", "completion", "tcsh"])

    lines = "Error: Doing [this]\nWhy:   It broke in the middle.\nNext:  Do that.\n"
    assert (plain.exit_code, plain.stdout, plain.stderr) == (1, "", lines)
    assert debug.exit_code == 1
    assert debug.stderr.endswith(lines)
    assert debug.stderr.startswith("Traceback")
    assert "'tcsh' is not one of" in before.stderr  # `--debug` is an option of every group too


def test_a_bug_is_told_as_one_without_a_traceback() -> None:
    result = ended(ZeroDivisionError("division by zero"))

    assert result.exit_code == 1
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert "--debug" in result.stderr
    assert "Traceback" not in result.stderr


def test_exit_codes_tell_done_interrupted_and_wrong_usage_apart() -> None:
    assert ended(None).exit_code == 0
    assert ended(KeyboardInterrupt()).exit_code == 130
    assert ended(None, "--nonsense").exit_code == 2
    assert ended(click.exceptions.Exit(7)).exit_code == 7


WRONG_USAGE = {
    "archive": "Missing option '--date'",
    "archive fetch": "Missing option '--date'",
    "archive --date 2025-08-29 fetch --date 2025-08-29": "Put the options after `fetch`",
    "archive fetch --date tomorrow": "is not a date",
    "archive fetch --date 2025-08-29 --json --quiet": "not both",
    "archive restore --date 2025-08-29 --start-date 2025-08-01": "not both",
    "archive restore --start-date 2025-08-29 --end-date 2025-08-01": "is before --start-date",
    "archive fetch --date 2025-08-29 --project=": "A project has a name",
    **{
        f"{command} --project x\udcff": "is no UTF-8"
        for command in (
            *(f"archive{step} --date 2025-08-29" for step in ("", " fetch", " zip", " upload", " restore")),
            *("verify --date 2025-08-29", "status", "migrate", "sandbox trace --date 2025-08-29"),
        )
    },
}


@pytest.mark.parametrize("line", WRONG_USAGE)
def test_wrong_usage_is_named_before_anything_is_done(line: str, workplace: Workplace) -> None:
    before = sorted(workplace.folder.rglob("*"))

    finished = workplace.lse(*line.split())

    assert finished.returncode == 2
    assert WRONG_USAGE[line] in finished.stderr
    assert sorted(workplace.folder.rglob("*")) == before


def test_a_project_of_bytes_that_are_no_text_is_wrong_usage_for_the_shell_too(tmp_path: Path) -> None:
    command = [os.fsencode(LSE), b"archive", b"fetch", b"--date", b"2025-08-29", b"--project", b"\xff"]

    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert finished.returncode == 2
    assert b"Traceback" not in finished.stderr
    assert b"is no UTF-8" in finished.stderr


def test_env_file_wins_over_the_shell_as_it_does_for_dagster(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSE_PROJECTS", "of-the-shell")

    finished = workplace.lse("archive", "fetch", "--date", "2025-08-29", "--quiet")

    assert finished.returncode == 0, finished.stderr
    assert workplace.days.dates(workplace.project) == [date(2025, 8, 29)]


def test_without_a_project_it_says_how_to_name_one_and_before_the_start_date_how_to_move_it(
    workplace: Workplace,
) -> None:
    (workplace.folder / ".env").write_text("LSE_START_DATE=2025-08-01\n")

    unnamed = workplace.lse("archive", "zip", "--date", "2025-08-29")
    (workplace.folder / ".env").write_text("LSE_PROJECTS=p\nLSE_START_DATE=2025-08-01\n")
    early = workplace.lse("archive", "zip", "--date", "2025-07-31", "--project", "p")
    (workplace.folder / ".env").write_text("LSE_START_DATE=soon\n")
    wrong = workplace.lse("archive", "zip", "--date", "2025-08-29", "--project", "p")

    assert (unnamed.returncode, early.returncode, wrong.returncode) == (1, 1, 1)
    assert "--project" in unnamed.stderr
    assert "LSE_START_DATE=2025-07-31" in early.stderr
    assert "LSE_START_DATE=2025-08-01" in wrong.stderr


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all commands below a group, the groups included."""
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"], prog_name="lse")

    assert result.exit_code == 0
    _, _, example = result.stdout.partition("Example")
    assert f"lse {' '.join(path)}" in example


def test_help_imports_neither_dagster_nor_rich_nor_requests() -> None:
    code = (
        "import sys; from lse_dagster.cli import main; main(['--help'], standalone_mode=False);"
        "print('imported:', {'dagster', 'rich', 'requests', 'google'} & set(sys.modules))"
    )

    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert finished.stdout.endswith("imported: set()\n")


def complete(workplace: Workplace, line: str) -> list[str]:
    """What the shell is told about the last word of a line."""
    words = line.split(" ")
    environment = {
        "_LSE_COMPLETE": "bash_complete",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    finished = workplace.run("env", *(f"{name}={value}" for name, value in environment.items()), LSE)
    assert finished.stderr == ""
    return [answer.partition(",")[2] for answer in finished.stdout.splitlines()]


def test_projects_and_days_on_this_disk_are_completed(workplace: Workplace) -> None:
    project = workplace.project
    (workplace.folder / "data" / project_path_part("a/b") / "2025-08-01").mkdir(parents=True)
    (workplace.folder / "data" / project / "2025-08-02").mkdir(parents=True)
    (workplace.folder / "data" / project / ".2025-08-09.staging").mkdir()
    (workplace.folder / "archives").mkdir()
    (workplace.folder / "archives" / day_zip_name(project, date(2025, 8, 3))).touch()
    (workplace.folder / "archives" / day_zip_name("other", date(2025, 8, 4))).touch()

    assert complete(workplace, "lse archive fetch --project ") == [project, "a/b"]
    assert complete(workplace, "lse archive --date ") == ["yesterday", "2025-08-02", "2025-08-03"]
    assert complete(workplace, "lse archive zip --project a/b --date 2025-08-01..2") == [
        "2025-08-01..2025-08-01"
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_says_how_to_install_it(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])

    assert result.exit_code == 0
    assert result.stdout.startswith("# Install:")
    assert f"{shell}_complete" in result.stdout
    assert "_LSE_COMPLETE" in result.stdout


def test_today_is_never_a_past_date() -> None:
    with pytest.raises(click.BadParameter):
        PastDate(today=utc_today).convert(utc_today().isoformat(), None, None)
