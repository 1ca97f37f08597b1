"""The question of `lse init` where the archive begins: a fixed date, since partitions hang on it.

A date of its own for each archive: before it nothing is missing, so nothing is shown as that.
"""

from datetime import UTC, date, timedelta
from typing import Final

from lse_dagster.cli.environment import langsmith_clock
from lse_dagster.cli.init.answers import Answers, Unusable, say_why_not, tell
from lse_dagster.errors import ArchiveError
from lse_dagster.run.times import InvalidDate, parse_date, utc_now

_VARIABLE: Final = "LSE_START_DATE"
_FIRST_TRACES: Final = date(2023, 1, 1)
"""There was no LangSmith before."""


def ask_start_date(answers: Answers, *, drive_works: bool) -> None:
    """Suggests what is set, else the oldest copy on Drive, else the oldest day of LangSmith, and says why."""
    settings = answers.settings()
    now = langsmith_clock(settings).now() if answers.tested else utc_now()
    today = now.astimezone(UTC).date()
    if not (suggested := answers.current(_VARIABLE)):
        oldest = _oldest_copy(answers) if drive_works else None
        retention = settings.reconciliation.retention_days
        if oldest is not None:
            day, project = oldest
            tell(f"The oldest day on Drive is {day}, of {project!r}.")
        else:
            day = max(today - timedelta(days=retention - 1), _FIRST_TRACES)
            on_drive = "There is no day on Drive yet; " if drive_works else "Drive was not looked at; "
            tell(f"{on_drive}LangSmith forgets after {retention} days: {day} is the oldest whole one.")
        suggested = day.isoformat()

    def test(value: str) -> None:
        try:
            day = parse_date(value)
        except InvalidDate:
            raise Unusable(_VARIABLE, f"{value!r} is not a date.", "Write YYYY-MM-DD.") from None
        if day > today:
            raise Unusable(_VARIABLE, f"{day} is not here yet.", "Name a day that is.")

    answers.given[_VARIABLE] = suggested
    answers.ask(_VARIABLE, "First day of the archive", "", test)


def _oldest_copy(answers: Answers) -> tuple[date, str] | None:
    """The oldest day on Drive and its project."""
    from lse_dagster.drive.archive import DriveArchive
    from lse_dagster.net.backoff import IN_PASSING
    from lse_dagster.steps.drive_copy import list_copies

    settings = answers.settings()
    try:
        with DriveArchive.connect(settings.drive, backoff=IN_PASSING) as drive:
            found = [(day, name) for name in settings.projects for day in list_copies(drive, name)]
    except ArchiveError as error:
        say_why_not(error)
        return None
    return min(found, default=None)
