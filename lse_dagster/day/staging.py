"""The hidden folder in which one new day is written, and what becomes of the complete day that waits in it.

Whoever stages a day holds its lock until the staging is published, discarded, or left for a later process
to go on with.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from filelock import BaseFileLock

from lse_dagster.day.disk import remove_whatever
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.difference import Replacement


class Staging:
    """Made by `DayStore.stage` and used once. As a context manager it ends on any error.

    An error discards what was staged, unless `resumable` was set: then it stays for the next fetch.
    """

    def __init__(self, project: str, day: date, folder: Path, lock: BaseFileLock) -> None:
        self.project = project
        self.date = day
        self.folder = folder
        self.resumable = False
        self._lock = lock

    @property
    def content(self) -> Path:
        """The folder that becomes the day folder."""
        return self.folder / "day"

    @property
    def look(self) -> Path:
        """Where a day waits that was fetched and only adds to the one that is there. Not part of the day."""
        return self.folder / "look"

    @property
    def spool_path(self) -> Path:
        """Where runs wait until they are grouped into traces. Not part of the day."""
        return self.folder / "runs.spool"

    @property
    def feedback_path(self) -> Path:
        """Where feedback records wait for the same. Not part of the day."""
        return self.folder / "feedback.spool"

    @property
    def checkpoint_path(self) -> Path:
        """What an interrupted fetch has completed. Not part of the day."""
        return self.folder / "checkpoint.jsonl"

    @property
    def download_path(self) -> Path:
        """Where a zip from Drive waits until it is verified. Not part of the day."""
        return self.folder / "download.zip"

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        if error_type is None:
            return
        if self.resumable:
            self._lock.release()
        else:
            self.discard()

    def empty_content(self) -> None:
        """Begin the day folder anew."""
        remove_whatever(self.content)
        self.content.mkdir(parents=True)

    def discard(self) -> None:
        """Remove what was staged and let others write the day."""
        remove_whatever(self.folder)
        self._lock.release()


@dataclass(frozen=True)
class StagedDay:
    """A complete day, verified and flushed, that waits in its staging folder; nothing else is decided yet."""

    staging: Staging
    day: DayFolder


@dataclass(frozen=True)
class NewDay:
    """A staged day that is to be published."""

    staging: Staging
    day: DayFolder
    replaces: Replacement | None
    """What becomes of the days that were there; None where there were none."""
    sets_aside: bool = False
    """Whether what lies in its place cannot be read whole, and is kept under another name."""

    @property
    def fetched_at(self) -> str:
        """When LangSmith was asked for it."""
        return self.day.summary.fetched_at


@dataclass(frozen=True)
class SameDay:
    """The day that lies in its place stays: what was staged says nothing else, and goes."""

    staging: Staging
    day: DayFolder
    fetched_at: str
    """When LangSmith was asked for what was staged."""


DecidedDay = NewDay | SameDay
