"""An upload that was stopped in the middle, as often as a test wants to see it go on."""

import json
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import DriveUnavailable
from lse_dagster.drive.transfer.upload import Uploaded
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Person, Where, put

MIB = 1024 * 1024
SIZE = 6 * MIB + 17
TAKEN = 3 * MIB
SEND: Where = {"method": "PUT", "path": r"/upload/.*upload_id="}


class Stopped:
    """An upload that the network stopped: the server has `TAKEN` bytes and the session is kept."""

    def __init__(self, drive: DriveArchive, control: ControlClient, folder: str, path: Path) -> None:
        self.folder = folder
        self.path = path
        self.session = path.with_name(f".{path.name}.upload")
        self._drive = drive
        self._control = control

    def stop(self, *, after: int = TAKEN) -> None:
        """Let the network fail for good after so many bytes."""
        self._control.fault(**SEND, drop_request_after=after)
        self._control.fault(**SEND, status=503, times=1000)
        with pytest.raises(DriveUnavailable):
            self.go_on()
        self._control.clear()

    def go_on(self, *, drive: DriveArchive | None = None, name: str = "a.zip") -> Uploaded:
        """What the next process does."""
        return put(drive or self._drive, self.path, folder=self.folder, name=name, session_path=self.session)

    def kept(self) -> dict[str, object]:
        content: dict[str, object] = json.loads(self.session.read_bytes())
        return content


def expect_whole(stopped: Stopped, uploaded: Uploaded, drive: DriveArchive, person: Person) -> None:
    """One right file, and nothing kept any more."""
    assert list(drive.list(stopped.folder)) == [uploaded.file]
    assert person.content(uploaded.file.id) == stopped.path.read_bytes()
    assert not stopped.session.exists()
