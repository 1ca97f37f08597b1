"""Waiting for a place in a pool: whoever waits ends runs that were killed, and says for which run it waits.

Dagster only says that a step is blocked. A thread looks, while the step's own sleeps until the place is free.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from lse_dagster.defs.dagster_internals import ConcurrencyKeyInfo
from lse_dagster.defs.running.living_runs import HOST_TAG, PID_TAG, end_killed_runs, state_of, why_killed

_SECONDS_BETWEEN_LOOKS: Final = 5.0
_SECONDS_UNTIL_FREED: Final = 60.0
"""After a run has ended. Dagster's daemon does it by `free_slots_after_run_end_seconds`, where it runs."""
_SHOWN: Final = 8

Say = Callable[[str], object]
"""Told in words, from another thread."""


def is_wait_for_a_pool(event: dg.DagsterEvent) -> bool:
    """Whether an event says that a step waits for a place in a pool."""
    return event.event_type is dg.DagsterEventType.ENGINE_EVENT and "pool" in event.engine_event_data.metadata


class PoolWait:
    """The wait of one run. It may begin and end more than once."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str, say: Say) -> None:
        self._instance = instance
        self._run_id = run_id
        self._say = say
        self._over: threading.Event | None = None
        self._said: set[str] = set()

    def begin(self) -> None:
        """A step waits: look until `end`."""
        if self._over is None:
            self._over = threading.Event()
            threading.Thread(target=self._watch, args=(self._over,), daemon=True).start()

    def end(self) -> None:
        """Nobody waits any longer."""
        if self._over is not None:
            self._over.set()
            self._over = None

    def _watch(self, over: threading.Event) -> None:
        while not over.is_set():
            self._look()
            over.wait(_SECONDS_BETWEEN_LOOKS)

    def _look(self) -> None:
        for run in end_killed_runs(self._instance):
            self._say_once(f"Run {_name(run)} no longer keeps its place in a pool. {why_killed(run)}")
        waited_for = list(self._waited_for())
        for info in waited_for:
            if info.limit == 0:
                self._say_once(describe_closed(info.concurrency_key))
        for pool, run_id in _holders(waited_for):
            record = self._instance.get_run_record_by_id(run_id)
            if record is None or _ended_long_ago(record):
                self._instance.event_log_storage.free_concurrency_slots_for_run(run_id)
            elif not record.dagster_run.is_finished:
                self._say_once(describe_holder(self._instance, record, pool))

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)

    def _waited_for(self) -> Iterator[ConcurrencyKeyInfo]:
        """The pools in which the run waits."""
        storage = self._instance.event_log_storage
        for pool in storage.get_concurrency_keys():
            info = storage.get_concurrency_info(pool)
            if self._run_id in info.pending_run_ids:
                yield info


@contextmanager
def told_while_waiting(instance: dg.DagsterInstance, run_id: str, say: Say) -> Iterator[PoolWait]:
    """A wait that is over at the end of the block, whatever happens in it."""
    wait = PoolWait(instance, run_id, say)
    try:
        yield wait
    finally:
        wait.end()


def describe_closed(pool: str) -> str:
    """What is said of a pool without any place, which somebody has set so."""
    return (
        f"The pool {pool} is closed: its limit is 0, and nothing in it begins. "
        f"To open it: dagster instance concurrency set {pool} 1"
    )


def describe_holder(instance: dg.DagsterInstance, record: dg.RunRecord, pool: str) -> str:
    """Which run has a place in the pool, where it works, and how to end it."""
    run = record.dagster_run
    host, pid = run.tags.get(HOST_TAG), run.tags.get(PID_TAG)
    since = "" if record.start_time is None else f" since {_utc(record.start_time)}"
    ui = f"in the UI (lse dev) open /runs/{run.run_id}: Terminate"
    if state_of(instance, run) == "works":
        where = f"process {pid} on {host}"
        how = f"It works; to end it all the same: kill {pid} there, or {ui}."
    else:
        where = f"process {pid} on {host}" if host else "a process that did not say where it is"
        how = (
            "From here nobody can see whether it still works. If it does not, "
            f"{ui} > Force termination; its place is free a minute later."
        )
    return f"Waits for run {_name(run)}, which has the place in the pool {pool}{since}: {where}. {how}"


def _holders(pools: "Iterable[ConcurrencyKeyInfo]") -> Iterator[tuple[str, str]]:
    """Each pool with each run that has a place in it."""
    for info in pools:
        for run_id in sorted(info.active_run_ids | info.assigned_run_ids):
            yield info.concurrency_key, run_id


def _ended_long_ago(record: dg.RunRecord) -> bool:
    ended = record.end_time
    return record.dagster_run.is_finished and (ended is None or ended + _SECONDS_UNTIL_FREED < time.time())


def _name(run: dg.DagsterRun) -> str:
    day = run.tags.get("dagster/partition")
    return f"{run.run_id[:_SHOWN]} ({run.job_name}{f', {day}' if day else ''})"


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
