"""Telling Dagster's runs that work from those whose process was killed.

A process that is killed outright cannot say so: its run would stay "started" and hold its place in the pools,
and every later one would wait for it. Each run holds a lock that ends with its process; the next command on
this machine ends the runs whose lock is free.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    import dagster as dg

STARTED_BY: Final = {"lse/started_by": "lse"}
"""The tag of all runs that a command did itself, in its own process."""

_FOLDER = "lse_runs"
_KILLED = "The process of `lse` that did this run was killed."


@contextmanager
def living(home: Path, run_id: str) -> Iterator[None]:
    """Hold the lock of a run as long as it runs."""
    path = _lock_path(home, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def end_killed_runs(instance: "dg.DagsterInstance", home: Path) -> None:
    """Let Dagster know that runs whose process is gone have failed, and free their places in the pools.

    A run without a lock here may live on another machine, so it is left alone.
    """
    import dagster as dg

    in_progress = [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    for run in instance.get_runs(dg.RunsFilter(tags=STARTED_BY, statuses=in_progress)):
        path = _lock_path(home, run.run_id)
        if not path.exists():
            continue
        try:
            with FileLock(path, timeout=0):
                instance.report_run_failed(run, _KILLED)
                instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
                path.unlink(missing_ok=True)
        except Timeout:
            continue


def _lock_path(home: Path, run_id: str) -> Path:
    return home / _FOLDER / f"{run_id}.lock"
