"""Giving the memory of large answers back to the system as soon as they are done with.

Left alone, glibc raises the size from which it does so to that of the largest block it has seen freed
(mallopt(3), `M_MMAP_THRESHOLD`). Pages of runs then stay in the heaps of a dozen threads: 60 MB more for a
day of 4 GB.
"""

import ctypes
import sys
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 1 << 20


def return_large_blocks() -> None:
    """Let this process return blocks of 1 MiB and more when they are freed. Does nothing without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
