"""Measure the fetch of a day beside other ways to do it, and say whether the targets hold.

Every client runs in a fresh process against one server, which has a process of its own. Prints one table for
each day and latency and the targets at the end; exits with 1 if one does not hold.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.control import DayFacts, ServerControl, running_server
from benchmarks.measurement import CLIENTS, HEADER, REPEATED, Measurement, measure, row
from benchmarks.self_check import check_server
from benchmarks.targets import LATENCY_MS, Target, check_memory, check_speed, print_targets

_DAYS = ["5361", "50000"]
_LATENCIES = [0, LATENCY_MS, 300]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fetch", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", action="store_true", help="5,361 runs at 0 and 100 ms only")
    mode.add_argument(
        "--bytes", nargs="+", metavar="SIZE", help="peak memory on days of these sizes: --bytes 1GB 4GB"
    )
    mode.add_argument(
        "--self-check", action="store_true", help="compare the runs that every client gets; measure nothing"
    )
    parser.add_argument("--runs", nargs="+", default=_DAYS, help="sizes of the days (default: 5361 50000)")
    parser.add_argument(
        "--latency", nargs="+", type=int, default=_LATENCIES, metavar="MS", help="default: 0 100 300"
    )
    parser.add_argument(
        "--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS), help="default: all; targets need all"
    )
    parser.add_argument(
        "--scratch", type=Path, default=Path(tempfile.gettempdir()), help="where the clients write"
    )
    options = parser.parse_args()
    if options.self_check:
        sys.exit(_self_check())
    busy = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores; load before the start: {busy:.1f}" + (" (BUSY)" if busy > 0.5 else ""))
    if options.bytes:
        targets = _measure_memory(options.bytes, options.scratch)
    else:
        days, latencies = (_DAYS[:1], _LATENCIES[:2]) if options.quick else (options.runs, options.latency)
        targets = _measure_speed(days, latencies, options.clients, options.scratch)
    sys.exit(0 if print_targets(targets) else 1)


def _measure_speed(
    days: Sequence[str], latencies: Sequence[int], clients: Sequence[str], scratch: Path
) -> list[Target]:
    measurements: list[Measurement] = []
    with running_server(days) as control:
        for day in control.days():
            for latency_ms in latencies:
                repeats = {client: REPEATED.get(client, 1) for client in clients}
                measurements += _table(control, day, latency_ms, repeats, scratch)
    return list(check_speed(measurements)) if set(clients) == set(CLIENTS) else []


def _measure_memory(sizes: Sequence[str], scratch: Path) -> list[Target]:
    measurements: list[Measurement] = []
    with running_server(sizes) as control:
        for day in control.days():
            measurements += _table(control, day, 0, {"bare": 1, "ours": 1}, scratch)
    return list(check_memory(measurements))


def _table(
    control: ServerControl, day: DayFacts, latency_ms: int, repeats: Mapping[str, int], scratch: Path
) -> Iterator[Measurement]:
    size = f"{day.runs:,} runs in {day.traces:,} traces, {day.bytes / 1e6:,.0f} MB"
    print(f"\n{size}; latency {latency_ms} ms\n\n{HEADER}", flush=True)
    for client, times in repeats.items():
        measurement = measure(control, client, day, latency_ms=latency_ms, scratch=scratch, repeats=times)
        print(row(measurement), flush=True)
        yield measurement


def _self_check() -> int:
    with running_server(_DAYS[:1]) as control:
        wrong = check_server(control, control.days()[0])
    print("\n".join(wrong) or "ours, the SDK's loops and the server's own list agree on every run")
    return 1 if wrong else 0


if __name__ == "__main__":
    main()
