"""Whether a day that was fetched again is the day that is there: then it, its zip and its copy can stay.

LangSmith signs the addresses of attachments and offloaded fields anew for each answer. They have expired
within hours and say nothing about the day; what they lead to is compared by its hash.
"""

import msgspec
from msgspec.structs import replace

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import is_trace_file_name
from lse_dagster.day.overwrite.loss import unsigned
from lse_dagster.day.trace_file import TraceFile, read_trace_file


def says_the_same(old: DayFolder, new: DayFolder) -> bool:
    """Whether two days differ in nothing but when they were fetched and in signed addresses.

    Of files with equal hashes in the summaries nothing is read. Raises `OSError` for one that cannot be read,
    `msgspec.MsgspecError` and `UnicodeDecodeError` for one that is no trace.
    """
    ours, theirs = old.summary, new.summary
    when = {"fetched_at": theirs.fetched_at, "asked": theirs.asked}
    if replace(ours, **when, files=theirs.files, sha256=theirs.sha256) != theirs:
        return False
    if len(ours.files) != len(theirs.files):
        return False
    pairs = zip(ours.files.items(), theirs.files.items(), strict=True)
    return all(
        name == other and (one == another or _same_file(old, new, name))
        for (name, one), (other, another) in pairs
    )


def _same_file(old: DayFolder, new: DayFolder, name: str) -> bool:
    if not is_trace_file_name(name):
        return False
    one, other = read_trace_file(old.path / name), read_trace_file(new.path / name)
    return _without_runs(one) == _without_runs(other) and _same_runs(one.runs, other.runs)


def _without_runs(trace: TraceFile) -> TraceFile:
    return replace(trace, runs=[])


def _same_runs(some: list[msgspec.Raw], others: list[msgspec.Raw]) -> bool:
    if len(some) != len(others):
        return False
    pairs = ((bytes(one), bytes(other)) for one, other in zip(some, others, strict=True))
    return all(one == other or unsigned(one) == unsigned(other) for one, other in pairs)
