"""One measured client, in a fresh process: `python -m benchmarks.measured`, the job as JSON on stdin.

Time and CPU count from after the imports; the peak of memory is the whole process's. Child processes count.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable

import msgspec

from benchmarks.job import Job, Outcome
from benchmarks.peak_memory import peak_bytes


def run_job(job: Job) -> Outcome:
    """Run a job in a fresh process. Raises `CalledProcessError`."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measured"],
        input=msgspec.json.encode(job),
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Outcome)


def _client(name: str) -> Callable[[Job], int]:
    # Imported where they are used: a client must not pay for another one's imports.
    if name in {"ours", "ours-us"}:
        from benchmarks import ours

        return ours.fetch if name == "ours" else ours.fetch_paced
    if name == "bare":
        from benchmarks import bare

        return bare.fetch
    from benchmarks import sdk

    return {
        "v2-1000": lambda job: sdk.query_v2(job, 1000),
        "v2-100": lambda job: sdk.query_v2(job, 100),
        "v1": sdk.list_v1,
        "per-trace": sdk.per_trace,
    }[name]


def _cpu_seconds() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    client = _client(job.client)
    cpu, start = _cpu_seconds(), time.perf_counter()
    runs = client(job)
    outcome = Outcome(runs, time.perf_counter() - start, _cpu_seconds() - cpu, peak_bytes())
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
