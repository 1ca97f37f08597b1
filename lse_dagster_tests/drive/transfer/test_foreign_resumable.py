"""The resumable protocol against gcp-storage-emulator, which speaks it for Cloud Storage. Not our sandbox."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from gcp_storage_emulator.server import create_server  # type: ignore[import-untyped]

from lse_dagster.drive.operation import Operation
from lse_dagster.drive.transfer.local_file import LocalFile
from lse_dagster.drive.transfer.upload_session import OnProgress, Target, UploadSession
from lse_dagster_tests.drive.conftest import some_bytes
from lse_dagster_tests.drive.foreign import operation_on

MIB = 1024 * 1024
BUCKET = "archive"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET) as server:
        host, port = server._api._httpd.server_address
        yield f"http://{host}:{port}"


@pytest.fixture
def operation(endpoint: str) -> Iterator[Operation]:
    with operation_on(endpoint) as one:
        yield one


class Upload:
    """One file on its way; `send` is what one process does."""

    def __init__(self, operation: Operation, endpoint: str, path: Path) -> None:
        self.addresses: list[str | None] = []
        self.bytes_sent = 0
        self._operation = operation
        self._endpoint = endpoint
        self._path = path

    def send(self, *, address: str | None = None, on_progress: OnProgress | None = None) -> dict[str, Any]:
        """Bring it to its end, from a kept address if there is one."""
        query = urlencode({"uploadType": "resumable", "name": self._path.name})
        target = Target(
            method="POST",
            url=f"{self._endpoint}/upload/storage/v1/b/{BUCKET}/o?{query}",
            metadata={},
            media_type="application/zip",
        )
        with LocalFile(self._path, what="a test") as local:
            session = UploadSession(
                self._operation,
                local,
                target,
                on_progress=on_progress,
                address=address,
                on_address=self.addresses.append,
            )
            try:
                answer: dict[str, Any] = json.loads(self._operation.again(session.step))
                return answer
            finally:
                self.bytes_sent = session.bytes_sent

    def expect_stored(self, answer: dict[str, Any]) -> None:
        """The server has exactly the file, by its own checksum and byte by byte."""
        content = self._path.read_bytes()
        assert answer["size"] == str(len(content))
        assert base64.b64decode(answer["md5Hash"]) == hashlib.md5(content).digest()
        stored = requests.get(f"{self._endpoint}/{BUCKET}/{self._path.name}", timeout=60)
        assert stored.content == content


@pytest.fixture
def upload(operation: Operation, endpoint: str, local: Callable[[bytes], Path]) -> Callable[[int], Upload]:
    return lambda size: Upload(operation, endpoint, local(some_bytes(size)))


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 5 * MIB + 17])
def test_a_file_of_any_size_goes_in_one_session(upload: Callable[[int], Upload], size: int) -> None:
    one = upload(size)

    one.expect_stored(one.send())

    assert one.bytes_sent == size
    assert len(one.addresses) == 2  # begun once, and ended


def test_a_connection_that_breaks_goes_on_where_the_server_stands(upload: Callable[[int], Upload]) -> None:
    one = upload(8 * MIB)
    broken: list[int] = []

    def break_once(done: int, total: int) -> None:
        if done == 5 * MIB and not broken:
            broken.append(done)
            raise requests.ConnectionError

    one.expect_stored(one.send(on_progress=break_once))

    assert broken
    assert one.bytes_sent == 8 * MIB  # this server keeps every byte that came
    assert len(one.addresses) == 2


def test_a_new_process_goes_on_with_a_kept_session(upload: Callable[[int], Upload]) -> None:
    one = upload(8 * MIB)

    class Killed(Exception):
        pass

    def kill(done: int, total: int) -> None:
        if done == 3 * MIB:
            raise Killed

    with pytest.raises(Killed):
        one.send(on_progress=kill)
    answer = one.send(address=one.addresses[0])

    one.expect_stored(answer)
    assert one.bytes_sent == 5 * MIB


def test_a_session_that_the_server_does_not_know_is_begun_anew(
    upload: Callable[[int], Upload], endpoint: str
) -> None:
    one = upload(MIB)
    unknown = f"{endpoint}/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&upload_id=unknown"

    one.expect_stored(one.send(address=unknown))

    assert one.bytes_sent == MIB
