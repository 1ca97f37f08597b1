"""One line of the doctor."""

from dataclasses import dataclass
from typing import Literal

from lse_dagster.errors import ArchiveError

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was found out about a subject. `next_step` is what to do, if it is not `ok`."""

    level: Level
    subject: str
    text: str
    next_step: str = ""


def good(subject: str, text: str) -> Finding:
    """All is well."""
    return Finding("ok", subject, text)


def warning(subject: str, text: str, next_step: str) -> Finding:
    """It works, and should be mended all the same."""
    return Finding("warning", subject, text, next_step)


def problem(subject: str, text: str, next_step: str) -> Finding:
    """Archiving does not work with this."""
    return Finding("problem", subject, text, next_step)


def problem_of(subject: str, error: ArchiveError) -> Finding:
    """An error as a finding."""
    return problem(subject, error.why, error.next_step)
