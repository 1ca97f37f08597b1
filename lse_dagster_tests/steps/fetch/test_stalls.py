"""A LangSmith that takes a request and does not answer: who wants to stop need not wait for it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import FrameType

import pytest

from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.errors import Cancelled, Unauthorized
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.worlds.attached_runs import BLOBS, Source
from lse_dagster_tests.worlds.langsmith import TracedProject

DAY = date(2025, 8, 29)
QUERY = "/api/v2/runs/query"
STALL = 240.0
SOON = STALL / 2
AGAIN = 2.0

STALLS = {
    "its version": "/info$",
    "the project": "/api/v1/sessions",
    "a page of runs": QUERY,
    "the count": "/runs/stats$",
    "an attachment": BLOBS,
}


@contextmanager
def interrupted_when_stalled(control: ControlClient) -> Iterator[None]:
    """Ctrl+C as soon as the server has taken the request that it does not answer.

    Again, as a person would, until Python has seen it: one that comes just before the main thread blocks is
    seen when the thread wakes, and the next one wakes it.
    """
    seen = threading.Event()

    def see(number: int, frame: FrameType | None) -> None:
        seen.set()
        signal.default_int_handler(number, frame)

    def press() -> None:
        while control.faults():
            time.sleep(0.01)
        while not seen.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            seen.wait(AGAIN)

    finger = threading.Thread(target=press)
    previous = signal.signal(signal.SIGINT, see)
    finger.start()
    try:
        yield
    finally:
        seen.set()  # whatever ended the block
        finger.join()
        signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize("path", STALLS.values(), ids=STALLS.keys())
def test_ctrl_c_ends_a_fetch_at_once_whatever_it_waits_for(
    path: str,
    source: Source,
    connect: Callable[..., Transport],
    langsmith_sandbox: ControlClient,
    tmp_path: Path,
) -> None:
    run_id = source.trace({"image": b"pixels"})
    store, name = DayStore(tmp_path), source.project.name
    langsmith_sandbox.fault(path=path, delay=STALL)
    began = time.monotonic()

    with pytest.raises(KeyboardInterrupt), interrupted_when_stalled(langsmith_sandbox):
        fetch_day(connect(), store, name, DAY)

    while {"fetch", "info", "scan", "attachment", "count"} & {
        name_of(thread) for thread in threading.enumerate()
    }:
        assert time.monotonic() - began < SOON
        time.sleep(0.01)
    assert time.monotonic() - began < SOON
    assert store.find(name, DAY) is None
    langsmith_sandbox.clear()
    assert run_id in store.publish(fetch_day(connect(), store, name, DAY).staged, "never").day.run_ids()


def name_of(thread: threading.Thread) -> str:
    """Without the number that a pool adds."""
    return thread.name.split("_")[0]


def test_a_final_error_does_not_wait_for_the_answers_to_other_requests(
    project: TracedProject,
    connect: Callable[..., Transport],
    langsmith_sandbox: ControlClient,
    tmp_path: Path,
) -> None:
    langsmith_sandbox.fault(path=QUERY, delay=STALL, times=3)
    langsmith_sandbox.fault(path=QUERY, status=401)
    began = time.monotonic()

    with pytest.raises(Unauthorized):
        fetch_day(connect(), DayStore(tmp_path), project.name, DAY)

    assert time.monotonic() - began < SOON


def test_a_cancelled_transport_sends_nothing_more_and_one_with_its_own_end_goes_on(
    project: TracedProject, connect: Callable[..., Transport]
) -> None:
    outer = connect()
    with outer.with_its_own_end() as inner:
        inner.get("/api/v1/info", bytes, params={})
        inner.cancel()
        with pytest.raises(Cancelled):
            inner.get("/api/v1/info", bytes, params={})
        sent = inner.counters.requests

    assert outer.get("/api/v1/info", bytes, params={})
    assert outer.counters.requests == sent + 1
