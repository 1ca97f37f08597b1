"""A process of its own that uploads one file, for tests that kill it or race it.

It says on stdout, as one line of JSON, what the upload came to: the action and the bytes sent, or the error's
name.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import DriveError
from lse_dagster.drive.settings import DriveSettings


@dataclass(frozen=True)
class Order:
    """What to upload to where; `killed_at`: bytes after which it kills itself, as `kill -9` would."""

    path: str
    folder: str
    name: str
    session: str
    folder_url: str
    credentials: str
    endpoint: str
    killed_at: int | None = None


def order(
    settings: DriveSettings, path: Path, folder: str, session: Path, *, killed_at: int | None = None
) -> Order:
    """Upload `path` as `a.zip` with these settings of a service account."""
    return Order(
        path=str(path),
        folder=folder,
        name="a.zip",
        session=str(session),
        folder_url=str(settings.folder_url),
        credentials=str(settings.credentials_path),
        endpoint=str(settings.endpoint),
        killed_at=killed_at,
    )


class Uploader:
    """One such process. As a context manager it is gone at the end."""

    def __init__(self, order: Order) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(asdict(order))],
            cwd=Path(__file__).parents[3],
            env={"PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Uploader":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with self._process:  # waits, and closes the pipe
            pass

    def result(self) -> dict[str, object]:
        """What it said at its end."""
        assert self._process.stdout is not None
        said: dict[str, object] = json.loads(self._process.stdout.read())
        return said

    def kill(self) -> bool:
        """`kill -9`. Whether that was how it ended."""
        self._process.kill()
        return self.was_killed()

    def was_killed(self) -> bool:
        """Wait for its end. Whether that was a kill."""
        return self._process.wait() == -signal.SIGKILL


def main() -> None:
    given = Order(**json.loads(sys.argv[1]))

    def kill_at(done: int, total: int) -> None:
        if given.killed_at is not None and done >= given.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    settings = DriveSettings(
        folder_url=given.folder_url,
        auth_type="service_account",
        credentials_path=Path(given.credentials),
        endpoint=given.endpoint,
    )
    try:
        with DriveArchive.connect(settings) as drive:
            uploaded = drive.upload(
                Path(given.path),
                replacing=drive.find(given.folder, given.name),
                folder=given.folder,
                name=given.name,
                session_path=Path(given.session),
                on_progress=kill_at,
            )
        said: dict[str, object] = {"action": uploaded.action, "bytes_sent": uploaded.bytes_sent}
    except DriveError as error:
        said = {"error": type(error).__name__}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
