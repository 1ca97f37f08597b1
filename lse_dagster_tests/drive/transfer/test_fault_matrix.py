"""Every fault at every step, and many at once from seeds: one right file on Drive, or both sides as before.

`LSE_DRIVE_FAULT_SEEDS=2000 pytest lse_dagster_tests/drive/transfer/test_fault_matrix.py -k seed` draws more.
"""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import DriveError
from lse_dagster.drive.file import DriveFile
from lse_dagster.sandbox.client import ControlClient, FaultFields
from lse_dagster_tests.drive.conftest import CHUNK, Person, merged, put, rate_body

SIZE = 2 * CHUNK + 333
SEEDS = int(os.environ.get("LSE_DRIVE_FAULT_SEEDS", "24"))
ALWAYS = 100

SEND: FaultFields = {"method": "PUT", "path": r"upload_id="}
UPLOAD_STEPS: dict[str, FaultFields] = {
    "list of folders": {"method": "GET", "path": r"^/drive/v3/files$"},
    "list of files": {"method": "GET", "path": r"^/drive/v3/files$", "skip": 1},
    "ids": {"path": r"generateIds"},
    "folder": {"method": "POST", "path": r"^/drive/v3/files$"},
    "session": {"path": r"uploadType=resumable(?!.*upload_id)"},
    "sending": SEND,
    "offset": {**SEND, "skip": 1},
    "twins": {"method": "GET", "path": r"^/drive/v3/files$", "skip": 4},
}
DOWNLOAD_STEPS: dict[str, FaultFields] = {
    "revision before": {"method": "GET", "path": r"^/drive/v3/files/[^?/]+\?(?!.*alt=media)"},
    "content": {"method": "GET", "path": r"alt=media"},
    "rest of the content": {"method": "GET", "path": r"alt=media", "skip": 1},
    "revision after": {"method": "GET", "path": r"^/drive/v3/files/[^?/]+\?(?!.*alt=media)", "skip": 1},
}
FAULTS: dict[str, FaultFields] = {
    **{str(status): {"status": status} for status in (400, 401, 404, 408, 409, 410, 429, 500, 503)},
    "403 rate": {"status": 403, "body": rate_body("userRateLimitExceeded")},
    "403 final": {"status": 403, "body": rate_body("insufficientFilePermissions")},
    "no answer": {"drop_after": -1},
    "answer broken off": {"drop_after": 20},
    "answer cut short": {"truncate": 20},
    "answer of nothing": {"status": 200, "body": {}},
    "answer of other things": {
        "status": 200,
        "body": {"files": [{"id": 1}], "ids": [], "id": None, "name": 2, "createdTime": "?", "trashed": "?"},
    },
}
ENDLESS = ("401", "404", "410", "503", "no answer", "answer cut short", "answer of nothing")
KINDS = [
    *((fault, 1) for fault in FAULTS),
    # One of each kind is enough of those that never end.
    *((fault, ALWAYS) for fault in ENDLESS),
]
OFFSETS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, SIZE - 1, SIZE]


@pytest.fixture
def new() -> bytes:
    return random.Random("new").randbytes(SIZE)


class Upload:
    """One upload under faults, and what must hold after it."""

    def __init__(self, drive: DriveArchive, person: Person, folder: str, path: Path) -> None:
        self._drive = drive
        self._person = person
        self._folder = folder
        self._path = path
        self._session = path.with_name(f".{path.name}.upload")

    def run(self) -> bool:
        """Whether it was done; anything but that and a typed error is a failure of the test."""
        try:
            put(
                self._drive,
                self._path,
                folder=self._folder,
                name="a.zip",
                session_path=self._session,
            )
        except DriveError:
            return False
        return True

    def live(self) -> list[bytes]:
        """What is on Drive, as somebody else sees it."""
        return [self._person.content(file.id) for file in self._drive.list(self._folder)]

    def expect(self, *, done: bool, before: list[bytes], content: bytes) -> None:
        """One right file, or all as before; and without faults the next try is right."""
        assert self.live() in ([[content]] if done else [[content], before])
        assert self._path.read_bytes() == content
        assert self.run()
        assert self.live() == [content]
        assert not self._session.exists()


@pytest.mark.parametrize(("fault", "times"), KINDS)
@pytest.mark.parametrize(
    ("step", "old"),
    [
        *((step, None) for step in UPLOAD_STEPS),
        *((step, b"old") for step in ("list of files", "session", "sending", "offset")),
    ],
)
def test_an_upload_with_any_fault_at_any_step(
    drive: DriveArchive,
    person: Person,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    new: bytes,
    step: str,
    old: bytes | None,
    fault: str,
    times: int,
) -> None:
    if old is not None:
        put(drive, local(old), folder=folder, name="a.zip")
    upload = Upload(drive, person, folder, local(new))
    if step == "offset":
        drive_sandbox.fault(**merged(SEND, {"drop_request_after": CHUNK + 7}))
    drive_sandbox.fault(**merged(UPLOAD_STEPS[step], FAULTS[fault], {"times": times}))

    done = upload.run()

    drive_sandbox.clear()
    upload.expect(done=done, before=[] if old is None else [old], content=new)


@pytest.mark.parametrize("kept", [1, CHUNK, SIZE], ids=["any byte kept", "chunks kept", "nothing kept"])
@pytest.mark.parametrize("offset", OFFSETS)
def test_an_upload_that_is_dropped_at_any_offset(
    drive: DriveArchive,
    person: Person,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    new: bytes,
    offset: int,
    kept: int,
) -> None:
    upload = Upload(drive, person, folder, local(new))
    drive_sandbox.settings(kept_after_drop=kept)
    drive_sandbox.fault(**merged(SEND, {"drop_request_after": offset}))

    assert upload.run()

    drive_sandbox.clear()
    upload.expect(done=True, before=[], content=new)


class Download:
    """One download under faults, over an older file, and what must hold after it."""

    def __init__(self, drive: DriveArchive, file: DriveFile, target: Path) -> None:
        self._drive = drive
        self._file = file
        self._target = target
        target.parent.mkdir()
        target.write_bytes(b"older")

    def run(self) -> bool:
        """Whether it was done; anything but that and a typed error is a failure of the test."""
        try:
            self._drive.download(self._file, self._target)
        except DriveError:
            return False
        return True

    def expect(self, *, done: bool, content: bytes) -> None:
        """The right file or the older one, nothing beside it; and without faults the next try is right."""
        assert self._target.read_bytes() == (content if done else b"older")
        assert list(self._target.parent.iterdir()) == [self._target]
        assert self.run()
        assert self._target.read_bytes() == content


@pytest.fixture
def download(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    new: bytes,
    tmp_path: Path,
) -> Iterator[Download]:
    file = put(drive, local(new), folder=folder, name="a.zip").file
    yield Download(drive, file, tmp_path / "down" / "a.zip")


@pytest.mark.parametrize(("fault", "times"), KINDS)
@pytest.mark.parametrize("step", DOWNLOAD_STEPS)
def test_a_download_with_any_fault_at_any_step(
    download: Download, drive_sandbox: ControlClient, new: bytes, step: str, fault: str, times: int
) -> None:
    if step == "rest of the content":
        drive_sandbox.fault(**merged(DOWNLOAD_STEPS["content"], {"drop_after": CHUNK + 7}))
    drive_sandbox.fault(**merged(DOWNLOAD_STEPS[step], FAULTS[fault], {"times": times}))

    done = download.run()

    drive_sandbox.clear()
    download.expect(done=done, content=new)


@pytest.mark.parametrize("how", ["drop_after", "truncate"])
@pytest.mark.parametrize("offset", OFFSETS)
def test_a_download_that_ends_at_any_offset(
    download: Download, drive_sandbox: ControlClient, new: bytes, offset: int, how: str
) -> None:
    ends: FaultFields = {"drop_after": offset} if how == "drop_after" else {"truncate": offset}
    drive_sandbox.fault(**merged(DOWNLOAD_STEPS["content"], ends))

    assert download.run()

    download.expect(done=True, content=new)


def a_fault(chance: random.Random) -> FaultFields:
    where: list[FaultFields] = [
        {"method": "POST", "path": r"^/drive/v3/files$"},
        {"method": "GET", "path": r"^/drive/v3/files"},
        {"method": "GET", "path": r"generateIds"},
        {"method": "POST", "path": r"uploadType=resumable"},
        {"method": "PATCH", "path": r"uploadType=resumable"},
        {"method": "PUT", "path": r"upload_id="},
        {"method": "PUT", "path": r"upload_id="},
        {"method": "GET", "path": r"alt=media"},
        {"path": r"/token"},
    ]
    how: list[FaultFields] = [
        {"status": 503},
        {"status": 500},
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"status": 401},
        {"drop_after": -1},
        {"drop_after": chance.randrange(1, 2000)},
        {"drop_request_after": chance.randrange(SIZE)},
        {"truncate": chance.randrange(1, 200)},
        {"status": 410} if chance.random() < 0.3 else {"status": 502},
    ]
    what: FaultFields = {**chance.choice(where), **chance.choice(how)}
    what["skip"] = chance.randrange(3)
    what["times"] = chance.choice([1, 1, 1, 2, ALWAYS])
    return what


@pytest.mark.parametrize("seed", range(SEEDS))
def test_round_trips_under_faults_from_a_seed(
    drive: DriveArchive,
    person: Person,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    tmp_path: Path,
    seed: int,
) -> None:
    chance = random.Random(seed)
    target = tmp_path / "down.zip"
    before: list[bytes] = []
    for _ in range(3):
        content = chance.randbytes(chance.choice([0, 1, CHUNK, SIZE, SIZE]))
        upload = Upload(drive, person, folder, local(content))
        drive_sandbox.settings(kept_after_drop=chance.choice([1, CHUNK, SIZE]), list_lag=chance.randrange(2))
        for _ in range(chance.randrange(1, 7)):
            drive_sandbox.fault(**a_fault(chance))

        done = upload.run()

        drive_sandbox.clear()
        list(drive.list(folder))  # a list that lags behind sees the file the next time
        upload.expect(done=done, before=before, content=content)
        (stored,) = drive.list(folder)
        drive.download(stored, target)
        assert target.read_bytes() == content
        before = [content]
