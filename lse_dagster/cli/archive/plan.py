"""Which days to work on and what each step may overwrite, settled with the person before any work begins.

What was seen decides the policy: where nothing was there, nothing may be overwritten (`never`), so that a day
that appears meanwhile is safe; a yes allows what loses nothing (`superset`); only `--force` allows everything
(`always`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from lse_dagster.cli.archive.wording import megabytes, short_path
from lse_dagster.cli.running.outcome import DayPlan
from lse_dagster.cli.terminal.errors import Declined
from lse_dagster.cli.terminal.questions import Question, Questioner
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.errors import ArchiveError
from lse_dagster.run.times import parse_time
from lse_dagster.steps.zip_proof import is_copy_of

if TYPE_CHECKING:
    from lse_dagster.drive.file import DriveFile
    from lse_dagster.settings import Settings


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


Copies = Mapping[date, "DriveFile"]
"""The day zips of the project on Drive, by their date."""

_NOTHING_LOST = "A yes loses nothing: what LangSmith sends no more goes on in the day."


class BeforeStartDate(ArchiveError):
    """A day is no partition: it lies before `LSE_START_DATE`."""

    def __init__(self, project: str, day: date, start: date) -> None:
        super().__init__(
            f"Working on the day {day} of {project!r}",
            f"The archive begins on {start}.",
            f"Put LSE_START_DATE={day} into .env to archive from that day on.",
        )


@dataclass(frozen=True)
class Planner:
    """Makes the plans of one command, for one project."""

    settings: "Settings"
    project: str
    questioner: Questioner

    def fetch(self, days: Sequence[date]) -> list[DayPlan]:
        """Ask about every local day that a fetch would replace."""
        plans = []
        for day in self._partitions(days):
            local, unasked = self._local_day(day)
            if local is None:
                plans.append(DayPlan(day, {"fetch": unasked}))
            elif self._may_replace(f"Fetching {self._name(day)}", describe_local(local)):
                plans.append(DayPlan(day, {"fetch": self._allowed}))
        return self._unless_all_declined(plans, days)

    def zip(self, days: Sequence[date]) -> list[DayPlan]:
        """A zip is made of the local day and asks nothing: it never loses what the old one holds."""
        return [DayPlan(day, {"zip": self._allowed}) for day in self._partitions(days)]

    def upload(self, days: Sequence[date], copies: Copies) -> list[DayPlan]:
        """Ask about every zip on Drive with other content."""
        plans = []
        for day in self._partitions(days):
            copy = copies.get(day)
            path = self._zip_path(day)
            if copy is None or not path.exists() or is_copy_of(copy, path):
                plans.append(DayPlan(day, {"upload": self._unseen}))
            elif self._may_replace(
                f"Uploading {self._name(day)}", f"{describe_copy(copy)} Its content is not that of {path}."
            ):
                plans.append(DayPlan(day, {"upload": self._allowed}))
        return self._unless_all_declined(plans, days)

    def archive(self, days: Sequence[date], copies: Copies) -> list[DayPlan]:
        """Ask about every day that is there locally or on Drive."""
        plans = []
        for day in self._partitions(days):
            (local, unasked), copy = self._local_day(day), copies.get(day)
            there = [describe_local(local)] if local else []
            there += [describe_copy(copy)] if copy else []
            if not there or self._may_replace(f"Archiving {self._name(day)}", " ".join(there)):
                plans.append(
                    DayPlan(
                        day,
                        {
                            "fetch": self._allowed if local else unasked,
                            "zip": self._allowed,
                            "upload": self._allowed if copy else self._unseen,
                        },
                    )
                )
        return self._unless_all_declined(plans, days)

    def restore(self, days: Sequence[date], copies: Copies, project_id: str = "") -> list[DayPlan]:
        """Ask about every local day that its copy on Drive would replace. `project_id` as in `Invocation`."""
        plans = []
        for day in self._partitions(days):
            (local, unasked), copy = self._local_day(day, project_id), copies.get(day)
            if local is None or copy is None:
                plans.append(DayPlan(day, {"restore": unasked}, project_id))
            elif self._may_replace(
                f"Restoring {self._name(day)}", f"{describe_local(local)} {describe_copy(copy)}"
            ):
                plans.append(DayPlan(day, {"restore": self._allowed}, project_id))
        return self._unless_all_declined(plans, days)

    @property
    def _allowed(self) -> Overwrite:
        return "always" if self.questioner.forced else "superset"

    @property
    def _unseen(self) -> Overwrite:
        return "always" if self.questioner.forced else "never"

    def _may_replace(self, what: str, there: str) -> bool:
        return self.questioner.may_replace(Question(what, there, _NOTHING_LOST))

    def _name(self, day: date) -> str:
        return f"{day} of {self.project!r}"

    def _zip_path(self, day: date) -> Path:
        return ZipStore(self.settings.archives_dir).zip_path(self.project, day)

    def _local_day(self, day: date, project_id: str = "") -> tuple[DayFolder | None, Overwrite]:
        """The local day, and what may be done unasked where there is none.

        One that cannot be read is no reason to ask: nothing that can be read of it is given up.
        """
        try:
            return DayStore(self.settings.data_dir).find(self.project, day, project_id), self._unseen
        except InvalidSummary:
            return None, self._allowed

    def _partitions(self, days: Sequence[date]) -> Sequence[date]:
        start = self.settings.start_date
        for day in days:
            if day < start:
                raise BeforeStartDate(self.project, day, start)
        return days

    def _unless_all_declined(self, plans: list[DayPlan], days: Sequence[date]) -> list[DayPlan]:
        if plans:
            return plans
        what = str(days[0]) if len(days) == 1 else f"each of {len(days):,} days"
        raise Declined(f"Nothing was done: {what} of {self.project!r} is as it was.")
