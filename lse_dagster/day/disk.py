"""Getting files onto the disk for good: flushing, atomic replacement, exchanging two folders.

And what need not outlive its process: hidden folders for a moment's use, private SQLite files.

The flush of many files is one wait for all of them: a wait per file would cost more than the fetch.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count, islice
from pathlib import Path
from threading import Lock

_THREADS = 16
_PORTION = 16
BINARY = getattr(os, "O_BINARY", 0)  # Windows would change line ends
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h


def write_new_file(path: Path, content: bytes | bytearray) -> None:
    """Write a file that is not there yet, all of it or an error. Raises `OSError`.

    Cheaper than a Python file object, which counts where a day has 100,000 files.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o666)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]  # a nearly full disk takes a part first
    finally:
        os.close(descriptor)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk has no links. Raises `OSError`."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EXDEV, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}:
            raise
        shutil.copyfile(source, target)


def flush_files(paths: Iterable[Path]) -> None:
    """Flush the content of files to disk.

    Many at once, so that the file system gathers them into few commits of its journal. They are taken from
    `paths` as they are flushed.
    """
    remaining, turn = iter(paths), Lock()

    def take() -> list[Path]:
        with turn:
            return list(islice(remaining, _PORTION))

    def flush() -> None:
        while portion := take():
            for path in portion:
                _flush_file(path)

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="flush") as threads:
        for flushed in [threads.submit(flush) for _ in range(_THREADS)]:
            flushed.result()


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | BINARY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def remove_whatever(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, if there is one; a link is not followed.

    What cannot be removed stays.
    """
    if path.is_symlink() or not path.is_dir():
        with suppress(OSError):
            path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def path_aside(place: Path, suffix: str = "") -> Path:
    """A free name for what lies in a place and cannot be read whole; the suffix stays at the end."""
    begin = f"{place.name.removesuffix(suffix)}.damaged"
    names = (f"{begin}-{number}{suffix}" if number else f"{begin}{suffix}" for number in count())
    return next(path for name in names if not os.path.lexists(path := place.with_name(name)))


def _load_renameat2() -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function  # type: ignore[no-any-return]


_renameat2 = _load_renameat2()


def private_database(path: Path | None, tables: str, *, cache_kib: int) -> sqlite3.Connection:
    """A new database in place of what lies there; without a path a temporary one.

    What it holds beyond the cache is on disk. Any thread may use it, one at a time. Raises `OSError`.
    """
    if path is not None:
        path.unlink(missing_ok=True)
    with sqlite_as_os_error("made"):
        connection = sqlite3.connect(path or "", isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        connection.executescript(tables)
        connection.execute("BEGIN")  # never committed
    return connection


@contextmanager
def sqlite_as_os_error(what: str) -> Iterator[None]:
    """Raise SQLite's errors, most of them of the disk, as `OSError`: it cannot be made, written, used."""
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(errno.EIO, f"a temporary database cannot be {what}: {error}") from error


@contextlib.contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new empty folder in `parent` that is gone at the end. Raises `OSError` where none can be made."""
    with contextlib.ExitStack() as stack:
        path = _make(stack, parent, prefix)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove the scratch folders in `parent` that no process uses; what cannot be removed stays."""
    for path in parent.glob(f"{prefix}*"):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            _lock(stack, path)
            shutil.rmtree(path)


def _make(stack: contextlib.ExitStack, parent: Path, prefix: str) -> Path:
    while True:
        path = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        try:
            _lock(stack, path)
        except (BlockingIOError, FileNotFoundError):
            continue  # another process has found it unlocked, and removes it
        except OSError:
            pass  # a file system without locks: nobody can remove it there
        return path


def _lock(stack: contextlib.ExitStack, path: Path) -> None:
    """Hold the folder as long as the stack. Raises `BlockingIOError` when it is used, `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if not os.path.samestat(os.fstat(descriptor), path.stat()):
        raise FileNotFoundError(path)
