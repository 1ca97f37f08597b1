"""What can go wrong with a day on the local disk: one type per cause."""

import errno
from datetime import date
from pathlib import Path
from typing import Final

from lse_dagster.advice import lse_command
from lse_dagster.errors import ArchiveError

_SOMETHING_ELSE: Final = frozenset({errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENOTEMPTY})
"""A folder in a file's place, a file in a folder's, a link to itself."""


def repair(project: str, day: date) -> str:
    """What to do about a day whose files are not what its summary says."""
    restore, fetch = (lse_command(f"archive {step}", project, day) for step in ("restore", "fetch"))
    return (
        f"Bring its copy back from Drive (`{restore}`), or fetch it again while LangSmith has it "
        f"(`{fetch}`). Neither gives up what can be read here."
    )


class NoSuchDay(ArchiveError):
    """There is no day where one was asked for."""

    def __init__(self, project: str, day: date, path: Path) -> None:
        super().__init__(
            f"Reading the day {day} of {project!r}",
            f"There is no day at {path}.",
            f"Run `{lse_command('archive fetch', project, day)}`, or bring it back: "
            f"`{lse_command('archive restore', project, day)}`.",
        )


class NoSuchZip(ArchiveError):
    """There is no day zip where one was asked for."""

    def __init__(self, project: str, day: date, path: Path) -> None:
        super().__init__(
            f"Reading the day zip {day} of {project!r}",
            f"There is no zip at {path}.",
            f"Make it first: materialize `day_zip`, or `{lse_command('archive zip', project, day)}`.",
        )


class DayIsBusy(ArchiveError):
    """Another process is writing the same day now."""

    transient = True

    def __init__(self, project: str, day: date, path: Path) -> None:
        super().__init__(
            f"Writing the day {day} of {project!r}",
            f"Another process is writing it now: {path} is locked.",
            "Wait until that process has ended, then run this again.",
        )


class OverwriteRefused(ArchiveError):
    """The overwrite policy forbids replacing what is there."""


class BrokenDay(ArchiveError):
    """Files of a day are missing, changed or unreadable."""


class BrokenZip(ArchiveError):
    """A day zip is damaged, incomplete, or not one of ours."""


class DiskError(ArchiveError):
    """The disk is full, read-only, or failing. What was there before is untouched."""

    def __init__(self, what: str, error: OSError) -> None:
        where = error.filename or "no file named"
        next_step = "Free space or fix the permissions of the folder, then run this again."
        if error.errno in _SOMETHING_ELSE:
            next_step = f"Look at what lies at {where} or above it, move it away, then run this again."
        super().__init__(what, f"{error.strerror or error} ({where}). Nothing was changed.", next_step)


class UnreadableFile(DiskError):
    """The disk does not give what lies in a place."""
