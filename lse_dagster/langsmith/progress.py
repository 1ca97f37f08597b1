"""The progress of a fetch, as one stream of events: Dagster logs it, the command line draws it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from lse_dagster.day.writer import DayWriter
from lse_dagster.langsmith.ranges import RangeBoard
from lse_dagster.langsmith.transport import Transport

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class FetchProgress:
    """How far a fetch has come. `share` (0 to 1) is the part of the day whose runs have come."""

    runs: int
    share: float
    bytes: int
    requests: int
    retries: int
    seconds_waited: float


class Progress:
    """Makes the events of one fetch; its workers report here, one at a time."""

    def __init__(
        self,
        transport: Transport,
        writer: DayWriter,
        on_progress: Callable[[FetchProgress], None] | None,
    ) -> None:
        self._transport = transport
        self._writer = writer
        self._on_progress = on_progress
        self._lock = threading.Lock()

    def report(self, board: RangeBoard) -> None:
        """Something arrived."""
        if self._on_progress is None:
            return
        counters = self._transport.counters
        with self._lock:
            self._on_progress(
                FetchProgress(
                    runs=len(self._writer),
                    share=1 - board.time_left / _DAY,
                    bytes=counters.bytes,
                    requests=counters.requests,
                    retries=counters.retries,
                    seconds_waited=counters.seconds_waited,
                )
            )
