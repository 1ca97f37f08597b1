"""Measure upload and download beside a bare client and Google's own, and say whether the targets hold.

nginx takes and gives the bytes; every client runs in a fresh process. Prints one table for each size and the
targets at the end; exits with 1 if one does not hold.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.drive_clients import MIB, Carried, DriveJob, run_drive_job
from benchmarks.drive_server import DriveServer, running_nginx
from benchmarks.targets import Target, print_targets

_SIZES = [256, 1024]
_LARGEST = 4096
_CHUNKS = [8 * MIB, 32 * MIB, 100 * MIB]
_LEAST_OF_BARE = 0.8
_LEAST_OF_GOOGLE = 1.5
_MOST_MEMORY = 64 * MIB
_NAMES = {
    "raw": "the server's ceiling: a bare socket",
    "bare": "bare `requests`, verifies nothing",
    "ours": "ours, verified",
    "google": "google-api-python-client",
}


@dataclass(frozen=True)
class Row:
    """One client in one direction; median time, least CPU, highest peak of its runs."""

    client: str
    direction: str
    chunk: int
    size: int
    carried: Carried

    @property
    def rate(self) -> float:
        """MB/s."""
        return self.size / 1e6 / self.carried.seconds

    def __str__(self) -> str:
        name = _NAMES[self.client] + (f", {self.chunk // MIB} MiB chunks" if self.chunk else "")
        cpu = self.carried.cpu_seconds / self.size * 1e9
        return (
            f"| {self.direction} | {name} | {self.rate:,.0f} | {self.carried.peak_bytes / MIB:,.0f} "
            f"| {cpu:.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drive", description=__doc__)
    parser.add_argument(
        "--sizes", nargs="*", type=int, default=_SIZES, metavar="MIB", help="default: 256 1024"
    )
    parser.add_argument(
        "--memory", type=int, default=_LARGEST, metavar="MIB", help="also ours alone at this size, 0 for none"
    )
    parser.add_argument("--repeats", type=int, default=5, help="runs of each client (default: 5)")
    parser.add_argument(
        "--scratch",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where files are; needs 3 times the size",
    )
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores; load before the start: {busy:.1f}" + (" (BUSY)" if busy > 0.5 else ""))
    targets: list[Target] = []
    for size in options.sizes:
        targets += _check_speed(size, _measure(size, options.scratch, _everyone(), options.repeats))
    if options.memory:
        mine = [("ours", "up", 0), ("ours", "down", 0)]
        targets += _check_memory(options.memory, _measure(options.memory, options.scratch, mine, 1))
    sys.exit(0 if print_targets(targets) else 1)


def _everyone() -> list[tuple[str, str, int]]:
    up = [("raw", "up", 0), ("bare", "up", 0), ("ours", "up", 0)]
    down = [("raw", "down", 0), ("bare", "down", 0), ("ours", "down", 0), ("google", "down", 0)]
    return [*up, *(("google", "up", chunk) for chunk in _CHUNKS), *down]


def _measure(
    mebibytes: int, scratch: Path, clients: Sequence[tuple[str, str, int]], repeats: int
) -> list[Row]:
    print(f"\n{mebibytes} MiB\n\n| direction | client | MB/s | peak MiB | CPU s/GB |")
    print("| --- | --- | ---: | ---: | ---: |", flush=True)
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user where it is started by root
        content = folder / "content"
        _write(content, mebibytes)
        with running_nginx(content, folder / "nginx") as server:
            runs: dict[tuple[str, str, int], list[Carried]] = {client: [] for client in clients}
            # Round by round, so that a moment in which the machine is busy hits all clients alike.
            for _ in range(repeats):
                for client, carried in runs.items():
                    carried.append(_carry(server, *client))
    rows = [
        Row(client, direction, chunk, mebibytes * MIB, _together(carried))
        for (client, direction, chunk), carried in runs.items()
    ]
    for row in rows:
        print(row, flush=True)
    return rows


def _carry(server: DriveServer, client: str, direction: str, chunk: int) -> Carried:
    os.sync()  # nobody pays for what another one left to be written
    path = server.content if direction == "up" else server.content.with_name("came")
    job = DriveJob(
        client=client,
        direction=direction,
        url=server.url,
        session_url=server.session_url,
        media_url=server.media_url,
        path=str(path),
        size=server.size,
        chunk=chunk,
    )
    try:
        return run_drive_job(job)
    finally:
        server.remove_bodies()
        if direction == "down":
            path.unlink(missing_ok=True)


def _write(path: Path, mebibytes: int) -> None:
    piece = os.urandom(MIB)
    with path.open("wb") as file:
        for number in range(mebibytes):
            file.write(number.to_bytes(8) + piece[8:])


def _together(carried: list[Carried]) -> Carried:
    return Carried(
        seconds=median(each.seconds for each in carried),
        cpu_seconds=min(each.cpu_seconds for each in carried),
        peak_bytes=max(each.peak_bytes for each in carried),
    )


def _check_speed(mebibytes: int, rows: list[Row]) -> Iterator[Target]:
    for direction in ("up", "down"):
        rates: dict[str, float] = {}
        for row in rows:
            if row.direction == direction:
                rates[row.client] = max(row.rate, rates.get(row.client, 0.0))
        where = f"{mebibytes} MiB {direction}: "
        yield _at_least(where + "against bare `requests`", rates["ours"] / rates["bare"], _LEAST_OF_BARE)
        yield _at_least(
            where + "against google-api-python-client", rates["ours"] / rates["google"], _LEAST_OF_GOOGLE
        )


def _check_memory(mebibytes: int, rows: list[Row]) -> Iterator[Target]:
    for row in rows:
        peak = row.carried.peak_bytes
        text = f"{mebibytes} MiB {row.direction}: peak memory <= {_MOST_MEMORY // MIB} MiB"
        yield Target(text, f"{peak / MIB:.0f} MiB", peak <= _MOST_MEMORY)


def _at_least(text: str, ratio: float, least: float) -> Target:
    return Target(f"{text} >= {least:g}x", f"{ratio:.2f}x", ratio >= least)


if __name__ == "__main__":
    main()
