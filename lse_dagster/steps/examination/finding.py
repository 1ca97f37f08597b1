"""What was found in the files of a day, in words and numbers for a check."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from lse_dagster.calendar.rules import Rule
from lse_dagster.day.errors import BrokenDay, BrokenZip, repair
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.foreign import left_out
from lse_dagster.day.overwrite.withdrawal import Withdrawal
from lse_dagster.day.summary import Counts
from lse_dagster.day.zip.directory import ZipDirectory
from lse_dagster.day.zip.verify import compare_with_day
from lse_dagster.errors import ArchiveError
from lse_dagster.run.times import DayInterval, iso_z
from lse_dagster.steps.examination.completeness import Completeness
from lse_dagster.steps.examination.feedback import FeedbackFound
from lse_dagster.steps.examination.reading import Examination
from lse_dagster.steps.examination.verdict import Verdict
from lse_dagster.steps.zip_proof import damage_of

Numbers = Mapping[str, int | float | str]

_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Finding:
    """What one check found out about one day."""

    verdict: Verdict
    numbers: Numbers = field(default_factory=dict)
    error: ArchiveError | None = None
    """What kept the check from being made; then it did not pass."""


def find_in_day(load: Callable[[], DayFolder], look: Callable[[DayFolder], Finding]) -> Finding:
    """What a look at the day finds, at one and the same day.

    Another run may publish the day while it is read, and two days that are seen as one look damaged: then the
    new one is looked at. A day that cannot be read is what `BrokenDay` says of it.
    """
    while True:
        day = load()
        try:
            found = look(day)
        except BrokenDay as error:
            found = Finding(Verdict(False, f"{error.why} {error.next_step}"))
        if found.verdict.passed or load().summary_sha256 == day.summary_sha256:
            return found


def find_changed_files(folder: DayFolder, examined: Examination) -> Finding:
    """Whether every file has the hash that the summary promises, and together they hold what it says."""
    files, foreign = len(folder.summary.files), examined.foreign
    numbers: Numbers = {"files": files, **({"foreign_files": len(foreign)} if foreign else {})}
    good = f"All {files:,} files are as they were written, and hold what their summary says."
    found = finding_of_differences(examined.differences, good=good, numbers=numbers)
    why = good if found.verdict.passed else f"{found.verdict.why}. {repair(folder.project, folder.date)}"
    return replace(found, verdict=Verdict(found.verdict.passed, f"{why} {left_out(foreign)}".rstrip()))


def find_changed_zip(path: Path, folder: DayFolder) -> Finding:
    """Whether every member of the day's zip is as the summary promises."""
    try:
        with ZipDirectory(path) as archive:
            foreign = left_out(archive.foreign_names())
            differences = list(compare_with_day(archive, folder))
    except BrokenZip as error:
        foreign, differences = "", [error.why]
    members = len(folder.summary.files) + 1
    good = f"All {members:,} members match. {foreign}".rstrip()
    return finding_of_differences(differences, good=good, numbers={"members": members})


def find_damaged_zip(path: Path, *, project: str, day: date) -> Finding:
    """Whether every member of a zip is as the summary inside promises: of a day whose folder is not here."""
    damage, members = damage_of(path, project=project, day=day)
    good = f"The day folder was freed. All {members:,} members match the summary among them."
    return finding_of_differences(damage, good=good, numbers={"members": members})


def find_incomplete_traces(found: Completeness) -> Finding:
    """Whether every parent is there and every identity agrees with `dotted_order`."""
    problems = [f"run {run} lies in a file of its own: {why}" for run, why in found.unfiled]
    problems += [f"run {run}: its parent {parent} is missing" for run, parent in found.missing_parents]
    problems += [f"run {run}: {why}" for run, why in found.inconsistent]
    numbers: Numbers = {
        "runs": found.runs,
        "missing_parents": len(found.missing_parents),
        "inconsistent_runs": len(found.inconsistent),
        "unfiled_runs": len(found.unfiled),
    }
    return finding_of_differences(problems, good=f"All {found.runs:,} runs fit together.", numbers=numbers)


def find_pending_runs(counts: Counts) -> Finding:
    """Whether every run was finished when the day was fetched."""
    pending = counts.pending_runs
    if not pending:
        return Finding(Verdict(True, "Every run was finished."), {"pending_runs": 0})
    runs = "1 run was" if pending == 1 else f"{pending:,} runs were"
    why = f"{runs} unfinished when the day was fetched. Fetch it again later."
    return Finding(Verdict(False, why), {"pending_runs": pending})


def find_missing_attachments(folder: DayFolder, counts: Counts) -> Finding:
    """Whether everything that runs name could be downloaded."""
    lost = folder.summary.missing_attachments
    numbers = {"attachments": counts.attachments, "missing": len(lost)}
    named = [f"{one.name!r} of run {one.run_id}: {one.why}" for one in lost]
    good = f"All {counts.attachments:,} attachments that runs name are there."
    return finding_of_differences(named, good=good, numbers=numbers)


def find_short_feedback(found: FeedbackFound) -> Finding:
    """Whether all the feedback that runs speak of is archived."""
    problems = [f"run {one.run_id}: {one.held:,} of {one.expected:,} records" for one in found.lacking]
    numbers: Numbers = {
        "feedback": found.records,
        "feedback_said": found.said,
        "missing": sum(one.lacking for one in found.lacking),
    }
    good = f"All the feedback that runs speak of is there: {found.records:,} records."
    return finding_of_differences(problems, good=good, numbers=numbers)


def find_withdrawal(found: Withdrawal) -> Finding:
    """Whether LangSmith sent last all that it ever sent of the day."""
    why = found.why()
    good = "LangSmith sent last all that it ever sent of the day."
    return Finding(Verdict(not why, why or good), found.numbers)


def find_forgotten_part(folder: DayFolder, rule: Rule) -> Finding:
    """Whether LangSmith is proved to have had the whole day: its counts say nothing of what it forgot."""
    summary = folder.summary
    if summary.unverified is not None:
        return Finding(Verdict(True, "Nothing proves the day whole: LangSmith was not asked for it."))
    until = summary.asked.until if summary.asked is not None else summary.fetched_at
    numbers: Numbers = {"asked_until": until, "retention_days": rule.retention_days}
    asked_at, expires = datetime.fromisoformat(until), rule.expires(folder.date)
    if asked_at <= expires:
        why = f"Proved by when it was fetched: before LangSmith began to forget the day, at {iso_z(expires)}."
        return Finding(Verdict(True, why), numbers)
    forgotten_until = asked_at - timedelta(days=rule.retention_days)
    is_over = forgotten_until >= DayInterval.of(folder.date).end
    what = "any of it" if is_over else f"what started before {iso_z(forgotten_until)}"
    why = (
        f"Nothing proves the day whole: LangSmith deletes traces after {rule.retention_days} days, single "
        f"ones later. When it was asked for this day, at {until}, it may have forgotten {what}, and its "
        "counts with that. If it keeps every trace longer for you, say so in LSE_RETENTION_DAYS."
    )
    return Finding(Verdict(False, why), numbers)


def finding_of_differences(differences: list[str], *, good: str, numbers: Numbers) -> Finding:
    """Good when there are none; else the first few of them and how many more."""
    numbers = {**numbers, "differences": len(differences)}
    if not differences:
        return Finding(Verdict(True, good), numbers)
    more = f" ... and {len(differences) - _EXAMPLES:,} more" if len(differences) > _EXAMPLES else ""
    return Finding(Verdict(False, "; ".join(differences[:_EXAMPLES]) + more), numbers)
