"""What can go wrong while talking to LangSmith: one type per cause, in its own words if it has any."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Self

from lse_dagster.advice import did_you_mean, lse_command
from lse_dagster.errors import ArchiveError

_LONGEST_WORDS = 300


def shorten(words: str) -> str:
    """The words of somebody else, in one line of bounded length."""
    line = " ".join(words.split())
    return line if len(line) <= _LONGEST_WORDS else line[:_LONGEST_WORDS] + " ..."


class MissingApiKey(ArchiveError):
    """No API key is configured."""

    def __init__(self) -> None:
        super().__init__(
            "Connecting to LangSmith",
            "LANGSMITH_API_KEY is not set.",
            "Create a key in LangSmith under Settings > API Keys and put LANGSMITH_API_KEY=... into .env.",
        )


class UnusableCredential(ArchiveError):
    """A value that goes into a header has what no header can hold. It is a secret, so it is not shown."""

    def __init__(self, variable: str) -> None:
        super().__init__(
            "Connecting to LangSmith",
            f"{variable} holds a space, a line break or another character that is not printable ASCII.",
            f"Copy it again, in one line: {variable}=... Quotes and comments are no part of it.",
        )


class UnusableAddress(ArchiveError):
    """The server's address, or a proxy's, is none. It may hold a password, so it is not shown."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            what,
            why,
            "Set it like this: LANGSMITH_ENDPOINT=https://api.smith.langchain.com. A proxy's address is in "
            "HTTPS_PROXY or HTTP_PROXY.",
        )


class Unauthorized(ArchiveError):
    """401 or 403: the key is wrong, revoked, or has no access to the workspace or project."""


class CertificateRefused(ArchiveError):
    """Whoever answers for LangSmith shows a certificate that is not trusted."""


class DayNotOver(ArchiveError):
    """By LangSmith's clock the day goes on: what it has by now is not the day."""

    def __init__(self, project: str, day: date, now: datetime) -> None:
        super().__init__(
            f"Fetching the day {day} of {project!r}",
            f"It is not over: LangSmith's clock says {now:%Y-%m-%d %H:%M} UTC.",
            "Archive it when it is over. If it should be by now, set this machine's clock (NTP): lse doctor",
        )


class DayForgotten(ArchiveError):
    """LangSmith has nothing of a day that it keeps no longer. An empty day would pass for a whole one."""

    def __init__(self, project: str, dates: object, retention_days: int) -> None:
        restore = lse_command("archive restore", project, dates)
        super().__init__(
            f"Fetching {dates} of {project!r}",
            f"LangSmith has no run of it any more: it keeps them for {retention_days:,} days "
            "(LSE_RETENTION_DAYS). Nothing was published.",
            f"There is nothing to fetch. If Drive has it: {restore}. If your LangSmith keeps runs for "
            "longer, set LSE_RETENTION_DAYS, then run this again.",
        )


class ProjectNotFound(ArchiveError):
    """LangSmith has no project of this name in this workspace. `there`: those that it has."""

    def __init__(self, project: str, endpoint: str, there: Sequence[str] = ()) -> None:
        super().__init__(
            f"Looking up the project {project!r}",
            f"{endpoint} has no project of this name in this workspace.",
            f"{did_you_mean(project, there)}Check the spelling in LSE_PROJECTS (capitals count), and "
            "LANGSMITH_WORKSPACE_ID for a key that reaches several workspaces.",
        )
        self.there = there


class RequestRefused(ArchiveError):
    """A final 4xx: the same request would be refused again."""


class Unavailable(ArchiveError):
    """LangSmith did not answer properly within the configured patience."""

    transient = True


class InvalidAnswer(ArchiveError):
    """An answer came complete but is not what LangSmith documents. Nothing of it is used."""

    transient = True

    @classmethod
    def with_no_run(cls, what: str, error: Exception) -> Self:
        """It holds what is no run where one is to be."""
        return cls(what, f"{error}.", "Run this again, and report it if it stays.")


class QueryGoesInCircles(ArchiveError):
    """A query repeats itself or never ends: going on would loop or lose runs."""

    transient = True


class NoSuchEndpoint(RequestRefused):
    """404, 405 or 501: this server does not have what was asked for."""


class PageTooLarge(ArchiveError):
    """LangSmith cannot send even a single run in one answer."""


class IncompleteDay(ArchiveError):
    """Fewer runs could be fetched than LangSmith counts or lists. Nothing was published."""

    transient = True

    def __init__(self, project: str, day: date, *, held: int, total: int, missing: Sequence[str]) -> None:
        named = f", for example {', '.join(missing[:5])}" if missing else "; no query names them"
        why = f"{held:,} of {total:,} runs could be fetched, {total - held:,} are missing{named}."
        if held >= total:
            why = f"{len(missing):,} runs are listed and do not come when they are asked for{named}."
        super().__init__(
            f"Fetching the day {day} of {project!r}",
            f"{why} Nothing was published.",
            "Run this again in a few minutes. If it stays, report it to LangSmith with these numbers.",
        )
        self.held = held
        self.total = total


class Cancelled(ArchiveError):
    """The fetch was ended before this request was sent."""

    transient = True

    def __init__(self) -> None:
        super().__init__("Talking to LangSmith", "The fetch was ended.", "Run it again.")
