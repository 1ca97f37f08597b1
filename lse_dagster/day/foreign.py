"""What lies in a day folder and is not ours: no damage of the day, left out of it, and never thrown away.

File managers, editors, sync programs and network disks leave files of their own wherever they have been,
people leave notes. Nobody vouches for them, so they are not compared, not counted and not zipped.
"""

import os
import re
from pathlib import Path
from typing import Final

from lse_dagster.day.names import SUMMARY
from lse_dagster.day.run_names import is_day_file_name

_TOLD: Final = 3


def holds_day_files(folder: Path) -> bool:
    """Whether there is anything of a day in a folder, or nobody can tell."""
    try:
        with os.scandir(folder) as entries:
            return any(_is_ours(entry.name) for entry in entries)
    except OSError:
        return True


def foreign_names(folder: Path) -> list[str]:
    """What has no name that we give, sorted. Raises `OSError`."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not _is_ours(entry.name))


def move_foreign(old: Path, new: Path) -> None:
    """Move what is not ours out of a day folder that is to go; `new` is made for it. Raises `OSError`."""
    for name in foreign_names(old) if old.is_dir() else ():
        new.mkdir(exist_ok=True)
        (old / name).rename(new / name)


def left_out(names: list[str]) -> str:
    """What is said of files that are not ours, with the first few of their names; of none, nothing."""
    if not names:
        return ""
    more = f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else ""
    return f"Left out, because it is not of the day: {', '.join(map(repr, names[:_TOLD]))}{more}."


def _is_ours(name: str) -> bool:
    return name == SUMMARY or is_day_file_name(name)


_FOREIGN: Final = re.compile(
    r"""
    __MACOSX(/.*)?                              # Finder, in a zip
    | (.*/)?(
        \.DS_Store | \._.* | \.localized | Icon\r   # Finder
        | Thumbs\.db | ehthumbs\.db | desktop\.ini  # Explorer
        | \.directory | \.nfs[0-9a-f]+              # Dolphin; a file that was removed while it was open (NFS)
        | \..*\.sw[a-z] | .*~ | \.\#.* | \#.*\#     # editors
    )
    """,
    re.VERBOSE | re.DOTALL,
)


def is_foreign_file(name: str) -> bool:
    """Whether a file of this name is none of ours and no damage either: left out, whatever is in it."""
    return _FOREIGN.fullmatch(name) is not None
