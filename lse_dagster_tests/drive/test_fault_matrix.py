"""Many faults at once, drawn from a seed: a round trip ends with the same bytes, or with a typed error."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lse_dagster.drive import DriveArchive
from lse_dagster.drive.errors import DriveError
from lse_dagster.sandbox.client import ControlClient, FaultFields
from lse_dagster_tests.drive.conftest import CHUNK, anything

SIZE = 1024 * 1024 + 333


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
    what["skip"], what["times"] = chance.randrange(3), chance.choice([1, 1, 1, 2])
    return what


@pytest.mark.parametrize("seed", range(24))
def test_a_round_trip_under_faults_is_whole_or_a_typed_error(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    tmp_path: Path,
    seed: int,
) -> None:
    chance = random.Random(seed)
    contents = [chance.randbytes(SIZE), chance.randbytes(chance.choice([0, 1, CHUNK, SIZE]))]
    target = tmp_path / "down.zip"
    drive_sandbox.settings(kept_after_drop=chance.choice([1, CHUNK, SIZE]), list_lag=chance.randrange(2))

    for _ in range(chance.randrange(1, 7)):
        drive_sandbox.fault(**a_fault(chance))
    for content in contents:
        try:
            drive.upload(local(content), folder=folder, name="a.zip", may_replace=anything)
            (stored,) = drive.list(folder)
            drive.download(stored, target)
        except DriveError:
            continue
        assert target.read_bytes() == content

    drive_sandbox.clear()
    drive.upload(local(contents[1]), folder=folder, name="a.zip", may_replace=anything)
    (stored,) = drive.list(folder)
    drive.download(stored, target)
    assert target.read_bytes() == contents[1]
