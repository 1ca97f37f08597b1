"""Fetch a day within LangSmith Cloud's limits, which the server enforces: is anything refused, and how much
of what the limit allows is used?

Prints a row for v2 and one for v1, and the targets; exits with 1 if one does not hold. v1 allows one request
a second, so 50,000 runs take nine minutes there.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.control import DayFacts, ServerControl, running_server
from benchmarks.job import Job
from benchmarks.measured import run_job
from benchmarks.published_limits import V1_QUERIES, V2_QUERIES, WINDOW
from benchmarks.targets import Target, print_targets

_LATENCY_MS = 100
_LEAST_SHARE = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--runs", default="50000", help="size of the day (default: 50000)")
    parser.add_argument(
        "--scratch", type=Path, default=Path(tempfile.gettempdir()), help="where the day is written"
    )
    options = parser.parse_args()
    print("| API | runs | seconds | page queries | refused (429) | queries/s | of the limit |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    with running_server([options.runs]) as control:
        (day,) = control.days()
        targets = [target for v2 in (True, False) for target in _fetch(control, day, options.scratch, v2=v2)]
    sys.exit(0 if print_targets(targets) else 1)


def _fetch(control: ServerControl, day: DayFacts, scratch: Path, *, v2: bool) -> list[Target]:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        control.start(_LATENCY_MS, limited=True, v2=v2)
        outcome = run_job(Job("ours-us", control.url, day.name, day.project_id, day.runs, folder))
        seen = control.counters()
    name, limit = ("v2", V2_QUERIES) if v2 else ("v1", V1_QUERIES)
    rate = (seen.queries - 1) / (seen.last_query - seen.first_query)
    share = rate / (limit / WINDOW)
    print(
        f"| {name} | {outcome.runs:,} | {outcome.seconds:,.1f} | {seen.queries:,} | {seen.refused} "
        f"| {rate:.2f} | {share:.0%} |",
        flush=True,
    )
    return [
        Target(f"{name}: refused requests = 0", str(seen.refused), seen.refused == 0),
        Target(
            f"{name}: rate of page queries >= {_LEAST_SHARE:.0%} of the limit",
            f"{share:.0%}",
            share >= _LEAST_SHARE,
        ),
    ]


if __name__ == "__main__":
    main()
