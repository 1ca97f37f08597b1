"""One archive used by many threads: connections do not mix, and one renews the token for all."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.drive.conftest import Person, some_bytes


def test_threads_share_an_archive_and_one_renewal_of_the_token(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    folder: str,
    local: Callable[[bytes], Path],
    tmp_path: Path,
) -> None:
    contents = {f"{number}.zip": some_bytes(300_000 + number) for number in range(12)}
    drive.upload(local(b"first"), folder=folder, name="first.zip")
    drive_sandbox.settings(expire_tokens=True)

    def there_and_back(name: str) -> bytes:
        uploaded = drive.upload(local(contents[name]), folder=folder, name=name)
        return drive.download(uploaded.file, tmp_path / "down" / name).path.read_bytes()

    with ThreadPoolExecutor(4) as pool:
        came_back = dict(zip(contents, pool.map(there_and_back, contents), strict=True))

    assert came_back == contents
    assert sum(request.path == "/token" for request in drive_sandbox.requests()) == 1


def test_threads_that_need_a_new_folder_make_one_though_lists_lag_behind(
    drive: DriveArchive,
    drive_sandbox: ControlClient,
    person: Person,
    root_id: str,
    folder: str,
    local: Callable[[bytes], Path],
) -> None:
    drive_sandbox.settings(list_lag=6)
    paths = [local(some_bytes(100)) for _ in range(8)]

    def there(number: int) -> str:
        return drive.upload(paths[number], folder=folder, name=f"{number}").file.id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(there, range(8)))

    drive_sandbox.clear()
    while not (folders := person.live_in(root_id, folder)):
        pass  # each list brings the hidden ones a step nearer
    (only,) = folders
    while len(listed := person.live_in(only["id"])) < 8:
        pass
    assert {file["id"] for file in listed} == ids
