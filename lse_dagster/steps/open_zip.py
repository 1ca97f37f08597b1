"""Opening a zip as an old day, whichever system made it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Final

from filelock import FileLock

from lse_dagster.day.disk import scratch_folder
from lse_dagster.day.errors import DiskError
from lse_dagster.day.overwrite.old_day import OldDay, OldFolder, OldZip
from lse_dagster.day.staging import Staging
from lse_dagster.day.zip.directory import ZipDirectory
from lse_dagster.day.zip.file import day_zip_in
from lse_dagster.steps.first_system.files import RunsOfOtherDays
from lse_dagster.steps.first_system.zips import is_first_system_zip, stage_first_system_zip

SCRATCH: Final = ".compare-"
"""What the folders are called in which an old day lies while it is compared."""


@contextmanager
def open_old_zip(path: Path, *, project: str, day: date, where: str | None = None) -> Iterator[OldDay]:
    """The day in a zip, which is opened once. Raises `BrokenZip`, `InvalidSummary`, `DiskError`.

    One of the first system is made a day of ours first, beside it. Runs of other days in it count as damage:
    they do not go on in this day, so the zip must stay.
    """
    with ExitStack() as stack:
        archive = stack.enter_context(ZipDirectory(path))
        if is_first_system_zip(archive):
            yield _first_system(stack, archive, project, day, where)
        else:
            yield OldZip(archive, day_zip_in(archive, project=project, day=day).summary, where=where)


def _first_system(
    stack: ExitStack, archive: ZipDirectory, project: str, day: date, where: str | None
) -> OldDay:
    try:
        folder = stack.enter_context(scratch_folder(archive.path.parent, SCRATCH))
        staging = Staging(project, day, folder, FileLock(folder / "lock"))
        damage = []
        try:
            staging.empty_content()
            staged = stage_first_system_zip(archive, staging)
        except RunsOfOtherDays as error:
            damage.append(error.why)
            staging.empty_content()
            staged = stage_first_system_zip(archive, staging, leave_out_others=True)
    except OSError as error:
        raise DiskError(f"Reading the zip of the first system {archive.path}", error) from error
    old = OldFolder(staged.day, where=where or str(archive.path))
    old.damaged += damage
    return old
