"""What is there already, in words, as far as it can be told cheaply: the local day and the copy on Drive."""

from typing import TYPE_CHECKING

from lse_dagster.cli.archive.wording import megabytes, short_path
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.interval import parse_time

if TYPE_CHECKING:
    from lse_dagster.drive import DriveFile


def describe_local(day: DayFolder) -> str:
    """The local day: how much, fetched when, where."""
    counts = day.summary.counts
    return (
        f"{counts.runs_started_in_day + counts.tail_runs:,} runs in {counts.traces:,} traces lie in "
        f"{short_path(day.path)}, fetched {_minute(day.summary.fetched_at)}."
    )


def describe_copy(file: "DriveFile") -> str:
    """The zip on Drive: how large, from when."""
    return f"{file.name} is on Drive, {megabytes(file.size)}, from {file.modified_time:%Y-%m-%d %H:%M} UTC."


def _minute(text: str) -> str:
    moment = parse_time(text)
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else text
