"""Downloading what runs name but do not hold, while the day is fetched: presigned URLs expire.

A few threads of their own do it, behind a short queue: who adds faster than they download waits, so memory
stays flat. What cannot be had is recorded and never fails the day; a disk that fails does.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec

from lse_dagster.day.errors import DiskError
from lse_dagster.day.file_table import FileEntry
from lse_dagster.day.run_names import attachment_file_name
from lse_dagster.day.summary import MissingAttachment
from lse_dagster.errors import ArchiveError, OnRetry, without_a_word
from lse_dagster.langsmith.attachment_hosts import AttachmentHosts
from lse_dagster.langsmith.blobs import BlobClient, DownloadFailed, host_of
from lse_dagster.langsmith.errors import Cancelled, Unavailable
from lse_dagster.net.backoff import pause
from lse_dagster.run.attachments import PresignedDownload, presigned_downloads
from lse_dagster.run.identity import InvalidRun

Refresh = Callable[[str], bytes | msgspec.Raw | None]
"""Fetches a run again by its id, for URLs that are good again; None when LangSmith no longer has it."""

_QUEUED_PER_WORKER: Final = 8


@dataclass(frozen=True)
class DownloadTraffic:
    """What the downloads have taken so far: bytes received, requests, and how many of these again."""

    bytes: int
    requests: int
    retries: int


@dataclass(frozen=True)
class AttachmentsKept:
    """What lies in the folder now, what does not and why, and what it took."""

    files: dict[str, FileEntry]
    missing: list[MissingAttachment]
    traffic: DownloadTraffic


class AttachmentDownloads:
    """Files of one day on their way. As a context manager it leaves no thread behind that writes.

    The threads share what is below `_lock`; nobody else touches it.
    """

    def __init__(
        self,
        folder: Path,
        endpoint: str,
        *,
        hosts: AttachmentHosts | None = None,
        refresh: Refresh | None = None,
        workers: int = 4,
        patience: float = 300.0,
        on_retry: OnRetry = without_a_word,
        sleep: Callable[[float], object] | None = None,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`endpoint` is the configured one, as v1 may give URLs without a host; `hosts` says whom to ask, by
        default as for a server without LSE_ATTACHMENT_HOSTS; `on_retry` hears of all waiting, and `patience`
        is in seconds of it per file.

        `refresh` is called by the threads that download; it must not wait for someone who waits in `add`.
        """
        self._folder = folder
        self._endpoint = endpoint
        self._refresh = refresh
        self._patience = patience
        self._on_retry = on_retry
        self._jitter = jitter
        self._cancelled = threading.Event()
        self._sleep = sleep or self._cancelled.wait
        self._blobs = BlobClient(
            hosts or AttachmentHosts.of(endpoint),
            connections=workers,
            on_bytes=self._count_bytes,
            clock=clock,
        )
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="attachment")
        self._slots = threading.Semaphore(workers * (1 + _QUEUED_PER_WORKER))
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._files: dict[str, FileEntry] = {}
        self._missing: list[MissingAttachment] = []
        self._under_way: set[Future[None]] = set()
        self._bytes = self._requests = self._retries = 0
        self._out_of_order = False
        self._unknown_hosts: dict[str, str] = {}
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()
        self._close()

    def add(self, raw: bytes | msgspec.Raw) -> None:
        """Begin to download what a run names; waits while too much is under way. From any thread.

        The same file is downloaded once, however often its run is added. Raises `InvalidRun`, the
        `DiskError` of an earlier download, and `Cancelled`.
        """
        for wanted in presigned_downloads(raw, self._endpoint):
            self._begin(wanted)

    def finish(self) -> AttachmentsKept:
        """Wait for all downloads; the folder then holds exactly `files`, not yet flushed.

        Raises `DiskError`, and `Cancelled` after `cancel`.
        """
        with self._lock:
            under_way = set(self._under_way)
        # Not for the threads: Python 3.11 takes one for ended whose `join` was interrupted (gh-90882).
        wait(under_way)
        self._raise_if_stopped()
        self._close()
        missing = sorted(self._missing, key=lambda lost: (lost.run_id, lost.kind, lost.name))
        files = {name: self._files[name] for name in sorted(self._files)}
        return AttachmentsKept(files, missing, self.traffic)

    @property
    def traffic(self) -> DownloadTraffic:
        """What the downloads have taken so far. From any thread."""
        with self._lock:
            return DownloadTraffic(self._bytes, self._requests, self._retries)

    def cancel(self) -> None:
        """End all downloads and all waiting, without waiting for it. From any thread; again is harmless."""
        self._cancelled.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._blobs.end()

    def _close(self) -> None:
        self._threads.shutdown(wait=True)
        self._blobs.close()

    def _begin(self, wanted: PresignedDownload) -> None:
        name = attachment_file_name(wanted.run_id, wanted.kind, wanted.name)
        with self._lock:
            if name in self._seen:
                return
            self._seen.add(name)
        self._slots.acquire()
        try:
            self._raise_if_stopped()
            under_way = self._threads.submit(self._work, wanted, name)
        except (RuntimeError, ArchiveError):
            self._slots.release()
            self._raise_if_stopped()
            raise
        with self._lock:
            self._under_way.add(under_way)
        under_way.add_done_callback(self._done)

    def _done(self, download: Future[None]) -> None:
        with self._lock:
            self._under_way.discard(download)
        self._slots.release()

    def _work(self, wanted: PresignedDownload, name: str) -> None:
        try:
            self._keep(wanted, name)
        except Cancelled:
            # Of `refresh` perhaps: this file is neither kept nor missing, so `finish` must not succeed.
            self.cancel()
        except Exception as error:
            # The first error ends all downloads; `add` and `finish` raise it.
            with self._lock:
                self._failure = self._failure or error
            self.cancel()

    def _keep(self, wanted: PresignedDownload, name: str) -> None:
        path = self._folder / name
        try:
            entry = self._download(wanted, path)
        except DownloadFailed as failure:
            with _disk_errors(path):
                path.unlink(missing_ok=True)
            with self._lock:
                self._missing.append(MissingAttachment(wanted.run_id, wanted.kind, wanted.name, failure.why))
            return
        with self._lock:
            self._files[name] = entry

    def _download(self, wanted: PresignedDownload, path: Path) -> FileEntry:
        """Try until it is there, it is refused with a fresh URL too, or the patience is used up."""
        url, refreshed = wanted.url, False
        waited, attempt = 0.0, 0
        # While the store is out of order for others, one try will do: a day is not to wait for each file.
        patience = 0.0 if self._out_of_order else self._patience
        while True:
            try:
                entry = self._try(url, path)
            except DownloadFailed as failure:
                if failure.passing:
                    waited += self._wait_after(failure, url, attempt, patience - waited)
                    attempt += 1
                elif refreshed or self._refresh is None or not failure.another_url:
                    raise
                else:
                    url, refreshed = self._fresh_url(wanted, failure, self._refresh), True
                with self._lock:
                    self._retries += 1
            else:
                self._out_of_order = False
                return entry

    def _try(self, url: str | None, path: Path) -> FileEntry:
        if url is None:
            raise DownloadFailed("LangSmith names it but gives no URL", passing=False)
        with self._lock:
            if (why := self._unknown_hosts.get(host_of(url))) is not None:
                raise DownloadFailed(why, passing=False, another_url=False)
            self._requests += 1
        with _disk_errors(path):
            blob = self._blobs.download(url, path)
        return FileEntry(bytes=blob.bytes, sha256=blob.sha256, runs=0)

    def _wait_after(self, failure: DownloadFailed, url: str | None, attempt: int, patience: float) -> float:
        """Wait before the next try; the seconds it took. Raises the failure if no other try is worth it."""
        host = host_of(url or "")
        seconds = pause(attempt, failure.retry_after or 0.0, self._jitter())
        if attempt + 1 == failure.most_tries:
            if failure.unknown_host:
                with self._lock:
                    self._unknown_hosts[host] = failure.why
            raise failure
        if seconds >= patience:
            self._out_of_order = True
            raise failure
        self._on_retry(
            Unavailable(
                f"Downloading attachments from {host}",
                f"{failure.why.removeprefix(f'{host}: ')}.",
                "What cannot be had in the end is recorded in the day's summary.",
            ),
            seconds,
        )
        self._wait(seconds)
        return seconds

    def _fresh_url(self, wanted: PresignedDownload, failure: DownloadFailed, refresh: Refresh) -> str:
        """The URL of the same file in the run as LangSmith sends it now."""
        try:
            raw = refresh(wanted.run_id)
            named = presigned_downloads(raw, self._endpoint) if raw is not None else []
        except Cancelled:
            raise
        except (ArchiveError, InvalidRun) as error:
            why = error.why if isinstance(error, ArchiveError) else str(error)
            raise DownloadFailed(f"{failure.why}; no fresh URL could be had: {why}", passing=False) from error
        same = (wanted.run_id, wanted.kind, wanted.name)
        found = next((new.url for new in named if (new.run_id, new.kind, new.name) == same), None)
        if found is None:
            raise DownloadFailed(f"{failure.why}; LangSmith gives no other URL for it", passing=False)
        return found

    def _wait(self, seconds: float) -> None:
        self._sleep(seconds)
        if self._cancelled.is_set():
            raise Cancelled

    def _count_bytes(self, count: int) -> None:
        if self._cancelled.is_set():
            raise Cancelled
        with self._lock:
            self._bytes += count

    def _raise_if_stopped(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._cancelled.is_set():
            raise Cancelled


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(f"Keeping the attachment {path.name}", error) from error
