"""What the archive is held to, and whether the measurements hold it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from benchmarks.measurement import Measurement

LATENCY_MS = 100
"""The latency at which clients are compared."""
_FASTER_THAN_V2 = 5.0
_FASTER_THAN_V1 = 20.0
_MOST_CPU = 2.0
_MOST_BYTES = 200e6
_TAIL_QUERIES = 1


@dataclass(frozen=True)
class Target:
    """One target on one day."""

    text: str
    measured: str
    holds: bool


def check_speed(measurements: Sequence[Measurement]) -> Iterator[Target]:
    """The targets of each day that was measured at 100 ms."""
    for day in sorted({one.day.runs for one in measurements}):
        by_client = {
            one.client: one for one in measurements if one.day.runs == day and one.latency_ms == LATENCY_MS
        }
        if by_client:
            yield from _check_day(f"{day:,} runs, {LATENCY_MS} ms: ", by_client)


def _check_day(where: str, by_client: dict[str, Measurement]) -> Iterator[Target]:
    ours = by_client["ours"]
    v2 = max(by_client["v2-1000"].rate, by_client["v2-100"].rate)
    yield _at_least(where + "runs/s against the faster `runs.query` loop", ours.rate / v2, _FASTER_THAN_V2)
    yield _at_least(where + "runs/s against `list_runs`", ours.rate / by_client["v1"].rate, _FASTER_THAN_V1)
    cpu = ours.cpu_per_1000 / by_client["bare"].cpu_per_1000
    yield Target(f"{where}CPU against the bare client <= {_MOST_CPU:g}x", f"{cpu:.1f}x", cpu <= _MOST_CPU)
    yield _few_requests(where, ours)


def check_memory(measurements: Sequence[Measurement]) -> Iterator[Target]:
    """The target of each day that was given by its size."""
    for one in measurements:
        if one.client == "ours":
            peak = one.outcome.peak_bytes
            text = f"{one.day.bytes / 1e9:.1f} GB day: peak memory <= {_MOST_BYTES / 1e6:.0f} MB"
            yield Target(text, f"{peak / 1e6:.0f} MB", peak <= _MOST_BYTES)


def _at_least(text: str, ratio: float, least: float) -> Target:
    return Target(f"{text} >= {least:g}x", f"{ratio:.1f}x", ratio >= least)


def _few_requests(where: str, ours: Measurement) -> Target:
    """Page queries against the fewest possible with the largest page that was asked for."""
    counters = ours.counters
    workers = len(counters.connections)
    pages = ceil(ours.day.runs / counters.largest_page)
    most = int(1.1 * pages) + workers + _TAIL_QUERIES
    text = f"{where}page queries <= 1.1 x {pages} (of {counters.largest_page}) + {workers} workers + the tail"
    return Target(f"{text} = {most}", str(counters.queries), counters.queries <= most)


def print_targets(targets: Sequence[Target], say: Callable[[str], None] = print) -> bool:
    """Print all targets; whether every one holds."""
    if not targets:
        say("\nNo target applies: they need every client at 100 ms, or --bytes.")
        return True
    say("\n| target | measured | holds |\n| --- | ---: | --- |")
    for target in targets:
        say(f"| {target.text} | {target.measured} | {'yes' if target.holds else 'NO'} |")
    return all(target.holds for target in targets)
