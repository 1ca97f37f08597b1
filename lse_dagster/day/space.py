"""Room on the disk: how much is left, how much one more day takes, and how much nobody here may use.

Data, zips and Dagster's database mostly share one disk. When that is full nothing works any more, not even
what would say so; hence a part of it is left alone, and what would reach into it is refused before it starts:
a fetch, a zip, a download, an extraction, each on the disk that it writes to.
"""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from lse_dagster.day.names import is_trace_file_name
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import Summary
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
    """The disk is as good as full. Nothing was written, because it would have been full before the end."""


class DiskFillsUp(ArchiveError):
    """The disk will be full in some days."""


def free_bytes(path: Path) -> int:
    """What the disk has left on which the path is, or will be made. One that says no size is not full."""
    usage = shutil.disk_usage(_nearest(path))
    return usage.free if usage.total else sys.maxsize


def expect_room(place: Path, needed: int, what: str, free: FreeBytes) -> None:
    """Raises `NoRoom` if so many bytes do not fit on the disk of `place`. `what` begins its message."""
    left = free(place)
    if left < needed + KEPT_FREE:
        raise NoRoom(
            what,
            f"{place.absolute()} has {_gb(left)} free. Up to {_gb(needed)} are needed, and {_gb(KEPT_FREE)} "
            "are left alone for Dagster.",
            "Free some space: the job free_disk removes days that Drive holds verified. Then run this again; "
            "what a sensor has asked for is tried again by itself.",
        )


def needed_by_fetch(store: DayStore, project: str) -> int:
    """Bytes: for a day as large as the recent ones."""
    return int(_COPIES * max(_recent_sizes(store, project), default=0))


def needed_by_zip(summary: Summary) -> int:
    """Bytes: all of the attachments, which are packed already as a rule, and half of the JSON.

    The worst of deflate is a zip as large as its folder. That is no bound to refuse a day by: the JSON of
    runs takes a quarter to a tenth of its size. Of a day that is nothing but pictures in base64 (three
    quarters) what is kept free takes the rest, up to four gigabytes of it.
    """
    return sum(
        entry.bytes // 2 if is_trace_file_name(name) else entry.bytes for name, entry in summary.files.items()
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
    return f"{count / 1e9:,.3f} GB"
