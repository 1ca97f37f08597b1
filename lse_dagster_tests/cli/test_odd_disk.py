"""Something else where a day, its files or its zip should be: always three parts, and --force mends it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster_tests.cli.workplace import DATE, Finished, Workplace

Damage = Callable[[Path], None]


def folder_instead(path: Path) -> None:
    """A folder with something in it."""
    _remove(path)
    path.mkdir()
    (path / "note.txt").write_text("not ours")


def file_instead(path: Path) -> None:
    """A file."""
    _remove(path)
    path.write_text("not ours")


def loop_instead(path: Path) -> None:
    """A link to itself, which nobody can open."""
    _remove(path)
    path.symlink_to(path.name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def day(place: Workplace) -> Path:
    return place.days.day_path(place.project, DATE)


PLACES: dict[str, Callable[[Workplace], Path]] = {
    "the summary": lambda place: day(place) / "_summary.json",
    "a trace": lambda place: next(day(place).glob("*Z.json")),
    "the day": day,
    "the project's folder": lambda place: day(place).parent,
    "the zip": lambda place: place.zips.zip_path(place.project, DATE),
    "the staging": lambda place: place.days.staging_path(place.project, DATE),
    "the archives directory": lambda place: place.folder / "archives",
}
COMMANDS = {
    "fetch": ("archive", "fetch", "--date", str(DATE)),
    "zip": ("archive", "zip", "--date", str(DATE)),
    "upload": ("archive", "upload", "--date", str(DATE)),
    "restore": ("archive", "restore", "--date", str(DATE)),
    "verify": ("verify", "--date", str(DATE)),
    "status": ("status", "--month", f"{DATE:%Y-%m}"),
}


FILES = ("the summary", "a trace", "the zip")
DAMAGES = [
    (where, damage)
    for where in PLACES
    for damage in (folder_instead if where in FILES else file_instead, loop_instead)
]
RENEWING = ("fetch", "restore")


def expect_three_parts(finished: Finished) -> None:
    assert finished.returncode in {0, 1, 4}
    assert "Traceback" not in finished.stdout + finished.stderr
    assert "should not" not in finished.stderr, finished.stderr
    assert "nobody foresaw" not in finished.stdout + finished.stderr, finished.stdout + finished.stderr
    if finished.returncode == 1:
        said = r"^(Error: .+\nWhy:   .+\nNext:  .+|Problem: .+: .+ Next: .+)"
        assert re.search(said, finished.stderr, re.MULTILINE), finished


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("where", "damage"), DAMAGES)
def test_what_is_not_ours_is_an_error_of_three_parts(
    archived: Workplace, where: str, damage: Damage, command: str
) -> None:
    path = PLACES[where](archived)
    if where == "the staging":
        path.write_text("")
    damage(path)

    expect_three_parts(archived.lse(*COMMANDS[command]))


FORCED = [
    *(
        (where, command)
        for where in ("the summary", "a trace", "the day", "the staging")
        for command in RENEWING
    ),
    ("the zip", "zip"),
]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [folder_instead, file_instead, loop_instead])
@pytest.mark.parametrize(("where", "command"), FORCED)
def test_force_mends_it(archived: Workplace, where: str, damage: Damage, command: str) -> None:
    path = PLACES[where](archived)
    if where == "the staging":
        path.write_text("")
    damage(path)

    finished = archived.lse(*COMMANDS[command], "--force")

    if (where, damage) == ("the zip", folder_instead):  # it may hold anything: it is set aside
        aside = path.with_name(f"{path.stem}.damaged{path.suffix}")
        assert (aside / "note.txt").exists()
    assert finished.returncode == 0, finished.stderr
    archived.days.load(archived.project, DATE).verify_files()
    archived.zips.load(archived.project, DATE)
