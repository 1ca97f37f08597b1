"""Telling runs that work from those whose process was killed, whoever started them.

A process that is killed outright cannot say so: its run would stay "started" and keep its place in a pool,
and every later one would wait for it. So each run holds a lock that the kernel ends with its process, and
says in its tags where that is. A lock means something only there: on the same machine, also after that was
started again, or under the same kernel, in another container that sees the same Dagster home. About all other
runs nothing is known here; their own host finds them, or their launcher.
"""

import atexit
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

import dagster as dg
from filelock import FileLock, Timeout

HOST_TAG: Final = "lse/host"
KERNEL_TAG: Final = "lse/kernel"
PID_TAG: Final = "lse/pid"

State = Literal["works", "killed", "unknown"]

_FOLDER = "lse_runs"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Of Linux: the same in all containers of a machine, another one after each start."""


def place_tags(pid: int) -> dict[str, str]:
    """The tags of a run that says where it works."""
    return {HOST_TAG: platform.node(), KERNEL_TAG: _kernel(), PID_TAG: str(pid)}


@contextmanager
def living(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold the lock of a run in the block. Only then may the run have its `place_tags`."""
    lock = _acquired(instance, run_id)
    try:
        yield
    finally:
        _let_go(lock)


def live_until_this_process_ends(instance: dg.DagsterInstance, run_id: str, pid: int) -> None:
    """Hold the lock of a run that exists, and tag it. In a home that cannot be written it stays unknown."""
    with suppress(OSError):
        atexit.register(_let_go, _acquired(instance, run_id))
        instance.add_run_tags(run_id, place_tags(pid))


def state_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> State:
    """Whether the process of a run that has not ended works."""
    path = _lock_path(instance, run.run_id)
    if not _is_of_here(run.tags) or not path.exists():
        return "unknown"
    try:
        with FileLock(path, timeout=0):
            return "killed"
    except Timeout:
        return "works"
    except OSError:
        return "unknown"


def why_killed(run: dg.DagsterRun) -> str:
    """What is said of a killed run."""
    pid, host = run.tags.get(PID_TAG), run.tags.get(HOST_TAG)
    return f"The process that did this run, {pid} on {host}, was killed, or its machine went down."


def end_killed_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """End the runs whose process is gone, and free their places in the pools; those that were ended."""
    ended = []
    for path in _folder(instance).glob("*.lock"):
        try:
            with FileLock(path, timeout=0):
                run = instance.get_run_by_id(path.stem)
                if run is not None and not run.is_finished and not _is_of_here(run.tags):
                    continue
                if run is not None:
                    if not run.is_finished:
                        _end(instance, run)
                        ended.append(run)
                    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
                path.unlink(missing_ok=True)
        except (Timeout, OSError):
            continue  # it works, or a lock of somebody else's
    return ended


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    if run.status is dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, why_killed(run))
    else:
        instance.report_run_failed(run, why_killed(run))


def _is_of_here(tags: Mapping[str, str]) -> bool:
    """Whether the lock of a run with these tags means something here."""
    same_kernel = bool(_kernel()) and tags.get(KERNEL_TAG) == _kernel()
    return same_kernel or tags.get(HOST_TAG) == platform.node()


def _kernel() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _acquired(instance: dg.DagsterInstance, run_id: str) -> FileLock:
    path = _lock_path(instance, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, thread_local=False)
    lock.acquire()
    return lock


def _let_go(lock: FileLock) -> None:
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / _FOLDER


def _lock_path(instance: dg.DagsterInstance, run_id: str) -> Path:
    return _folder(instance) / f"{run_id}.lock"
