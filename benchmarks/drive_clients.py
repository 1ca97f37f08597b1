"""The clients of the Drive benchmark, each run in a fresh process: `python -m benchmarks.drive_clients`.

The job comes as JSON on stdin. Time and CPU count from after the imports; the peak of memory is the whole
process's.
"""

import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks.drive_server import EMPTY_FOLDER, FILE_ID, FULL_FOLDER, NAME, ROOT_ID
from benchmarks.peak_memory import peak_bytes

MIB = 1 << 20


class DriveJob(msgspec.Struct, frozen=True):
    """Carry one file, `up` from `path` or `down` to it."""

    client: str
    direction: str
    url: str
    session_url: str
    media_url: str
    path: str
    size: int
    chunk: int = 0
    """Bytes a request, for Google's upload."""


class Carried(msgspec.Struct, frozen=True):
    """What a client measured of itself."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run_drive_job(job: DriveJob) -> Carried:
    """Run a job in a fresh process. Raises `CalledProcessError`."""
    command = [sys.executable, "-m", "benchmarks.drive_clients"]
    done = subprocess.run(command, input=msgspec.json.encode(job), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Carried)


def ours(job: DriveJob) -> Callable[[], None]:
    """The archive's own transfer, verified, with its session kept and everything asked that it asks."""
    from lse_dagster.drive.archive import DriveArchive
    from lse_dagster.drive.settings import DriveSettings

    path = Path(job.path)
    token = path.with_name(f"{path.name}.token")
    token.write_text(
        json.dumps(
            {
                "type": "authorized_user",
                "client_id": "benchmark",
                "client_secret": "benchmark",
                "refresh_token": "benchmark",
                "token_uri": f"{job.url}/token",
            }
        )
    )
    token.chmod(0o600)
    settings = DriveSettings(folder_url=ROOT_ID, auth_type="oauth2", token_path=token, endpoint=job.url)

    def carry() -> None:
        with DriveArchive.connect(settings) as drive:
            if job.direction == "up":
                done = drive.upload(
                    path,
                    folder=EMPTY_FOLDER,
                    name=NAME,
                    replacing=drive.find(EMPTY_FOLDER, NAME),
                    session_path=path.with_name(f".{path.name}.upload"),
                )
                if (done.action, done.bytes_sent) != ("created", job.size):
                    raise RuntimeError(f"{done.action}, {done.bytes_sent} bytes sent")
            else:
                found = drive.find(FULL_FOLDER, NAME)
                if found is None:
                    raise RuntimeError("the file is not there")
                drive.download(found, path)

    return carry


def bare(job: DriveJob) -> Callable[[], None]:
    """`requests` alone: one PUT streamed with 1 MiB reads, one GET streamed to disk. Verifies nothing."""
    import requests

    class Body:
        def __len__(self) -> int:
            return job.size

        def __iter__(self) -> Iterator[bytes]:
            with Path(job.path).open("rb") as file:
                while piece := file.read(MIB):
                    yield piece

    def carry() -> None:
        if job.direction == "up":
            body: Any = Body()
            requests.put(job.session_url, data=body).raise_for_status()
            return
        with requests.get(job.media_url, stream=True) as answer, Path(job.path).open("wb") as file:
            for piece in answer.iter_content(MIB):
                file.write(piece)

    return carry


def google(job: DriveJob) -> Callable[[], None]:
    """google-api-python-client's media transport, without signing in. Verifies nothing."""
    import googleapiclient.discovery
    from googleapiclient.discovery_cache import get_static_doc
    from googleapiclient.http import MediaFileUpload, MediaIoBaseDownload, build_http

    document = json.loads(get_static_doc("drive", "v3") or "")  # type: ignore[no-untyped-call]
    document["rootUrl"] = f"{job.url}/"
    document["baseUrl"] = f"{job.url}/{document['servicePath']}"

    def carry() -> None:
        build: Any = googleapiclient.discovery.build_from_document  # type: ignore[attr-defined]
        files = build(document, http=build_http()).files()  # type: ignore[no-untyped-call]
        done = None
        if job.direction == "up":
            media = MediaFileUpload(job.path, mimetype="application/zip", chunksize=job.chunk, resumable=True)
            request = files.create(body={"name": NAME}, media_body=media)
            while done is None:
                _, done = request.next_chunk()
        else:
            with Path(job.path).open("wb") as file:
                download = MediaIoBaseDownload(file, files.get_media(fileId=FILE_ID))
                while not done:
                    _, done = download.next_chunk()

    return carry


def raw(job: DriveJob) -> Callable[[], None]:
    """The server's own ceiling: a socket and the kernel; what comes is thrown away."""

    def carry() -> None:
        target = urlsplit(job.session_url if job.direction == "up" else job.media_url)
        where = f"{target.path}?{target.query} HTTP/1.1\r\nHost: benchmark\r\nConnection: close\r\n"
        buffer = bytearray(MIB)
        with socket.create_connection((target.hostname, target.port)) as connection:
            if job.direction == "up":
                connection.sendall(f"PUT {where}Content-Length: {job.size}\r\n\r\n".encode())
                with Path(job.path).open("rb") as file:
                    connection.sendfile(file)
            else:
                connection.sendall(f"GET {where}\r\n".encode())
            received = 0
            while count := connection.recv_into(buffer):
                received += count
        if received < (job.size if job.direction == "down" else 1):
            raise RuntimeError(f"{received} bytes came")

    return carry


CLIENTS: dict[str, Callable[[DriveJob], Callable[[], None]]] = {
    "raw": raw,
    "bare": bare,
    "ours": ours,
    "google": google,
}


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=DriveJob)
    carry = CLIENTS[job.client](job)
    cpu, start = _cpu_seconds(), time.perf_counter()
    carry()
    carried = Carried(time.perf_counter() - start, _cpu_seconds() - cpu, peak_bytes())
    if job.direction == "down" and job.client != "raw" and Path(job.path).stat().st_size != job.size:
        raise RuntimeError("the file did not come whole")
    sys.stdout.buffer.write(msgspec.json.encode(carried))


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
