"""Getting files onto the disk for good: flushing, atomic replacement, exchanging two folders.

The flush of many files is one wait for all of them: a wait per file would cost more than the fetch.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

_PORTION = 1_024
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h


def flush_files(paths: Iterable[Path]) -> None:
    """Flush the content of files to disk.

    Many at once, so that the file system gathers them into few commits of its journal.
    """
    remaining = iter(paths)
    with ThreadPoolExecutor(max_workers=32, thread_name_prefix="flush") as threads:
        # In portions: what waits for a thread takes 2 KB, and a day can have 100,000 files.
        while portion := list(islice(remaining, _PORTION)):
            for _ in threads.map(_flush_file, portion):
                pass


def _flush_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one atomic step. False where the system cannot, with nothing done."""
    if _renameat2 is None:
        return False
    if _renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}:
        return False
    raise OSError(code, os.strerror(code), str(other))


def _load_renameat2() -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function  # type: ignore[no-any-return]


_renameat2 = _load_renameat2()
