"""One reading of a day's files for all that is asked of them: hashes, counts, whole traces.

A trace is counted in the very bytes that were compared with their hash. One trace is in memory at a time.
"""

import hashlib
from dataclasses import dataclass

import msgspec

from lse_dagster.day.folder import DayFolder, file_sha256
from lse_dagster.day.names import is_trace_file_name
from lse_dagster.day.overwrite.withdrawal import Withdrawal
from lse_dagster.day.run_names import is_unfiled_file_name
from lse_dagster.day.summary import Counts
from lse_dagster.day.trace_file import decode_trace
from lse_dagster.run.identity import InvalidRun, read_identity
from lse_dagster.run.tally import Tally
from lse_dagster.steps.examination.census import Census
from lse_dagster.steps.examination.completeness import Completeness, TraceExamination
from lse_dagster.steps.examination.feedback import FeedbackExamination, FeedbackFound


@dataclass(frozen=True)
class Examination:
    """What the files of a day hold, whatever its summary says of them."""

    counts: Counts
    tally: Tally
    traces: Completeness
    feedback: FeedbackFound
    withdrawal: Withdrawal
    differences: list[str]
    """What the summary says otherwise: of hashes, then of counts, projects and dates."""
    foreign: list[str]
    """Names of what lies there and is not of the day: no difference."""


def examine_day(day: DayFolder) -> Examination:
    """Read every file of a day once. Raises `BrokenDay` where one is missing or cannot be read."""
    foreign = day.verify_names()
    census, traces, feedback = Census(day), TraceExamination(day), FeedbackExamination(day.summary)
    withdrawal = Withdrawal(day.summary)
    changed = []
    for name, entry in day.summary.files.items():
        is_as_written = True
        try:
            if is_trace_file_name(name):
                content = (day.path / name).read_bytes()
                is_as_written = hashlib.sha256(content).hexdigest() == entry.sha256
                trace = decode_trace(content)
                runs = [read_identity(raw) for raw in trace.runs]
                census.add(name, trace, runs)
                traces.add(runs)
                feedback.add(trace, runs)
                withdrawal.add(trace)
            elif is_unfiled_file_name(name):
                content = (day.path / name).read_bytes()
                is_as_written = hashlib.sha256(content).hexdigest() == entry.sha256
                run = read_identity(content)
                census.add_unfiled(name, run)
                traces.add_unfiled(run)
            else:
                is_as_written = file_sha256(day.path / name) == entry.sha256
        except (OSError, InvalidRun, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise day.broken(
                f"{name} cannot be read: {error}" if is_as_written else _differs(name)
            ) from error
        if not is_as_written:
            changed.append(_differs(name))
    differences = changed + census.differences
    return Examination(
        census.counts,
        census.tally,
        traces.finish(),
        feedback.finish(),
        withdrawal,
        differences,
        foreign,
    )


def _differs(name: str) -> str:
    return f"{name} differs from its hash in the summary"
