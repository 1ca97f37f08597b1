"""One row of the result: what a client measured of itself, beside what the server saw of it."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.control import Counters, DayFacts, ServerControl
from benchmarks.job import Job, Outcome
from benchmarks.measured import run_job

CLIENTS = {
    "bare": "bare client: the bytes to disk",
    "ours": "ours",
    "ours-us": "ours, paced for LangSmith Cloud (US)",
    "v2-1000": "SDK `runs.query`, page_size=1000",
    "v2-100": "SDK `runs.query`, default page",
    "v1": "SDK `list_runs` (v1)",
    "per-trace": "SDK v1, one request a trace",
}
REPEATED = {"bare": 3, "ours": 3}
"""How often a client runs, if more than once: these two, whose small CPU figures make a ratio."""


@dataclass(frozen=True)
class Measurement:
    """One client on one day at one latency. Repeated: median time, least CPU, highest peak of memory."""

    client: str
    day: DayFacts
    latency_ms: int
    outcome: Outcome
    counters: Counters

    @property
    def is_sample(self) -> bool:
        """Whether the client stopped before the end of the day."""
        return self.outcome.runs < self.day.runs

    @property
    def rate(self) -> float:
        """Runs per second."""
        return self.outcome.runs / self.outcome.seconds

    @property
    def cpu_per_1000(self) -> float:
        """CPU seconds of the client for 1,000 runs."""
        return self.outcome.cpu_seconds / self.outcome.runs * 1000


def measure(
    control: ServerControl, client: str, day: DayFacts, *, latency_ms: int, scratch: Path, repeats: int
) -> Measurement:
    """Run a client, in a fresh process for each repetition. Raises `CalledProcessError` if it fails."""
    outcomes = []
    for _ in range(repeats):
        os.sync()  # nobody pays for what another one left to be written
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            job = Job(client, control.url, day.name, day.project_id, day.runs, folder)
            control.start(latency_ms)
            outcomes.append(run_job(job))
            counters = control.counters()
    return Measurement(client, day, latency_ms, _together(outcomes), counters)


def _together(outcomes: list[Outcome]) -> Outcome:
    return Outcome(
        runs=outcomes[0].runs,
        seconds=median(each.seconds for each in outcomes),
        cpu_seconds=min(each.cpu_seconds for each in outcomes),
        peak_bytes=max(each.peak_bytes for each in outcomes),
    )


HEADER = (
    "| client | runs/s | MB/s | requests | MB received | peak MB | CPU s/1,000 | server CPU s/1,000 |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def row(one: Measurement) -> str:
    """The measurement as a row of the table."""
    name = CLIENTS[one.client]
    if one.is_sample:
        name += f" (sample: {one.outcome.runs:,} runs)"
    megabytes = one.counters.bytes / 1e6
    cells: Iterable[str] = (
        name,
        f"{one.rate:,.0f}",
        f"{megabytes / one.outcome.seconds:,.1f}",
        f"{one.counters.requests:,}",
        f"{megabytes:,.0f}",
        f"{one.outcome.peak_bytes / 1e6:,.0f}",
        f"{one.cpu_per_1000:.3f}",
        f"{one.counters.cpu_seconds / one.outcome.runs * 1000:.3f}",
    )
    return "| " + " | ".join(cells) + " |"
