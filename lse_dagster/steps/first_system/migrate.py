"""Bringing the data directory of the first system over: its runs, filed by fetch date, into days of ours.

The old files are only read. What our days hold already is never replaced by less: a day that we fetched
ourselves has LangSmith's own bytes and count, so it stays, and what only the old files have is reported.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal

import msgspec

from lse_dagster.advice import lse_command
from lse_dagster.day.disk import remove_abandoned, scratch_folder
from lse_dagster.day.errors import DiskError, OverwriteRefused
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.identity import scan
from lse_dagster.day.names import SUMMARY, project_path_part
from lse_dagster.day.staging import DecidedDay, SameDay, StagedDay
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.errors import ArchiveError
from lse_dagster.run.identity import InvalidRun, RunIdentity, trace_start
from lse_dagster.run.times import date_of_key
from lse_dagster.steps.examination.completeness import examine_traces
from lse_dagster.steps.first_system.files import FirstSystemRun, is_run_file_name, read_run_file, stage_runs

_SCRATCH: Final = ".migrate-"

Result = Literal["written", "unchanged", "kept"]
"""`unchanged`: the same day is there. `kept`: the day that is there stays, as it is worth more."""


class NoOldData(ArchiveError):
    """There is nothing of the first system where one was told to look."""


class OldDataInTheWay(ArchiveError):
    """The old files lie where days of ours would go."""


class OldDataChanged(ArchiveError):
    """An old file is not what it was when the migration was planned."""


@dataclass(frozen=True)
class Unusable:
    """An old file that cannot be brought over, and why."""

    path: Path
    why: str


@dataclass(frozen=True)
class Plan:
    """Which files hold the runs of which day; `unusable` are those that hold none, or are missing."""

    project: str
    files: dict[date, list[Path]]
    unusable: tuple[Unusable, ...]
    runs: int
    """How many different runs they hold. Each started in one day; a file may be read for two."""


@dataclass(frozen=True)
class Migrated:
    """What became of one day. Counts are of runs."""

    day: date
    result: Result
    runs: int
    traces: int
    missing_parents: int
    """Runs whose parent is not there: the old system did not fetch it."""
    only_old: int = 0
    """Runs that the old files have and the kept day lacks."""
    why: str = ""


def plan_migration(source: Path, store: DayStore, project: str) -> Plan:
    """Read every old run file once, to see where it belongs.

    `source` holds a folder per project. Raises `NoOldData`, `OldDataInTheWay`.
    """
    folder = next(
        (path for path in (source / project, source / project_path_part(project)) if path.is_dir()), None
    )
    folders = list(_fetch_folders(folder)) if folder is not None else []
    if not folders:
        raise NoOldData(
            f"Looking for data of the first system of {project!r}",
            f"{source.absolute() / project} holds no folder of run files.",
            "Name its data directory, the one that holds the projects: "
            f"{lse_command('migrate --from DIR', project)}",
        )
    if (store.root / project_path_part(project)).resolve() == folders[0].parent.resolve():
        raise _in_the_way(project, folders)
    scan = _Scan(project)
    for fetched in folders:
        scan.read(fetched)
    scan.compare_with_summaries(folders)
    scan.sort()
    return Plan(project, dict(sorted(scan.files.items())), tuple(scan.unusable), scan.runs)


def migrate_day(
    plan: Plan,
    store: DayStore,
    day: date,
    *,
    allow: Callable[[StagedDay], StagedDay | DecidedDay] = lambda staged: staged,
    dry_run: bool = False,
) -> Migrated:
    """Make a day of ours from its old files, and put it in its place if that loses nothing.

    A dry run makes it as well, in a scratch folder: only so are its numbers those of the real one.
    `allow` knows the other places where the day may lie, and raises `OverwriteRefused`. Raises `DayIsBusy`,
    `DiskError`, `OldDataChanged`.
    """
    try:
        existing = store.find(plan.project, day)
    except InvalidSummary:
        existing = None  # it is set aside
    with _desk(store, dry_run=dry_run) as desk, desk.stage(plan.project, day) as staging:
        staged = stage_runs(staging, _runs(plan, day))
        found = examine_traces(staged.day)
        result, only_old, why = _settle(store, staged, existing, allow, dry_run=dry_run)
        if dry_run or result != "written":
            staging.discard()
    counts = staged.day.summary.counts
    return Migrated(
        day=day,
        result=result,
        runs=counts.runs_started_in_day,
        traces=counts.traces,
        missing_parents=len(found.missing_parents),
        only_old=only_old,
        why=why,
    )


@contextmanager
def _desk(store: DayStore, *, dry_run: bool) -> Iterator[DayStore]:
    """Where a day is made: beside its place, or where an interrupted fetch of it is not disturbed."""
    if not dry_run:
        yield store
        return
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        remove_abandoned(store.root, _SCRATCH)
        with scratch_folder(store.root, _SCRATCH) as folder:
            yield DayStore(folder)
    except OSError as error:
        raise DiskError("Trying the migration of a day", error) from error


def _settle(
    store: DayStore,
    staged: StagedDay,
    existing: DayFolder | None,
    allow: Callable[[StagedDay], StagedDay | DecidedDay],
    *,
    dry_run: bool,
) -> tuple[Result, int, str]:
    """Publish the staged day, or say why not and how many runs only it has."""
    only_old = 0
    if existing is not None:
        if existing.summary.sha256 == staged.day.summary.sha256:
            return "unchanged", 0, ""
        only_old = len(staged.day.run_ids() - existing.run_ids())
        if existing.summary.unverified is None and existing.summary.files:
            return "kept", only_old, "The day that is there was fetched by this system."
    try:
        allowed = allow(staged)
        decided = store.decided(allowed, "superset") if isinstance(allowed, StagedDay) else allowed
        if isinstance(decided, SameDay):
            return "unchanged", 0, ""
        if not dry_run:
            store.publish(decided, "superset")
    except OverwriteRefused as error:
        return "kept", only_old, error.why
    return "written", 0, ""


class _Scan:
    """Sorts old run files by the days that their runs belong to."""

    def __init__(self, project: str) -> None:
        self.files: defaultdict[date, list[Path]] = defaultdict(list)
        self.unusable: list[Unusable] = []
        self._project = project
        self._seen: set[str] = set()
        self._traces: defaultdict[str, list[tuple[Path, RunIdentity]]] = defaultdict(list)

    def read(self, folder: Path) -> None:
        """Take the files of one fetch date."""
        for name in sorted(path.name for path in folder.iterdir()):
            self._seen.add(name)
            if is_run_file_name(name):
                self._read_file(folder / name)
            elif name != SUMMARY:
                self.unusable.append(Unusable(folder / name, "not a run file"))

    def compare_with_summaries(self, folders: Iterable[Path]) -> None:
        """What a summary names may lie in any folder: the later form filed runs by their date."""
        for folder in folders:
            for name in sorted(_promised(folder) - self._seen):
                self.unusable.append(Unusable(folder / name, f"named in {SUMMARY}, and in no folder"))

    def _read_file(self, path: Path) -> None:
        try:
            run = read_run_file(path.name, path.read_bytes())
        except (InvalidRun, OSError) as error:
            self.unusable.append(Unusable(path, str(error)))
            return
        if run.project not in {None, self._project}:
            self.unusable.append(Unusable(path, f"of the project {run.project!r}"))
            return
        self._traces[run.identity.trace_id].append((path, run.identity))

    @property
    def runs(self) -> int:
        """How many different runs were read: one may lie in several files."""
        return len({identity.id for runs in self._traces.values() for _, identity in runs})

    def sort(self) -> None:
        """Each file to the day on which its run started, and to that on which its trace began, which holds
        the whole trace."""
        for runs in self._traces.values():
            began = trace_start((run.is_root, run.start, run.trace_start) for _, run in runs)
            for path, run in runs:
                for day in {run.start.date(), min(run.start, began).date()}:
                    self.files[day].append(path)
        for paths in self.files.values():
            paths.sort()


def _runs(plan: Plan, day: date) -> Iterator[FirstSystemRun]:
    for path in plan.files[day]:
        try:
            yield read_run_file(path.name, path.read_bytes())
        except (InvalidRun, OSError) as error:
            raise OldDataChanged(
                f"Bringing over the day {day} of {plan.project!r}",
                f"{path} could be read a moment ago, and no more: {error}",
                f"Let whatever writes there finish, then run `{lse_command('migrate', plan.project)}` again.",
            ) from error


def _fetch_folders(folder: Path) -> Iterator[Path]:
    for _, path in sorted(scan(folder, date_of_key, os.DirEntry.is_dir)):
        if any(is_run_file_name(entry.name) for entry in path.iterdir()):
            yield path


class _OldSummary(msgspec.Struct):
    files: list[str] = []


def _promised(folder: Path) -> set[str]:
    """The files that the old summary of a fetch names; none where it says nothing."""
    try:
        return set(msgspec.json.decode((folder / SUMMARY).read_bytes(), type=_OldSummary).files)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return set()


def _in_the_way(project: str, folders: list[Path]) -> OldDataInTheWay:
    there = folders[0].parent
    aside = there.parent.with_name(f"{there.parent.name}-first-system") / there.name
    moved = folders[0] if len(folders) == 1 else f"{{{','.join(path.name for path in folders)}}}"
    where = moved if isinstance(moved, Path) else f"{there}/{moved}"
    return OldDataInTheWay(
        f"Bringing over the data of the first system in {there}",
        f"{len(folders):,} of its folders lie where days of this system go, for example {folders[0].name}.",
        f"mkdir -p {aside} && mv {where} {aside}/ && "
        f"{lse_command(f'migrate --from {aside.parent}', project)}",
    )
