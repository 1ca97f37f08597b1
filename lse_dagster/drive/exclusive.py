"""A hidden file that one writer has for itself, over threads and processes, for as long as it is open.

The lock is the kernel's: it ends with its process, however that dies. What a dead writer left in the file is
still there for the next one.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class InUse(Exception):
    """Another writer has the file now."""


@contextlib.contextmanager
def exclusive_file(path: Path, *, mode: int) -> Iterator[BinaryIO]:
    """The file, made with this mode if it is not there, open for reading and writing at its beginning.

    Raises `InUse`, and `OSError` where it cannot be opened (a symbolic link is not followed).
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with open(descriptor, "r+b") as file:  # noqa: PTH123  a descriptor, not a path
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse from None
            if not _is_at(file, path):
                continue  # it was published or removed between opening and locking
            yield file
            return


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
