"""Zipping or extracting in a process of its own, to be killed in the middle or to have a small disk.

The parent starts it with an order; it waits at a given progress until it is killed or told to go on.
"""

import json
import resource
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Literal, Self


@dataclass(frozen=True)
class Order:
    """What to do: zip the day of a data directory, or extract a zip into the data directory."""

    work: Literal["zip", "extract"]
    data: str
    zip_path: str
    project: str
    day: str
    waits_at: int | None = None
    """Files done."""
    largest_file: int | None = None
    """Bytes."""


class Zipper:
    """The process, as a context manager; gone afterwards."""

    def __init__(self, order: Order) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(asdict(order))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()

    def says(self) -> str:
        """Its next word; empty when it ended without another."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


def main(order: Order) -> str:
    """Do it; the last word to say."""
    from lse_dagster.day.staging import StagedDay
    from lse_dagster.day.store import DayStore
    from lse_dagster.day.zip.store import ZipStore
    from lse_dagster.errors import ArchiveError
    from lse_dagster.steps.zip import make_zip
    from lse_dagster_tests.worlds.zips import extract_zip

    if order.largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.largest_file, resource.RLIM_INFINITY))
    store, project, day = DayStore(Path(order.data)), order.project, date.fromisoformat(order.day)
    path = Path(order.zip_path)

    def on_progress(done: int, in_all: int) -> None:
        if order.waits_at is not None and done >= order.waits_at:
            say(f"{done} of {in_all}")
            sys.stdin.readline()

    try:
        if order.work == "zip":
            make_zip(ZipStore(path.parent), store.load(project, day), "superset", on_progress=on_progress)
        else:
            with store.stage(project, day) as staging:
                extracted = extract_zip(
                    path, staging.content, project=project, day=day, on_progress=on_progress
                )
                store.publish(StagedDay(staging, extracted), "superset")
    except ArchiveError as error:
        return type(error).__name__
    return "done"


def say(word: str) -> None:
    """Say a word to the parent."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    say(main(Order(**json.loads(sys.argv[1]))))
