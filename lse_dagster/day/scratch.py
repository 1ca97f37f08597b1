"""Hidden folders for a moment's use, and removing those whose process was killed before it could.

Whoever uses one holds its lock, which is the kernel's and ends with the process, however that dies.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


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
