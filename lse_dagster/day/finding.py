"""What can be found out about a day by looking at its files alone, in words and numbers for a check."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lse_dagster.day.completeness import examine_traces
from lse_dagster.day.errors import BrokenDay
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.proof import Verdict

Numbers = Mapping[str, int | float | str]

_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Finding:
    """What one check found out about one day."""

    verdict: Verdict
    numbers: Numbers = field(default_factory=dict)


def find_changed_files(folder: DayFolder) -> Finding:
    """Whether every file has the hash that the summary promises, and none is extra."""
    files = len(folder.summary.files)
    try:
        folder.verify_files()
    except BrokenDay as error:
        return Finding(Verdict(False, f"{error.why} {error.next_step}"), {"files": files})
    return Finding(Verdict(True, f"All {files:,} files are as they were written."), {"files": files})


def find_incomplete_traces(folder: DayFolder) -> Finding:
    """Whether every parent is there and every identity agrees with `dotted_order`. Raises `BrokenDay`."""
    found = examine_traces(folder)
    problems = [f"run {run}: its parent {parent} is missing" for run, parent in found.missing_parents]
    problems += [f"run {run}: {why}" for run, why in found.inconsistent]
    numbers: Numbers = {
        "runs": found.runs,
        "missing_parents": len(found.missing_parents),
        "inconsistent_runs": len(found.inconsistent),
    }
    return finding_of_differences(problems, good=f"All {found.runs:,} runs fit together.", numbers=numbers)


def find_pending_runs(folder: DayFolder) -> Finding:
    """Whether every run was finished when the day was fetched."""
    pending = folder.summary.counts.pending_runs
    if not pending:
        return Finding(Verdict(True, "Every run was finished."), {"pending_runs": 0})
    why = f"{pending:,} runs were unfinished when the day was fetched. Materialize `raw_runs` again later."
    return Finding(Verdict(False, why), {"pending_runs": pending})


def find_missing_attachments(folder: DayFolder) -> Finding:
    """Whether everything that runs name could be downloaded."""
    lost = folder.summary.missing_attachments
    numbers = {"attachments": folder.summary.counts.attachments, "missing": len(lost)}
    named = [f"{one.name!r} of run {one.run_id}: {one.why}" for one in lost]
    good = f"All {folder.summary.counts.attachments:,} attachments that runs name are there."
    return finding_of_differences(named, good=good, numbers=numbers)


def finding_of_differences(differences: list[str], *, good: str, numbers: Numbers) -> Finding:
    """Good when there are none; else the first few of them and how many more."""
    numbers = {**numbers, "differences": len(differences)}
    if not differences:
        return Finding(Verdict(True, good), numbers)
    more = f" ... and {len(differences) - _EXAMPLES:,} more" if len(differences) > _EXAMPLES else ""
    return Finding(Verdict(False, "; ".join(differences[:_EXAMPLES]) + more), numbers)
