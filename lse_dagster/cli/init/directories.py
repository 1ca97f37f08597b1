"""The questions of `lse init` about directories: each must be one that can be written to."""

from pathlib import Path

from lse_dagster.cli.doctor.machine import check_directory
from lse_dagster.cli.init.answers import Answers, Unusable


def ask_directory(answers: Answers, name: str, question: str, default: str, *, keep: bool = False) -> None:
    """`keep`: an absolute path, which is written even when it is the default."""

    def test(value: str) -> None:
        if keep and not Path(value).is_absolute():
            raise Unusable(name, f"{value} is not an absolute path.")
        expect_writable(name, Path(value).expanduser().absolute())

    answers.ask(name, question, default, test)
    if keep:
        answers.given[name] = answers.current(name) or default


def expect_writable(name: str, path: Path) -> None:
    """Raises `Unusable`."""
    found = check_directory(name, path, name)
    if found.level == "problem":
        raise Unusable(name, found.text)
