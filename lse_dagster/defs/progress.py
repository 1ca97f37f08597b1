"""How far a step has come, as one stream of events to one listener, and why it waits.

Dagster's listener writes a line to the run's log every few seconds; the `lse` command gives one that draws.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import dagster as dg

from lse_dagster.errors import ArchiveError, OnRetry
from lse_dagster.steps.fetch.progress import FetchProgress

Activity = Literal["zipping", "uploading", "downloading", "extracting"]

_SECONDS_BETWEEN_LOGS: Final = 5.0
_WORTH_A_LINE: Final = 5.0
_SECONDS_BETWEEN_LINES: Final = 30.0
_SECONDS_UNTIL_OVER: Final = 60.0
_IN_BYTES = frozenset({"uploading", "downloading"})


@dataclass(frozen=True)
class Amount:
    """How much of an activity is done: bytes of an upload or download, files of a zip or its extraction.

    `done` can go back, when a fault made bytes travel again.
    """

    activity: Activity
    done: int
    in_all: int

    @property
    def is_bytes(self) -> bool:
        """Whether the numbers are bytes; else files."""
        return self.activity in _IN_BYTES


ProgressEvent = FetchProgress | Amount
Listener = Callable[[ProgressEvent], None]
"""Called from any thread, one at a time for each activity; must return at once."""


class Progress(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Gives each step its listener. This one writes to the run's log now and then."""

    def listener(self, log: logging.Logger) -> Listener:
        """Who hears how far the step has come."""
        return said_now_and_then(log.info)


def heard_by(listener: Listener) -> Progress:
    """Progress that goes to one listener instead of the log, whichever step it comes from."""

    class Heard(Progress):
        def listener(self, log: logging.Logger) -> Listener:
            return listener

    return Heard()


def amounts(listener: Listener, activity: Activity) -> Callable[[int, int], None]:
    """The listener as `on_progress(done, in_all)`, which is what the rooms below know."""

    def on_progress(done: int, in_all: int) -> None:
        listener(Amount(activity, done, in_all))

    return on_progress


def said_now_and_then(
    say: Callable[[str], object], *, clock: Callable[[], float] = time.monotonic
) -> Listener:
    """A listener that says at most one line in five seconds, the first after as long."""
    last = clock()

    def listen(event: ProgressEvent) -> None:
        nonlocal last
        if clock() - last >= _SECONDS_BETWEEN_LOGS:
            last = clock()
            say(describe(event))

    return listen


def describe(event: ProgressEvent) -> str:
    """One line that says how far it has come."""
    if isinstance(event, FetchProgress):
        return (
            f"{event.runs:,} runs so far, {event.share:.0%} of the day, "
            f"{event.bytes / 1e6:,.1f} MB, {event.requests:,} requests, "
            f"{event.retries:,} retries, {event.seconds_waited:,.0f} s waited"
        )
    share = event.done / event.in_all if event.in_all else 1.0
    if event.is_bytes:
        return f"{event.activity} {event.done / 1e6:,.1f} of {event.in_all / 1e6:,.1f} MB ({share:.0%})"
    return f"{event.activity} {event.done:,} of {event.in_all:,} files ({share:.0%})"


def warn_of_retries(say: Callable[[str], object], *, clock: Callable[[], float] = time.monotonic) -> OnRetry:
    """Warns of trouble that has lasted five seconds, or will, and then again every half minute."""
    lock = threading.Lock()
    began = until = next_line = -math.inf

    def warn(error: ArchiveError, seconds: float) -> None:
        nonlocal began, until, next_line
        with lock:
            now = clock()
            if now > until + _SECONDS_UNTIL_OVER:
                began = now
            until = now + seconds
            if until - began < _WORTH_A_LINE or now < next_line:
                return
            next_line = now + _SECONDS_BETWEEN_LINES
        say(f"{error.what}: {error.why} Trying again in {max(1.0, seconds):,.0f} s.")

    return warn
