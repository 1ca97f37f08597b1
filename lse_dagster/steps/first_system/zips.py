"""Restoring a day from a zip of the first system: as foreign as any zip, and with no hash to compare with."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from lse_dagster.day.foreign import is_foreign_file
from lse_dagster.day.names import SUMMARY
from lse_dagster.day.staging import StagedDay, Staging
from lse_dagster.day.zip.directory import Member, ZipDirectory
from lse_dagster.day.zip.file import read_summary
from lse_dagster.day.zip.member import read_whole
from lse_dagster.day.zip.threads import batches, in_order, worker_threads
from lse_dagster.day.zip.writer import OnProgress
from lse_dagster.run.identity import InvalidRun
from lse_dagster.steps.first_system.files import FirstSystemRun, is_run_file_name, read_run_file, stage_runs

_LARGEST_RUN: Final = 512 << 20


def is_first_system_zip(archive: ZipDirectory) -> bool:
    """Whether a zip holds run files of the first system. Raises `BrokenZip`, `DiskError`."""
    return any(is_run_file_name(member.name) for member in archive.members())


def stage_first_system_zip(
    archive: ZipDirectory,
    staging: Staging,
    *,
    on_progress: OnProgress | None = None,
    leave_out_others: bool = False,
) -> StagedDay:
    """A day of ours from a zip of the first system, marked as unverified; every CRC is checked.

    Nothing is written for a zip that is hostile. `on_progress` is told the files done and the files in all.
    Raises `BrokenZip`, `RunsOfOtherDays`, `DiskError`; the staging is then the caller's to discard.
    """
    names = Counter(member.name for member in archive.members())
    for why in _compare_directory(archive, names):
        raise archive.broken(why)
    try:
        original = None
        if SUMMARY in names:
            original = b"".join(read_summary(archive)).decode("utf-8", "backslashreplace")
        return stage_runs(
            staging,
            _runs(archive, on_progress),
            original_summary=original,
            leave_out_others=leave_out_others,
        )
    except InvalidRun as error:
        raise archive.broken(str(error)) from error


def first_system_runs(archive: ZipDirectory) -> Iterator[FirstSystemRun]:
    """Every run of such a zip, its CRC checked. Raises `BrokenZip`, `DiskError`."""
    try:
        yield from _runs(archive, None)
    except InvalidRun as error:
        raise archive.broken(str(error)) from error


def _compare_directory(archive: ZipDirectory, names: Counter[str]) -> Iterator[str]:
    yield from (f"{name!r} is there {count} times" for name, count in sorted(names.items()) if count > 1)
    yield from (
        f"{name!r} is no file of the first system"
        for name in sorted(names)
        if not is_run_file_name(name) and name != SUMMARY and not is_foreign_file(name)
    )
    for member in archive.members():
        if member.size > _LARGEST_RUN:
            yield f"{member.name!r} claims {member.size:,} bytes"
    yield from archive.check()


def _runs(archive: ZipDirectory, on_progress: OnProgress | None) -> Iterator[FirstSystemRun]:
    def read(members: list[Member]) -> list[FirstSystemRun]:
        return [read_run_file(member.name, read_whole(archive, member)) for member in members]

    def members() -> Iterator[Member]:
        return (one for one in archive.members() if one.name != SUMMARY and not is_foreign_file(one.name))

    done = len(archive) - sum(1 for _ in members())
    with worker_threads() as threads:
        for runs in in_order(threads, read, batches(members(), lambda member: member.size)):
            yield from runs
            done += len(runs)
            if on_progress is not None:
                on_progress(done, len(archive))
