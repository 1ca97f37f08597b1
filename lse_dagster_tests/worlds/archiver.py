"""A process of its own that archives one day, for tests that kill it, race it or take the disk from it.

It says on stdout what happens, a word a line: `first page` (then it may wait for a line on stdin), and at the
end `published` or the name of the error.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from lse_dagster.day.store import DayStore
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.transport import Transport
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster.steps.fetch.progress import FetchProgress


@dataclass(frozen=True)
class Order:
    """What to archive, and under what conditions."""

    endpoint: str
    project: str
    root: str
    day: str
    waits_after_first_page: bool = False
    largest_file: int | None = None
    """Bytes that a file can have; more is as if the disk were full."""
    moments: str | None = None
    """A folder that gets what kill -9 would leave of `root`, before each step on the disk after the fetch."""


class Archiver:
    """One such process. As a context manager it is gone at the end."""

    def __init__(self, order: Order, api_key: str) -> None:
        command = [sys.executable, "-m", __name__, json.dumps(asdict(order))]
        self._process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[2],
            env={"LANGSMITH_API_KEY": api_key, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Archiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def says(self) -> str:
        """Its next word; waits for it. Empty when it has ended without another."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go_on(self) -> None:
        """End its wait after the first page."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def outcome(self) -> str:
        """Its last word."""
        words = self._process.communicate()[0].split("\n")
        return words[-2] if len(words) > 1 else ""

    def kill(self) -> bool:
        """kill -9, and wait until it is gone. Whether it had not ended by itself before."""
        self._process.kill()
        self._process.communicate()
        return self._process.returncode == -signal.SIGKILL


def main(order: Order, api_key: str) -> str:
    """Archive the day; the last word to say."""
    if order.largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.largest_file, resource.RLIM_INFINITY))
    settings = LangSmithSettings(api_key=api_key, endpoint=order.endpoint, rates="none")
    store = DayStore(Path(order.root))
    waiting = [order.waits_after_first_page]

    def on_progress(progress: FetchProgress) -> None:
        if waiting and waiting.pop():
            say("first page")
            sys.stdin.readline()

    try:
        with Transport(settings) as transport:
            day = date.fromisoformat(order.day)
            fetched = fetch_day(transport, store, order.project, day, on_progress=on_progress)
            if order.moments is not None:
                keep_each_moment(Path(order.root), Path(order.moments))
            store.publish(fetched.staged, "superset")
    except ArchiveError as error:
        return type(error).__name__
    return "published"


_STEPS = frozenset({"open", "os.remove", "os.rename", "os.rmdir", "os.scandir", "shutil.rmtree"})
"""Python's audit events: each is raised before the step is taken."""


def keep_each_moment(root: Path, moments: Path) -> None:
    """From now on copy `root` before each step in which it is another one than before the last."""
    seen: list[object] = [None]
    keeping: list[str] = []

    def keep(event: str, _: tuple[object, ...]) -> None:
        if event not in _STEPS or keeping:
            return
        keeping.append(event)
        now = [(path, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(root.rglob("*"))]
        if now != seen[-1]:
            shutil.copytree(root, moments / f"{len(seen):03}")
            seen.append(now)
        keeping.clear()

    sys.addaudithook(keep)


def say(word: str) -> None:
    """Say a word to the parent."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    say(main(Order(**json.loads(sys.argv[1])), os.environ["LANGSMITH_API_KEY"]))
