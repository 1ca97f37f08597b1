"""Several projects in one command: `--project` more than once, `--all-projects`."""

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click
import pytest

from lse_dagster.cli.terminal.errors import Declined, EndsWith, ExitCode, StepsFailed
from lse_dagster.cli.terminal.projects import choose_projects, on_each
from lse_dagster.errors import ArchiveError
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.settings import Settings
from lse_dagster_tests.cli.test_status import status
from lse_dagster_tests.cli.workplace import DATE, Finished, Workplace, documents


@pytest.fixture
def two(workplace: Workplace) -> Workplace:
    """A working folder of two projects, each with runs on the same day."""
    workplace.add_runs(2)
    workplace.api.post("/sessions", {"name": other_of(workplace)})
    workplace.api.add_run(datetime.fromisoformat(f"{DATE}T12:00:00+00:00"), session_name=other_of(workplace))
    env = workplace.folder / ".env"
    env.write_text(f"{env.read_text()}\nLSE_PROJECTS='{workplace.project}, {other_of(workplace)}'\n")
    return workplace


def other_of(workplace: Workplace) -> str:
    """The second project; the sandbox is shared, so each test has its own."""
    return f"eval/{workplace.project}"


def test_every_step_works_on_all_projects_and_one_that_fails_keeps_no_other_from_its_turn(
    two: Workplace,
) -> None:
    first, other, date = two.project, other_of(two), ("--date", str(DATE))

    archived = two.lse("archive", *date, "--all-projects", "--json")
    shutil.rmtree(two.days.day_path(first, DATE))
    zipped = two.lse("archive", "zip", *date, "--all-projects", "--json")
    verified = two.lse("verify", *date, "--project", other, "--project", first, "--json", "--local-only")
    shutil.rmtree(two.folder / "data")
    restored = two.lse("archive", "restore", *date, "--all-projects", "--json")

    def outcomes(finished: Finished) -> list[tuple[str, str]]:
        return [(one["project"], one["status"]) for one in documents(finished)]

    assert (archived.returncode, outcomes(archived)) == (0, [(first, "done"), (other, "done")])
    assert (zipped.returncode, outcomes(zipped)) == (1, [(first, "failed"), (other, "done")])
    assert [one["project"] for one in documents(verified)] == [other, first]
    assert (restored.returncode, outcomes(restored)) == (0, [(first, "done"), (other, "done")])


def test_status_has_the_gaps_of_all_projects_and_its_exit_code_says_whether_there_are_any(
    two: Workplace,
) -> None:
    other = other_of(two)
    assert two.lse("status", "--json").returncode == 0  # nothing was begun

    two.lse("archive", "--date", str(DATE), "--project", other, "--quiet")
    document, shown = status(two), two.lse("status", "--all-projects", "--month", "2025-08")

    gaps = {one["project"]: one["gaps"] for one in document["projects"]}
    assert list(gaps) == [two.project, other]
    assert gaps[two.project] == document["gaps"] == []
    assert gaps[other][0]["command"].endswith(f" --project {other}")
    assert document["projects"][1]["calendar"][0]["date"] == str(DATE)
    assert f"{gaps[other][0]['command']} " in shown.stdout
    assert [title in shown.stdout for title in (f"{two.project}, August", f"{other}, August")] == [True, True]
    assert (shown.returncode, two.lse("status", "--json").returncode) == (4, 4)


def _raises(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


FAILED, DECLINED, NEEDS = StepsFailed(), Declined("no"), EndsWith(ExitCode.NEEDS_ATTENTION)
REFUSED = ArchiveError("what", "why", "next")


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ((None, None), 0),
        ((FAILED, None), 1),
        ((None, FAILED), 1),
        ((DECLINED, None), 3),
        ((DECLINED, FAILED), 1),
        ((REFUSED, DECLINED), 1),
        ((NEEDS, DECLINED), 3),
        ((ValueError("a bug"), None), 1),
    ],
)
@pytest.mark.parametrize("while_preparing", [True, False])
def test_all_are_done_and_the_worst_code_ends_the_command(
    errors: tuple[Exception | None, ...], code: int, while_preparing: bool
) -> None:
    done: list[int] = []

    def prepare(number: int, error: Exception | None) -> Callable[[], Callable[[], object]]:
        work = _raises(error) if error is not None else lambda: done.append(number)
        if while_preparing and error is not None:
            return work  # type: ignore[return-value] # it raises
        return lambda: work

    ready = [prepare(number, error) for number, error in enumerate(errors)]

    if code:
        with pytest.raises(EndsWith) as caught:
            on_each(ready)
        assert caught.value.code == code
    else:
        on_each(ready)
    assert done == [number for number, error in enumerate(errors) if error is None]


def test_an_interrupt_ends_all_and_one_project_alone_fails_as_it_does() -> None:
    done: list[int] = []

    with pytest.raises(KeyboardInterrupt):
        on_each([lambda: _raises(KeyboardInterrupt()), lambda: lambda: done.append(1)])  # type: ignore[arg-type]
    with pytest.raises(ArchiveError):
        on_each([lambda: _raises(REFUSED)])
    assert done == []


def test_projects_are_named_once_and_not_in_two_ways() -> None:
    settings = Settings(projects=("a", "b"), data_dir=Path("none"), archives_dir=Path("none"))

    assert choose_projects(settings, ())[0] == ("a",)
    assert choose_projects(settings, (), every=True)[0] == ("a", "b")
    assert choose_projects(settings, ("b", "a", "b"))[0] == ("b", "a")
    with pytest.raises(click.UsageError):
        choose_projects(settings, ("a",), every=True)


def test_a_misspelled_project_is_told_with_the_names_that_it_may_be_and_nothing_of_it_is_left(
    two: Workplace, drive_sandbox: ControlClient
) -> None:
    first, date = two.project, ("--date", str(DATE))
    wrong, wrong_other = first.replace("test", "tset"), other_of(two).upper()
    drive_sandbox.clear()

    finished = [
        two.lse("archive", *date, "--project", wrong),
        two.lse("archive", "fetch", *date, "--project", first, "--project", wrong, "--json"),
        two.lse("archive", "restore", "--project", wrong),
        two.lse("verify", *date, "--project", wrong),
        two.lse("status", "--project", wrong),
    ]
    offline = two.lse("status", "--project", wrong_other, "--local-only")

    assert [one.returncode for one in (*finished, offline)] == [1] * 6
    assert all(f"Next:  Did you mean '{first}'" in one.stderr for one in finished)
    assert "LangSmith has no project of this name" in finished[0].stderr
    assert f"Did you mean '{other_of(two)}'" in offline.stderr
    told = finished.pop(1)
    assert {(one["project"], one["run_id"]) for one in documents(told)} == {(first, None), (wrong, None)}
    assert [one.stdout for one in finished] == [""] * 4
    assert not (two.folder / "data").exists()
    with two.instance() as instance:
        assert instance.get_runs() == []
        assert instance.get_asset_keys() == []


def test_a_project_is_known_that_is_only_on_langsmith_on_this_disk_or_on_drive(
    two: Workplace, langsmith_sandbox: ControlClient
) -> None:
    other, date = other_of(two), ("--date", str(DATE))
    env = two.folder / ".env"
    env.write_text(f"{env.read_text()}\nLSE_PROJECTS='{two.project}'\n")

    archived = two.lse("archive", *date, "--project", other, "--quiet")
    langsmith_sandbox.fault(path="/sessions", status=401, times=100)
    here = two.lse("verify", *date, "--project", other, "--local-only")
    shutil.rmtree(two.folder / "data")
    shutil.rmtree(two.folder / "archives")
    on_drive = two.lse("archive", "restore", *date, "--project", other)
    nowhere = two.lse("status", "--project", "nowhere")

    assert [one.returncode for one in (archived, here, on_drive, nowhere)] == [0, 0, 0, 1]
    assert "LangSmith could not be asked: " in nowhere.stderr


def test_a_project_that_langsmith_does_not_have_fails_with_the_names_that_it_may_be(two: Workplace) -> None:
    env = two.folder / ".env"
    env.write_text(f"{env.read_text()}\nLSE_PROJECTS='{two.project}s'\n")

    finished = two.lse("archive", "--date", str(DATE), "--json")

    assert finished.returncode == 1
    assert f"Did you mean '{two.project}'" in finished.stderr
    assert [one["status"] for one in documents(finished)] == ["failed"]
    with two.instance() as instance:
        assert instance.get_runs() == []
