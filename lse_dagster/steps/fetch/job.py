"""The fetch of one day as its parts share it: whom it asks, about what, since when, and who keeps what comes.

Neither value changes while the fetch goes on. Who works side by side, and in which order, is not said here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import msgspec

from lse_dagster.day.writing.writer import Added, DayWriter
from lse_dagster.langsmith.errors import InvalidAnswer
from lse_dagster.langsmith.feedback import numbers_of_feedback
from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.queries import RunQueries
from lse_dagster.langsmith.scope import RunScope, started_in, tail_of
from lse_dagster.langsmith.server import Project
from lse_dagster.langsmith.transport import Transport
from lse_dagster.run.identity import InvalidRun, Listed
from lse_dagster.run.times import DayInterval
from lse_dagster.steps.fetch.attachments import AttachmentDownloads


@dataclass(frozen=True)
class FetchJob:
    """One day of one project, asked for with one API generation."""

    transport: Transport
    queries: RunQueries
    project: Project
    day: date
    started_at: datetime
    """When this process began with it, by LangSmith's clock."""

    @cached_property
    def interval(self) -> DayInterval:
        """The day."""
        return DayInterval.of(self.day)

    @cached_property
    def whole(self) -> RunScope:
        """The runs that started in the day."""
        return self.started_in(self.interval)

    @cached_property
    def tail(self) -> RunScope:
        """The later runs of the day's traces."""
        return tail_of(self.project.id, self.interval, now=self.started_at)

    def started_in(self, part: DayInterval) -> RunScope:
        """The runs that started in a part of the day."""
        return started_in(self.project.id, part)

    def numbers_of_feedback(self, run_ids: Sequence[str]) -> dict[str, int]:
        """How many feedback records each run says that it has, as LangSmith says now."""
        numbers: dict[str, int] = {}
        for scope in (self.whole, self.tail):
            left = [run_id for run_id in run_ids if run_id not in numbers]
            numbers |= numbers_of_feedback(self.queries, scope, left)
        return numbers

    def run_again(self, run_id: str) -> msgspec.Raw | None:
        """A run as LangSmith sends it now, with URLs that are good again."""
        for scope in (self.whole, self.tail):
            for page in self.queries.pages_by_id(scope, [run_id], PageSize(1)):
                if page:
                    return page[0]
        return None


@dataclass(frozen=True)
class RunIntake:
    """Takes in runs, and begins to download what they name. From any thread."""

    writer: DayWriter
    downloads: AttachmentDownloads

    def keep(self, raws: Iterable[bytes | msgspec.Raw], *, listed: Listed) -> Added:
        """Keep the runs that belong to the day; `listed` as for `DayWriter.add`.

        Raises `InvalidAnswer` for what is no run, `DiskError`, `Cancelled`.
        """
        try:
            added = self.writer.add(raws, listed=listed)
            for raw in added.naming_files:
                self.downloads.add(raw)
        except InvalidRun as error:
            raise InvalidAnswer.with_no_run("Reading a run that LangSmith sent", error) from error
        return added
