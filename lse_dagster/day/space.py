"""Room on the disk: how much is left, how much one more day takes, and how much nobody here may use.

Data, zips and Dagster's database mostly share one disk. When that is full nothing works any more, not even
what would say so; hence a part of it is left alone, and a fetch that would reach into it is refused before it
starts.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from lse_dagster.day.store import DayStore
from lse_dagster.errors import ArchiveError

KEPT_FREE: Final = 1_000_000_000
"""Bytes. Dagster writes some hundred kilobytes for each run; this lasts for months."""
_RECENT_DAYS: Final = 7
_COPIES: Final = 2.5
"""While a day is fetched it is there as spool and as folder, for a moment beside the old folder's zip."""
_WITH_ITS_ZIP: Final = 1.25

FreeBytes = Callable[[Path], int]
"""How many bytes can be written at a path that need not be there yet."""


class NoRoom(ArchiveError):
    """The disk is as good as full. A day was not fetched, because it would have been full before its end."""


class DiskFillsUp(ArchiveError):
    """The disk will be full in some days."""


def free_bytes(path: Path) -> int:
    """What the disk has left on which the path is, or will be made."""
    return shutil.disk_usage(_nearest(path)).free


def expect_room(store: DayStore, project: str, what: str, free: FreeBytes) -> None:
    """Raises `NoRoom` if a day as large as the recent ones would not fit. `what` begins its message."""
    needed = KEPT_FREE + int(_COPIES * max(_recent_sizes(store, project), default=0))
    left = free(store.root)
    if left < needed:
        raise NoRoom(
            what,
            f"{store.root.absolute()} has {_gb(left)} free. A day like the last ones takes up to "
            f"{_gb(needed - KEPT_FREE)}, and {_gb(KEPT_FREE)} are left alone for Dagster.",
            "Free some space: the job free_disk removes days that Drive holds verified. It is tried again.",
        )


def days_left(
    store: DayStore, projects: Iterable[str], archives: Path, free: FreeBytes
) -> Iterator[tuple[Path, float]]:
    """For how many days each disk lasts if all go on like the last ones; nothing without any to go by."""
    sizes = [_recent_sizes(store, project) for project in projects]
    per_day = sum(sum(one) / len(one) for one in sizes if one)
    if not per_day:
        return
    apart = _nearest(archives).stat().st_dev != _nearest(store.root).stat().st_dev
    yield store.root, (free(store.root) - KEPT_FREE) / (per_day if apart else per_day * _WITH_ITS_ZIP)
    if apart:
        yield archives, (free(archives) - KEPT_FREE) / (per_day * (_WITH_ITS_ZIP - 1))


def _nearest(path: Path) -> Path:
    """The path, or what is there of those above it: it lies, or will, on the same disk."""
    whole = path.absolute()
    return next(one for one in (whole, *whole.parents) if one.exists())


def _recent_sizes(store: DayStore, project: str) -> list[int]:
    sizes = []
    for day in store.dates(project)[-_RECENT_DAYS:]:
        try:
            sizes.append(store.load(project, day).summary.bytes)
        except ArchiveError:  # told by the day's own check
            continue
    return sizes


def _gb(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
