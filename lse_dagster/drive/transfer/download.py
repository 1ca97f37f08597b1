"""A verified download: the target appears only when every byte is there and the checksum is Drive's own.

The bytes go to a hidden file beside the target and are hashed in a second thread on the way. A broken stream
goes on where it stopped. The file on Drive must be the same revision before and after. Nothing is flushed to
disk, which would cost more than the download: what comes is read at once, and who keeps it flushes it.
"""

import contextlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import requests

from lse_dagster.drive.errors import DownloadCorrupted, DownloadInProgress, FileReplaced, LocalFileUnwritable
from lse_dagster.drive.file import Content, DriveFile, Hasher, told_by
from lse_dagster.drive.operation import Operation
from lse_dagster.drive.transfer.local_file import PIECE, InUse, exclusive_file
from lse_dagster.drive.transfer.upload_session import OnProgress
from lse_dagster.net.faults import fault_words


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A file that came down whole. `bytes_received` counts those that came twice, too: 0 if it was here."""

    path: Path
    file: DriveFile
    bytes_received: int
    requests: int
    retries: int


def download(
    operation: Operation,
    file: DriveFile,
    to: Path,
    *,
    here: Iterable[Path] = (),
    on_progress: OnProgress | None,
) -> Downloaded:
    """Bring the file from Drive to `to`; see `DriveArchive.download`."""
    part = to.with_name(f".{to.name}.part")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_file(part, mode=0o666) as out, ThreadPoolExecutor(1) as pool:
            out.truncate(0)  # what a crash left
            stream = _Stream(operation, file, out, pool, on_progress)
            try:
                _fetch(operation, file, stream, here)
                out.flush()
                part.replace(to)
            except BaseException:
                with contextlib.suppress(OSError):
                    part.unlink()
                raise
    except InUse:
        raise DownloadInProgress(
            operation.what, f"Another process is writing {part}.", "wait until it is done, then run again"
        ) from None
    except OSError as error:
        raise LocalFileUnwritable(
            operation.what,
            f"{to} cannot be written: {error.strerror or type(error).__name__}.",
            "make room or mend the rights there, then run the same step again",
        ) from None
    return Downloaded(
        path=to,
        file=file,
        bytes_received=stream.received,
        requests=operation.requests,
        retries=operation.retries,
    )


def _fetch(operation: Operation, file: DriveFile, stream: "_Stream", here: Iterable[Path]) -> None:
    if not any(map(stream.take_from, here)):
        operation.again(stream.step)
    operation.again(stream.check_revision)  # before the checksum, which a replaced file explains
    came, told = stream.content(), told_by(file)
    if came != told:
        raise DownloadCorrupted(
            operation.what,
            f"{came} came; Drive says that it has {told}.",
            "run the same step again; nothing was written",
        )


class _Revision(msgspec.Struct, frozen=True, rename="camel"):
    md5_checksum: str
    head_revision_id: str | None = None


class _Stream:
    """The bytes on their way. `Operation.again` repeats `step`; what is written and hashed so far is kept."""

    def __init__(
        self,
        operation: Operation,
        file: DriveFile,
        out: BinaryIO,
        pool: ThreadPoolExecutor,
        on_progress: OnProgress | None,
    ) -> None:
        self.received = 0
        self._operation = operation
        self._file = file
        self._out = out
        self._pool = pool
        self._on_progress = on_progress
        self._offset = 0
        self._furthest = 0
        self._hasher = Hasher(told_by(file).algorithm)
        self._hashed: Future[None] | None = None

    def step(self) -> None:
        """Fetch from where the last step stopped to the end. Raises a `PassingFault` if it stops before."""
        self.check_revision()  # on every start: two contents must not be joined
        if self._offset >= self._file.size:
            return
        url = self._operation.service.media_url(self._file.id)
        # gzip on the way would make offsets mean something else
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={self._offset}-"}
        with self._operation.send("GET", url, headers=headers, stream=True) as response:
            self._start_at(response)
            for piece in self._pieces(response):
                self._take(piece)
                if self._offset > self._file.size:
                    return  # more than there should be: `_fetch` finds out why
        if self._offset < self._file.size:
            raise self._operation.unavailable("the answer ended too soon")

    def take_from(self, path: Path) -> bool:
        """Whether a file of this machine is the content, by its size and checksum; then it is taken.

        It is hashed as it is copied: what it is afterwards is of no matter. Whatever is wrong with it, the
        bytes on Drive are right.
        """
        with contextlib.suppress(OSError):
            if path.is_file() and path.stat().st_size == self._file.size:
                with path.open("rb") as local:
                    while piece := local.read(PIECE):
                        self._out.write(piece)
                        self._hasher.update(piece)
        if self._hasher.content() == told_by(self._file):
            return True
        self._restart()
        return False

    def content(self) -> Content:
        """Size and checksum of everything that was written."""
        if self._hashed is not None:
            self._hashed.result()
        return self._hasher.content()

    def _start_at(self, response: requests.Response) -> None:
        if response.status_code == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {self._offset}-"):
                raise self._operation.unavailable("the answer began at another place than asked")
        elif response.status_code == 200:
            self._restart()  # the server sends everything, whatever was asked
        else:
            raise self._operation.error_for(response)

    def _restart(self) -> None:
        self.content()  # the hash thread must be done with the old hasher
        self._hasher, self._offset = Hasher(told_by(self._file).algorithm), 0
        self._out.seek(0)
        self._out.truncate()

    def _pieces(self, response: requests.Response) -> Iterator[bytes]:
        broken = ""
        try:
            yield from response.iter_content(PIECE)
        except requests.RequestException as error:
            broken = fault_words(error)
        if broken:
            raise self._operation.unavailable(broken)

    def _take(self, piece: bytes) -> None:
        self._out.write(piece)
        if self._hashed is not None:
            self._hashed.result()  # one piece in the thread, one here: memory stays flat
        self._hashed = self._pool.submit(self._hasher.update, piece)
        self._offset += len(piece)
        self.received += len(piece)
        if self._offset > self._furthest:
            self._furthest = self._offset
            self._operation.accepted()
        if self._on_progress is not None:
            self._on_progress(self._offset, self._file.size)

    def check_revision(self) -> None:
        """One attempt to see that the file is still the one that was listed. Raises `FileReplaced`."""
        operation, file = self._operation, self._file
        fields = "headRevisionId,md5Checksum"
        request = operation.service.files.get(fileId=file.id, fields=fields, supportsAllDrives=True)
        now = operation.attempt(request, _Revision)
        md5 = now.md5_checksum.lower()
        revision = now.head_revision_id or md5
        if (revision, md5) != (file.head_revision_id, file.md5):
            raise FileReplaced(
                operation.what,
                f"The file {file.id} has other content on Drive now: revision {revision} "
                f"instead of {file.head_revision_id}.",
                "run the same step again: it takes the new content",
            )
