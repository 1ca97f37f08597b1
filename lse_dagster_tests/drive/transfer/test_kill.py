"""kill -9 at any moment of an upload, and several processes at once: one right file, nothing sent twice."""

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.settings import DriveSettings
from lse_dagster.sandbox.client import ControlClient, FaultFields
from lse_dagster.sandbox.request_log import RequestEntry
from lse_dagster_tests.drive.conftest import CHUNK, Person, put, some_bytes
from lse_dagster_tests.drive.transfer.uploader import Uploader, order

MIB = 1024 * 1024
SIZE = 32 * MIB + 17
LIST: FaultFields = {"method": "GET", "path": r"^/drive/v3/files$"}
SEND: FaultFields = {"method": "PUT", "path": r"/upload/.*upload_id="}


def sent(control: ControlClient) -> list[RequestEntry]:
    """The requests that carried content."""
    ranges = ((entry, entry.headers.get("content-range", "")) for entry in control.requests())
    return [entry for entry, span in ranges if entry.method == "PUT" and not span.startswith("bytes */")]


@pytest.mark.parametrize(("seed", "old"), [(0, None), (1, None), (2, b"old content")])
def test_an_upload_that_is_killed_while_sending_goes_on_in_another_process(
    settings: DriveSettings,
    drive: DriveArchive,
    person: Person,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    seed: int,
    old: bytes | None,
) -> None:
    content = some_bytes(SIZE)
    path = local(content)
    session = path.with_name(".session")
    if old is not None:
        drive.upload(local(old), folder=folder, name="a.zip")
    drive_sandbox.clear()
    killed_at = random.Random(seed).randrange(4 * MIB, SIZE)

    with Uploader(order(settings, path, folder, session, killed_at=killed_at)) as killed:
        assert killed.was_killed()
    with Uploader(order(settings, path, folder, session)) as second:
        result = second.result()

    first_put, second_put = sent(drive_sandbox)
    taken = first_put.bytes_in - first_put.bytes_in % CHUNK
    assert taken > 0
    assert second_put.headers["content-range"] == f"bytes {taken}-{SIZE - 1}/{SIZE}"
    assert second_put.bytes_in == SIZE - taken
    assert result == {"action": "updated" if old is not None else "created", "bytes_sent": SIZE - taken}
    (file,) = drive.list(folder)
    assert person.content(file.id) == content == path.read_bytes()
    assert not session.exists()


STEPS: dict[str, list[FaultFields]] = {
    "looking for the folder": [{**LIST, "delay": 0.5}],
    "getting an id for the folder": [{"path": "generateIds", "delay": 0.5}],
    "making the folder": [{"method": "POST", "path": r"^/drive/v3/files$", "delay": 0.5}],
    "after making the folder": [
        {"method": "POST", "path": r"^/drive/v3/files$", "drop_after": -1},
        {"method": "POST", "path": r"^/drive/v3/files$", "delay": 0.5},
    ],
    "getting an id for the file": [{"path": "generateIds", "skip": 1, "delay": 0.5}],
    "beginning the session": [{"method": "POST", "path": "uploadType=resumable", "delay": 0.5}],
    "before the first byte": [{**SEND, "delay": 0.5}],
    "asking for the offset": [{**SEND, "drop_request_after": 2 * MIB}, {**SEND, "delay": 0.5}],
    "asking after all was taken": [{**SEND, "drop_after": -1}, {**SEND, "delay": 0.5}],
    "looking for twins": [{**LIST, "skip": 4, "delay": 0.5}],
}


@pytest.mark.parametrize("step", STEPS)
def test_an_upload_that_is_killed_at_any_request_ends_as_one_right_file(
    settings: DriveSettings,
    drive: DriveArchive,
    person: Person,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    step: str,
) -> None:
    content = some_bytes(4 * MIB + 3)
    path = local(content)
    session = path.with_name(".session")
    for fault in STEPS[step]:
        drive_sandbox.fault(**fault)

    with Uploader(order(settings, path, folder, session)) as killed:
        while drive_sandbox.faults():
            time.sleep(0.005)
        assert killed.kill()
    uploaded = put(drive, path, folder=folder, name="a.zip", session_path=session)

    assert list(drive.list(folder)) == [uploaded.file]
    assert person.content(uploaded.file.id) == content == path.read_bytes()
    assert not session.exists()
    if step == "asking for the offset":
        assert uploaded.bytes_sent == len(content) - 2 * MIB
    if step in {"asking after all was taken", "looking for twins"}:
        assert (uploaded.action, uploaded.bytes_sent) == ("unchanged", 0)


@pytest.mark.parametrize("shared", [True, False], ids=["one place", "a place each"])
def test_processes_that_upload_the_same_day_at_once_leave_one_file_in_one_folder(
    settings: DriveSettings,
    drive: DriveArchive,
    person: Person,
    root_id: str,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    shared: bool,
) -> None:
    content = some_bytes(2 * MIB)
    path = local(content)
    # Slow enough that none has ended before the others have begun.
    drive_sandbox.latency({r"^/drive/v3/files$": 0.3})
    sessions = [path.with_name(".session" if shared else f".session-{number}") for number in range(3)]

    with contextlib.ExitStack() as stack:
        orders = [order(settings, path, folder, session) for session in sessions]
        processes = [stack.enter_context(Uploader(one)) for one in orders]
        results = [process.result() for process in processes]

    drive_sandbox.clear()
    (file,) = drive.list(folder)
    assert person.content(file.id) == content
    assert len(person.live_in(root_id, folder)) == 1
    assert not any(session.exists() for session in sessions)
    said = [result.get("action") or result["error"] for result in results]
    assert said.count("created") == 1
    assert set(said) <= {"created", "unchanged", "UploadInProgress" if shared else "unchanged"}
