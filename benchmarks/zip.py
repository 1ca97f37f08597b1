"""Measure zipping and unzipping a day beside other tools, and say whether the targets hold.

Every client runs in a fresh process, in turns, and its best time counts. Ours verifies every hash and flushes
to disk, the others do neither. Exits with 1 if a target does not hold.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.targets import Target, print_targets
from benchmarks.trace_files import MEAN_BYTES, data_name, make_day, same_content
from benchmarks.zip_clients import Outcome, run_client

_CREATE = {
    "ours": "ours: every hash compared, flushed",
    "ours-unflushed": "ours without the flush",
    "zipfile": "Python's zipfile, level 6",
    "zip": "Info-ZIP `zip -6`",
    "7z": "`7z a -mx=5`",
}
_EXTRACT = {
    "ours-extract": "ours: every CRC and hash compared, flushed",
    "ours-extract-unflushed": "ours without the flush",
    "extractall": "Python's `extractall`",
    "unzip": "Info-ZIP `unzip`",
    "7z-extract": "`7z x`",
}
_MOST_BYTES = 64e6
_MANY_FILES = 200_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zip", description=__doc__)
    parser.add_argument("--files", type=int, default=8_000, help="default: 8000, of 68 KB on average")
    parser.add_argument("--repeats", type=int, default=3, help="of every client; default: 3")
    parser.add_argument(
        "--bytes", type=float, default=4e9, metavar="N", help="the day for the memory target; default: 4e9"
    )
    parser.add_argument("--no-memory", action="store_true", help="leave the memory target out")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="where to write")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores; load before the start: {busy:.1f}" + (" (BUSY)" if busy > 0.5 else ""))
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="zip-benchmark-") as folder:
        targets = list(_measure_speed(Path(folder), options.files, options.repeats))
        if not options.no_memory:
            targets += _measure_memory(Path(folder), int(options.bytes))
    sys.exit(0 if print_targets(targets) else 1)


def _measure_speed(folder: Path, files: int, repeats: int) -> Iterator[Target]:
    source = _day(folder, "day", files=files)
    size = _size(source)
    print(f"\n{files:,} trace files of {data_name()}, {size / 1e6:,.0f} MB")
    _print_head("create", "ratio")
    best: dict[str, Outcome] = {}
    zips = {client: folder / f"{client}.zip" for client in _CREATE}
    for _ in range(repeats):
        for client, target in zips.items():
            target.unlink(missing_ok=True)
            _keep_best(best, client, _run(client, source, target))
    for client, label in _CREATE.items():
        _print_row(label, size, best[client], f"{size / zips[client].stat().st_size:.2f}")
    kept = min((_run("ours-keep", source, zips["ours"]) for _ in range(repeats)), key=_seconds)
    _print_row("ours: verify the zip that is there and keep it", size, kept, "")
    _print_head("extract", "same files")
    for _ in range(repeats):
        for client in _EXTRACT:
            out = folder / "out"
            out.mkdir()
            _keep_best(best, client, _run(client, zips["zipfile"], out))
            if not same_content(source, out):
                sys.exit(f"{client} gave other files")
            shutil.rmtree(out)
    for client, label in _EXTRACT.items():
        _print_row(label, size, best[client], "yes")
    yield from _speed_targets(best, zips)


def _speed_targets(best: dict[str, Outcome], zips: dict[str, Path]) -> Iterator[Target]:
    def faster(what: str, ours: str, theirs: str, least: float) -> Target:
        ratio = best[theirs].seconds / best[ours].seconds
        return Target(f"{what} >= {least:g}x", f"{ratio:.1f}x", ratio >= least)

    yield faster("create against zipfile level 6", "ours", "zipfile", 4)
    yield faster("create against `zip -6`", "ours", "zip", 4)
    more = zips["ours"].stat().st_size / zips["zipfile"].stat().st_size - 1
    yield Target("size against zipfile level 6 <= +1 %", f"{more:+.1%}", more <= 0.01)
    yield faster("extract against extractall", "ours-extract", "extractall", 3)
    yield faster("extract against `unzip`", "ours-extract", "unzip", 4)


def _measure_memory(folder: Path, size: int) -> Iterator[Target]:
    counts = {f"{files:,} files": files for files in (size // MEAN_BYTES, _MANY_FILES)} | {"one file": 1}
    _print_head(f"a day of {size / 1e9:.1f} GB", "")
    for name, files in counts.items():
        source, zipped, out = (
            _day(folder, name, files=files, mean_bytes=size // files),
            folder / "large.zip",
            folder / "out",
        )
        out.mkdir()
        for client, one, other in (("ours", source, zipped), ("ours-extract", zipped, out)):
            outcome = _run(client, one, other)
            what = f"{name}: {'zip' if client == 'ours' else 'extract'}"
            _print_row(what, _size(source), outcome, "")
            peak = f"{outcome.peak_bytes / 1e6:.0f} MB"
            yield Target(f"{what}: peak memory <= 64 MB", peak, outcome.peak_bytes <= _MOST_BYTES)
        shutil.rmtree(out)
        shutil.rmtree(source)
        zipped.unlink()


def _day(folder: Path, name: str, **numbers: int) -> Path:
    path = folder / name
    make_day(path, **numbers)
    return path


def _run(client: str, source: Path, target: Path) -> Outcome:
    os.sync()  # nobody pays for what another one left to be written
    return run_client(client, source, target)


def _keep_best(best: dict[str, Outcome], client: str, outcome: Outcome) -> None:
    best[client] = min(best.get(client, outcome), outcome, key=_seconds)


def _seconds(outcome: Outcome) -> float:
    return outcome.seconds


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _print_head(what: str, last: str) -> None:
    print(f"\n| {what} | MB/s | seconds | CPU s | peak MB | {last} |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")


def _print_row(label: str, size: int, outcome: Outcome, last: str) -> None:
    cells = (
        f"{size / outcome.seconds / 1e6:,.0f}",
        f"{outcome.seconds:.2f}",
        f"{outcome.cpu_seconds:.2f}",
        f"{outcome.peak_bytes / 1e6:,.0f}",
        last,
    )
    print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
