"""One way to zip or unzip, in a fresh process: `python -m benchmarks.zip_clients CLIENT SOURCE TARGET`.

Prints seconds, CPU seconds and peak memory as JSON; they count from after the imports, children included, but
for the peak, which is the larger of the process and its child.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.peak_memory import peak_bytes


class Outcome(msgspec.Struct, frozen=True):
    """What a client measured of itself."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run_client(client: str, source: Path, target: Path) -> Outcome:
    """Run a client in a fresh process. Raises `CalledProcessError`."""
    command = [sys.executable, "-m", "benchmarks.zip_clients", client, str(source), str(target)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Outcome)


def _client(name: str) -> Callable[[Path, Path], None]:
    # Imported where they are used: a client must not pay for another one's imports.
    ours = {"ours", "ours-unflushed", "ours-extract", "ours-extract-unflushed", "ours-keep"}
    return _ours(name) if name in ours else _others(name)


def _ours(name: str) -> Callable[[Path, Path], None]:
    from benchmarks.trace_files import DAY, PROJECT, load_day
    from lse_dagster.day.zip import file as zip_file
    from lse_dagster.day.zip import verify as unzip
    from lse_dagster.day.zip.directory import ZipDirectory

    if name.endswith("unflushed"):
        # Only here, to tell the price of the flush: the archive itself has no such switch.
        for module in (unzip, zip_file):
            vars(module)["flush_files"] = lambda paths: None

    def create(source: Path, target: Path) -> None:
        zip_file.write_zip(load_day(source), target)

    def extract(source: Path, target: Path) -> None:
        with ZipDirectory(source) as archive:
            unzip.extract_zip(archive, target, project=PROJECT, day=DAY)

    def keep(source: Path, target: Path) -> None:
        with ZipDirectory(target) as archive:
            if list(unzip.compare_with_day(archive, load_day(source))):
                raise SystemExit("the zip differs from the day")

    if name == "ours-keep":
        return keep
    return extract if "extract" in name else create


def _others(name: str) -> Callable[[Path, Path], None]:
    import zipfile

    def zipfile_create(source: Path, target: Path) -> None:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for path in sorted(source.iterdir()):
                archive.write(path, path.name)

    def zipfile_extract(source: Path, target: Path) -> None:
        with zipfile.ZipFile(source) as archive:
            archive.extractall(target)

    def command(*words: str, folder: int | None = None) -> Callable[[Path, Path], None]:
        def run(source: Path, target: Path) -> None:
            filled = [word.format(source=source, target=target) for word in words]
            subprocess.run(filled, check=True, stdout=subprocess.DEVNULL, cwd=source if folder else None)

        return run

    return {
        "zipfile": zipfile_create,
        "zip": command("zip", "-6", "-q", "-r", "{target}", ".", folder=1),
        "7z": command("7z", "a", "-tzip", "-mx=5", "-bd", "{target}", "{source}/."),
        "extractall": zipfile_extract,
        "unzip": command("unzip", "-q", "{source}", "-d", "{target}"),
        "7z-extract": command("7z", "x", "-bd", "-y", "-o{target}", "{source}"),
    }[name]


def _cpu_seconds() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def main() -> None:
    name, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    client = _client(name)
    cpu, start = _cpu_seconds(), time.perf_counter()
    client(source, target)
    seconds = time.perf_counter() - start
    os.write(1, msgspec.json.encode(Outcome(seconds, _cpu_seconds() - cpu, peak_bytes())))


if __name__ == "__main__":
    main()
