"""An upload session on disk, so that a new process goes on where a killed one stopped.

The caller says where: the day zips' callers name a hidden file beside the zip, on the same disk and with the
same life. It holds the session's address, which is a secret: mode 0600, never logged. It is removed when the
upload has come to its end, and good for exactly one upload: any difference in `SessionKey` begins anew.
"""

import contextlib
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from lse_dagster.drive.errors import UploadInProgress
from lse_dagster.drive.transfer.local_file import InUse, exclusive_file

LONGEST_AGE = 7 * 24 * 3600.0
"""Seconds that Drive keeps a session (November 2026)."""
_LARGEST = 64 * 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SessionKey:
    """Everything that must be the same for a session to be gone on with."""

    endpoint: str
    account: str
    folder_id: str
    """The folder of a file to be made; empty for new content of an old file."""
    name: str
    replaces: str
    """File id and head revision of the old content; empty for a file to be made."""
    local: tuple[int, int, int, int]
    """Device, inode, size in bytes and mtime in nanoseconds of the local file."""
    sha256: str | None = None
    """Of the content that is meant, if somebody says which: what rots keeps its mtime."""


@dataclass(frozen=True, kw_only=True)
class KeptSession:
    """A session that has begun. `began` in seconds since the epoch; `file_id` is the file that it fills."""

    key: SessionKey
    file_id: str
    began: float
    address: str = field(repr=False)
    schema: Literal["lse.upload-session/1"] = "lse.upload-session/1"


class SessionFile:
    """One place for one session. Made by `session_file`, whose block holds its lock; used by one thread."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self._kept = _read(file) if file is not None else None

    @property
    def is_empty(self) -> bool:
        """Whether no session is kept."""
        return self._kept is None

    def load(self, key: SessionKey, *, now: float) -> KeptSession | None:
        """The session for exactly this upload; one that is stale or for something else is forgotten."""
        kept = self._kept
        if kept is not None and (kept.key != key or not 0 <= now - kept.began < LONGEST_AGE):
            self.forget()
        return self._kept

    def keep(self, session: KeptSession) -> None:
        """Remember the session. A disk that refuses costs a resumption, never the upload."""
        if self._file is None:
            return
        self._kept = session
        try:
            os.fchmod(self._file.fileno(), 0o600)
            self._file.seek(0)
            self._file.truncate()
            self._file.write(msgspec.json.encode(session))
            self._file.flush()
        except OSError as error:
            _not_kept(error)

    def forget(self) -> None:
        """The session has come to its end. The file goes with the end of the block."""
        self._kept = None
        if self._file is not None:
            with contextlib.suppress(OSError):  # it is removed in any case
                self._file.truncate(0)


@contextlib.contextmanager
def session_file(path: Path | None, *, what: str) -> Iterator[SessionFile]:
    """The session at this path, ours alone; None keeps nothing. Raises `UploadInProgress`."""
    with contextlib.ExitStack() as stack:
        file: BinaryIO | None = None
        busy = False
        try:
            file = stack.enter_context(exclusive_file(path, mode=0o600)) if path is not None else None
        except InUse:
            busy = True
        except OSError as error:
            _not_kept(error)
        if busy:
            raise UploadInProgress(
                what,
                f"Another process is uploading it now ({path} is locked).",
                "wait until it is done, then run again",
            )
        session = SessionFile(file)
        try:
            yield session
        finally:
            if path is not None and file is not None and session.is_empty:
                path.unlink(missing_ok=True)


def _read(file: BinaryIO) -> KeptSession | None:
    """What the file holds; None if that is nothing, not a session, or not ours alone."""
    status = os.fstat(file.fileno())
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077 or status.st_size > _LARGEST:
        return None
    try:
        return msgspec.json.decode(file.read(), type=KeptSession)
    except (msgspec.MsgspecError, OSError):
        return None


def _not_kept(error: OSError) -> None:
    _log.warning(
        "The upload session cannot be kept (%s): if this process dies, the upload starts from the beginning.",
        error.strerror or type(error).__name__,
    )
