"""The most memory that this process has held."""

import resource
import sys
from pathlib import Path
from typing import Final

_UNIT: Final = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
_STATUS: Final = Path("/proc/self/status")


def peak_bytes() -> int:
    """Of this process, or of its largest child if that is more.

    On Linux `ru_maxrss` begins with what the parent held when it started the process, so it is only taken for
    children, which cannot be asked; none of them counts as less than this process.
    """
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _UNIT
    return max(_own(), of_children)


def _own() -> int:
    try:
        lines = _STATUS.read_text().splitlines()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
