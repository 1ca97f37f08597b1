"""Every asset check in one table: its promise, what rests on it, whom it asks, what mends it.

Whoever runs, reads, tells or repairs checks takes from here what they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import dagster as dg

from lse_dagster.calendar.rules import Rule
from lse_dagster.day.folder import DayFolder
from lse_dagster.defs.project import ArchivedProject
from lse_dagster.steps.examination.counts import CountsNow
from lse_dagster.steps.examination.finding import (
    Finding,
    find_changed_files,
    find_forgotten_part,
    find_incomplete_traces,
    find_missing_attachments,
    find_pending_runs,
    find_short_feedback,
    find_withdrawal,
)
from lse_dagster.steps.examination.reading import Examination


@dataclass(frozen=True)
class DayAtHand:
    """A day that lies here, and what its checks may ask; each answer is had once."""

    folder: DayFolder
    rule: Rule
    examined: Callable[[], Examination]
    counted: Callable[[], CountsNow]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One asset check. A day goes no further that fails one that blocks; one that only warns fails no day.

    `repair`: the command that mends what it found.
    """

    asset: Literal["raw_runs", "day_zip", "drive_archive"]
    name: str
    promise: str
    blocks: bool = False
    warns: bool = False
    asks: Literal["LangSmith", "Drive"] | None = None
    repair: str | None = None

    def key(self, project: ArchivedProject) -> dg.AssetCheckKey:
        """The key of the project's check."""
        return dg.AssetCheckKey(project.key(self.asset), self.name)

    def spec(self, project: ArchivedProject, partitions: dg.DailyPartitionsDefinition) -> dg.AssetCheckSpec:
        """How Dagster is told of it."""
        return dg.AssetCheckSpec(
            self.name,
            asset=project.key(self.asset),
            blocking=self.blocks,
            partitions_def=partitions,
            description=self.promise,
        )


@dataclass(frozen=True, kw_only=True)
class DayCheck(Check):
    """A check of `raw_runs`, and what it finds of a day here."""

    asset: Literal["raw_runs"] = "raw_runs"
    look: Callable[[DayAtHand], Finding]


def _count_runs(day: DayAtHand) -> Finding:
    held = day.examined().counts
    return day.counted().runs(held)


def _count_root_runs(day: DayAtHand) -> Finding:
    held = day.examined().counts
    return day.counted().root_runs(held)


FILES: Final = DayCheck(
    name="files_match_summary",
    promise="Every file has the hash that the summary promises, none is extra, and they hold what it counts.",
    blocks=True,
    repair="archive restore",
    look=lambda day: find_changed_files(day.folder, day.examined()),
)
RUN_COUNT: Final = DayCheck(
    name="run_count_matches_langsmith",
    promise="The runs that started in the day, counted in its files, are as many as LangSmith counts now.",
    blocks=True,
    asks="LangSmith",
    repair="archive fetch",
    look=_count_runs,
)
TRACE_COUNT: Final = DayCheck(
    name="trace_count_matches_langsmith",
    promise="The root runs that started in the day, counted in its files, are as many as LangSmith counts.",
    blocks=True,
    asks="LangSmith",
    repair="archive fetch",
    look=_count_root_runs,
)
COMPLETENESS: Final = DayCheck(
    name="traces_are_complete",
    promise="Every run is in its trace's file, every parent is there, "
    "every identity agrees with `dotted_order`.",
    warns=True,
    look=lambda day: find_incomplete_traces(day.examined().traces),
)
PENDING: Final = DayCheck(
    name="no_pending_runs",
    promise="No run was still unfinished when the day was fetched.",
    warns=True,
    look=lambda day: find_pending_runs(day.examined().counts),
)
ATTACHMENTS: Final = DayCheck(
    name="attachments_are_complete",
    promise="Every attachment and offloaded field that a run names could be downloaded.",
    warns=True,
    look=lambda day: find_missing_attachments(day.folder, day.examined().counts),
)
FEEDBACK: Final = DayCheck(
    name="feedback_is_complete",
    promise="Of each run as many feedback records are archived as it says that it has.",
    warns=True,
    look=lambda day: find_short_feedback(day.examined().feedback),
)
RETENTION: Final = DayCheck(
    name="langsmith_still_had_the_day",
    promise="LangSmith had not begun to forget the day when it was fetched.",
    warns=True,
    look=lambda day: find_forgotten_part(day.folder, day.rule),
)
WITHDRAWAL: Final = DayCheck(
    name="nothing_was_withdrawn",
    promise="LangSmith sent last all that it ever sent of the day; what not is kept.",
    warns=True,
    look=lambda day: find_withdrawal(day.examined().withdrawal),
)
ZIP: Final = Check(
    asset="day_zip",
    name="zip_matches_day",
    promise="Every member has the name, size, CRC and hash that the day's summary promises.",
    blocks=True,
    repair="archive zip",
)
COPY: Final = Check(
    asset="drive_archive",
    name="drive_copy_matches_zip",
    promise="Drive reports the size and checksum that the zip had when it was proved.",
    asks="Drive",
    repair="archive upload",
)

DAY_CHECKS: Final = (
    FILES,
    RUN_COUNT,
    TRACE_COUNT,
    COMPLETENESS,
    PENDING,
    ATTACHMENTS,
    FEEDBACK,
    RETENTION,
    WITHDRAWAL,
)
CHECKS: Final = (*DAY_CHECKS, ZIP, COPY)
"""In the order in which they are mended: what comes earlier must be right first."""


def check_keys(project: ArchivedProject) -> list[dg.AssetCheckKey]:
    """The keys of all checks of one project."""
    return [check.key(project) for check in CHECKS]
