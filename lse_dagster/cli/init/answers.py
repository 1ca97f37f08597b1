"""What was answered so far, over what `.env` and the environment say; and how a question is put."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import click
from rich.text import Text

from lse_dagster.cli.terminal.console import stderr, stdout
from lse_dagster.errors import ArchiveError
from lse_dagster.settings import Settings

_DECIDES_TOO: Final = ("LANGSMITH_WORKSPACE_ID", "GOOGLE_DRIVE_IMPERSONATE", "GOOGLE_DRIVE_ENDPOINT")
"""Nobody is asked about these: another shell, or cron, would reach something else without them."""


class Unusable(ArchiveError):
    """An answer that will not do."""

    def __init__(self, name: str, why: str, next_step: str = "Name another one.") -> None:
        super().__init__(f"Looking at {name}", why, next_step)


class Answers:
    """Variables of `.env`. `known` is what it says now, `offered` what the environment says besides."""

    def __init__(self, known: Mapping[str, str], offered: Mapping[str, str], *, tested: bool) -> None:
        self.given: dict[str, str] = {}
        self.tested = tested
        """Whether LangSmith and Drive are asked about each answer."""
        self._known = known
        self._offered = offered

    def current(self, name: str) -> str:
        """The answer, else what `.env`, else what the environment says; empty without any."""
        return self.given.get(name) or self._known.get(name) or self._offered.get(name) or ""

    def place_of(self, name: str) -> str:
        """Where `current` has it from, if it was not answered."""
        return ".env" if self._known.get(name) else "the environment"

    def settings(self, **more: str) -> Settings:
        """The settings as they would be, without what is wrong. Raises `InvalidSetting` for one of `more`."""
        found = Settings.as_far_as_right({**self._offered, **self._known, **self.given, **more})
        for wrong in found.invalid:  # what stands in `.env` already may be asked about later
            if wrong.name in more:
                raise wrong
        return found

    def to_write(self) -> dict[str, str]:
        """What was answered, and what only the environment said that was tested with it."""
        names = (name for name in _DECIDES_TOO if self._offered.get(name) and not self._known.get(name))
        return {**{name: self._offered[name] for name in names}, **self.given}

    def ask(self, name: str, question: str, default: str, test: Callable[[str], None]) -> None:
        """Ask until the test passes; it raises an `ArchiveError` for an answer that will not do."""
        while True:
            value = str(prompt(question, default=self.current(name) or default or None)).strip()
            try:
                test(value)
            except ArchiveError as error:
                say_why_not(error)
                continue
            # What is the default anyway needs no line of its own.
            if value != default or self.current(name):
                self.given[name] = value
            return


def prompt(question: str, *, default: Any = None, show_default: bool = True, **more: Any) -> Any:
    """As `click.prompt`; a row does not end inside a word of the question."""
    shown = f" [{default}]: " if default is not None and show_default else ": "
    fitted = stdout().fitted(Text(question + shown)).plain
    return click.prompt(
        fitted, default=default, show_default=False, show_choices=False, prompt_suffix="", **more
    )


def tell(text: str) -> None:
    """What was found out about an answer."""
    stdout().print(f"  {text}")


def say_why_not(error: ArchiveError) -> None:
    """Why the question comes again."""
    stderr().print(f"  {error.why}", style="red")
    stderr().print(f"  Next: {error.next_step}")
    if error.transient:
        stderr().print("  Without a network: lse init --no-test")
