"""Asking before anything is overwritten, and refusing where nobody can be asked."""

from dataclasses import dataclass
from enum import Enum

from lse_dagster.cli.terminal.console import can_ask, stdout
from lse_dagster.errors import ArchiveError


class WouldOverwrite(ArchiveError):
    """Something is there already, and nobody is there to be asked."""

    def __init__(self, what: str, there: str) -> None:
        super().__init__(
            what,
            f"{there} Without a terminal nobody can be asked whether to replace it.",
            "Keep it; or run this in a terminal and answer yes, which loses nothing. "
            "`dagster asset materialize` asks nothing and loses nothing either; --force replaces it "
            "whatever the new one holds.",
        )


class Answer(Enum):
    """What a person may say; `ALL` and `NONE` answer the questions that follow as well."""

    YES = "yes"
    NO = "no"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True)
class Question:
    """`what` would be done, what is `there`, what a yes would do, and what is asked for it."""

    what: str
    there: str
    consequence: str
    asked: str = "Replace it?"


class Questioner:
    """Asks one question after the other. An `all` or `none` is remembered for the rest."""

    def __init__(self, *, force: bool, can_ask: bool, several: bool) -> None:
        self.forced = force
        self._can_ask = can_ask
        self._several = several
        self._settled: bool | None = None

    @classmethod
    def on_terminal(cls, *, force: bool, silent: bool, several: bool) -> "Questioner":
        """Asks on this process's terminal; `silent` output leaves no place for questions."""
        return cls(force=force, can_ask=can_ask() and not silent, several=several)

    def may_replace(self, question: Question) -> bool:
        """Whether to go on. Raises `WouldOverwrite` where nobody can be asked."""
        if self.forced:
            return True
        if self._settled is not None:
            return self._settled
        if not self._can_ask:
            raise WouldOverwrite(question.what, question.there)
        answer = self._ask(question)
        if answer in {Answer.ALL, Answer.NONE}:
            self._settled = answer is Answer.ALL
        return answer in {Answer.YES, Answer.ALL}

    def _ask(self, question: Question) -> Answer:
        console = stdout()
        console.print(f"{question.what}: {question.there}", markup=False, soft_wrap=True)
        if question.consequence:
            console.print(question.consequence, markup=False, soft_wrap=True)
        choices = "[y]es / [N]o / [a]ll / n[o]ne" if self._several else "[y/N]"
        while True:
            answer = _understand(_read_line(f"{question.asked} {choices} "), several=self._several)
            if answer is not None:
                return answer
            console.print("Please answer yes or no" + (", all or none." if self._several else "."))


def _understand(text: str, *, several: bool) -> Answer | None:
    match text.strip().lower():
        case "" | "n" | "no":
            return Answer.NO
        case "y" | "yes":
            return Answer.YES
        case "a" | "all" if several:
            return Answer.ALL
        case "o" | "none" if several:
            return Answer.NONE
    return None


def _read_line(prompt: str) -> str:
    """A line of the terminal; Ctrl+D counts as no answer, which is a no."""
    try:
        return input(prompt)
    except EOFError:
        stdout().print()
        return ""
