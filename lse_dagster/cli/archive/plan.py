"""Which days to work on and what each step may overwrite, settled with the person before any work begins.

What was seen decides the policy: where nothing was there, nothing may be overwritten (`never`), so that a day
that appears meanwhile is safe; a yes allows what loses nothing (`superset`); only `--force` allows everything
(`always`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lse_dagster.calendar.days import CalendarDay, Findings
from lse_dagster.calendar.inventory import local_days
from lse_dagster.cli.archive.lacking import (
    ALL_STEPS,
    ASKED,
    WHOLE,
    Lack,
    Reason,
    difference_from_copy,
    difference_of,
    lack_of,
    may_have_grown,
)
from lse_dagster.cli.archive.wording import megabytes, short_path
from lse_dagster.cli.running.outcome import DayPlan, Step
from lse_dagster.cli.terminal.errors import Declined
from lse_dagster.cli.terminal.questions import Question, Questioner, WouldOverwrite
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.errors import ArchiveError
from lse_dagster.run.times import parse_time, utc_now
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
_NEWER_STAYS = "A yes loses nothing: a day here that holds more, or was fetched later and differs, stays."


class BeforeStartDate(ArchiveError):
    """A day is no partition: it lies before `LSE_START_DATE`."""

    def __init__(self, project: str, day: date, start: date) -> None:
        super().__init__(
            f"Working on the day {day} of {project!r}",
            f"The archive begins on {start}.",
            f"Put LSE_START_DATE={day} into .env to archive from that day on.",
        )


@dataclass(frozen=True)
class LeftDay:
    """A day that nothing is done to, and why. `error`: nobody could be asked about it."""

    day: date
    reason: Literal["whole", "declined", "before"] | Reason
    why: str
    error: WouldOverwrite | None = None


Planned = DayPlan | LeftDay


@dataclass(frozen=True)
class Planner:
    """Makes the plans of one command, for one project."""

    settings: "Settings"
    project: str
    questioner: Questioner
    count: Callable[[Sequence[date]], Mapping[date, int]] = lambda _: {}
    """LangSmith's counts of days now, as far as it can be asked."""
    several: bool = False
    """Whether a range was asked for: then a day that is left keeps no other from its turn."""
    dry_run: bool = False
    """Whether nobody is asked, as nothing will be done."""

    def fetch(self, days: Sequence[date]) -> list[Planned]:
        """Ask about every local day that a fetch would replace; of a range not about what is whole."""
        if len(days) == 1 or self.questioner.forced:
            return self._each(days, lambda day: self._fetch(day, ASKED))
        found = self._look(days, None)
        return self._each(days, lambda day: self._fetch(day, lack_of(found.day(day), "fetch")))

    def _fetch(self, day: date, lack: Lack) -> Planned:
        local, unasked = self._local_day(day)
        if local is None:
            return DayPlan(day, {"fetch": unasked})
        if lack == WHOLE and (lack := difference_of(local, None, None)) == WHOLE:
            return LeftDay(day, "whole", "")
        there = f"{lack.why} {describe_local(local)}".lstrip()
        left = self._unless_allowed(day, f"Fetching {self._name(day)}", there, lack.reason or "there")
        return left or DayPlan(day, {"fetch": self._allowed})

    def zip(self, days: Sequence[date]) -> list[Planned]:
        """A zip is made of the local day and asks nothing: it never loses what the old one holds."""
        return self._each(days, lambda day: DayPlan(day, {"zip": self._allowed}))

    def upload(self, days: Sequence[date], copies: Copies) -> list[Planned]:
        """Ask about every zip on Drive with other content."""
        return self._each(days, lambda day: self._upload(day, copies.get(day)))

    def _upload(self, day: date, copy: "DriveFile | None") -> Planned:
        path = self._zip_path(day)
        if copy is None or not path.exists() or is_copy_of(copy, path):
            return DayPlan(day, {"upload": self._unseen})
        there = f"{describe_copy(copy)} Its content is not that of {path}."
        left = self._unless_allowed(day, f"Uploading {self._name(day)}", there, "changed")
        return left or DayPlan(day, {"upload": self._allowed})

    def archive(self, days: Sequence[date], copies: Copies | None) -> list[Planned]:
        """Ask about a day that is there locally or on Drive; of a range only about what is not whole.

        What of a range is whole is left, and what was begun gets the steps that are missing. `copies`: None
        where Drive cannot be looked at: then a range is only fetched and zipped.
        """
        if len(days) == 1 or (self.questioner.forced and copies is not None):
            return self._each(days, lambda day: self._archive(day, (copies or {}).get(day), ASKED))
        if self.questioner.forced:
            return self._each(days, lambda day: self._archive(day, None, Lack(ALL_STEPS[:-1], "there")))
        found = self._look(days, copies)
        return self._each(days, lambda day: self._complete(found.day(day), copies))

    def _archive(self, day: date, copy: "DriveFile | None", lack: Lack) -> Planned:
        """Do these steps of a day, after a question if something that they replace is there."""
        local, unasked = self._local_day(day)
        there = [lack.why] if lack.why else []
        there += [describe_local(local)] if local else []
        there += [describe_copy(copy)] if copy else []
        overwrite: dict[Step, Overwrite] = {
            "fetch": self._allowed if local else unasked,
            "zip": self._allowed,
            "upload": self._allowed if copy else self._unseen,
        }
        left = None
        if there and lack.reason is not None:
            what = f"Archiving {self._name(day)}"
            left = self._unless_allowed(day, what, " ".join(there), lack.reason)
        return left or DayPlan(day, {step: overwrite[step] for step in lack.steps})

    def _complete(self, day: CalendarDay, copies: Copies | None) -> Planned:
        copy = (copies or {}).get(day.day)
        lack = lack_of(day)
        if copies is None:
            lack = replace(lack, steps=tuple(step for step in lack.steps if step != "upload"))
        if lack == WHOLE:
            folder, _ = self._local_day(day.day)
            lack = difference_of(folder, day.local.zip.path if day.local.zip else None, copy)
        if lack == WHOLE:
            return LeftDay(day.day, "whole", "")
        return self._archive(day.day, copy, lack)

    def _look(self, days: Sequence[date], copies: Copies | None) -> Findings:
        """What is known of the days, with LangSmith's count of those that may have grown."""
        here = local_days(self.settings.data_dir, self.settings.archives_dir, self.project, set(days))
        from lse_dagster.steps.drive_copy import described  # it imports Google's libraries

        on_drive = described(copies, self.project) if copies is not None else None
        rule, now = self.settings.reconciliation, utc_now()
        found = Findings(here, now, rule, on_drive)
        seen = [found.day(day) for day in days]
        # Without Drive only fetches are planned; else what is not done yet is done before it is counted.
        young = [
            one.day
            for one in seen
            if (copies is None or lack_of(one) == WHOLE) and may_have_grown(one, rule, now)
        ]
        return replace(found, totals=self.count(young)) if young else found

    def restore(self, days: Sequence[date], copies: Copies, project_id: str = "") -> list[Planned]:
        """Ask about every local day that its copy on Drive would replace; of a range not about what is whole.

        `project_id` as in `Invocation`.
        """
        return self._each(days, lambda day: self._restore(day, copies.get(day), project_id))

    def _restore(self, day: date, copy: "DriveFile | None", project_id: str) -> Planned:
        local, unasked = self._local_day(day, project_id)
        if local is None or copy is None:
            return DayPlan(day, {"restore": unasked}, project_id)
        lack = ASKED
        if self.several and not self.questioner.forced:
            zips, whose = ZipStore(self.settings.archives_dir), project_id or local.summary.project_id
            zipped = zips.zip_path(self.project, day, whose)
            lack = difference_from_copy(local, zipped if zipped.exists() else None, copy)
        if lack == WHOLE:
            return LeftDay(day, "whole", "")
        there = f"{lack.why} {describe_local(local)} {describe_copy(copy)}".lstrip()
        what, reason = f"Restoring {self._name(day)}", lack.reason or "there"
        left = self._unless_allowed(day, what, there, reason, _NEWER_STAYS)
        return left or DayPlan(day, {"restore": self._allowed}, project_id)

    @property
    def _allowed(self) -> Overwrite:
        return "always" if self.questioner.forced else "superset"

    @property
    def _unseen(self) -> Overwrite:
        return "always" if self.questioner.forced else "never"

    def _each(self, days: Sequence[date], plan: Callable[[date], Planned]) -> list[Planned]:
        """One for each day, in order. Raises `BeforeStartDate` and `Declined` if none is left to be done."""
        start = self.settings.start_date
        if days and days[-1] < start:
            raise BeforeStartDate(self.project, days[0], start)
        before = f"The archive begins on {start}."
        planned = [plan(day) if day >= start else LeftDay(day, "before", before) for day in days]
        if not planned or any(isinstance(one, DayPlan) or one.reason != "declined" for one in planned):
            return planned
        what = str(days[0]) if len(days) == 1 else f"each of {len(days):,} days"
        raise Declined(f"Nothing was done: {what} of {self.project!r} is as it was.")

    def _unless_allowed(
        self, day: date, what: str, there: str, reason: Reason = "there", promise: str = _NOTHING_LOST
    ) -> LeftDay | None:
        """None if what is there may be replaced. Nobody to ask: in a range that leaves this day alone."""
        if self.dry_run and not self.questioner.forced:
            return LeftDay(day, reason, there)
        try:
            if self.questioner.may_replace(Question(what, there, promise)):
                return None
        except WouldOverwrite as error:
            if not self.several:
                raise
            return LeftDay(day, reason, there, error)
        return LeftDay(day, "declined", there)

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
