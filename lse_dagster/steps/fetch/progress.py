"""The progress of a fetch, as one stream of events: Dagster logs it, the command line draws it."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta

from lse_dagster.langsmith.transport import Transport
from lse_dagster.steps.fetch.attachments import DownloadTraffic
from lse_dagster.steps.fetch.job import RunIntake
from lse_dagster.steps.fetch.ranges import RangeBoard

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Traffic(DownloadTraffic):
    """What a fetch has taken so far, with its attachments and pauses."""

    seconds_waited: float


@dataclass(frozen=True)
class FetchProgress(Traffic):
    """How far a fetch has come. `share` (0 to 1) is the part of the day whose runs have come."""

    runs: int
    share: float


class ProgressReporter:
    """Makes the events of one fetch; its workers report here, one at a time."""

    def __init__(
        self, transport: Transport, intake: RunIntake, on_progress: Callable[[FetchProgress], None] | None
    ) -> None:
        self._transport = transport
        self._intake = intake
        self._on_progress = on_progress
        self._lock = threading.Lock()

    def report(self, board: RangeBoard) -> None:
        """Something arrived."""
        if self._on_progress is None:
            return
        with self._lock:
            runs, share = len(self._intake.writer), 1 - board.time_left / _DAY
            self._on_progress(FetchProgress(runs=runs, share=share, **asdict(self.traffic())))

    def traffic(self) -> Traffic:
        """What the fetch has taken so far."""
        asked, downloaded = self._transport.counters, self._intake.downloads.traffic
        return Traffic(
            bytes=asked.bytes + downloaded.bytes,
            requests=asked.requests + downloaded.requests,
            retries=asked.retries + downloaded.retries,
            seconds_waited=asked.seconds_waited,
        )
