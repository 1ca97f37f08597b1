"""What a day of a range lacks, from what lies where: which steps, and whether somebody is asked first.

As far as is cheap: files are looked at by name and size, a zip is hashed and compared with what Drive
reports, and LangSmith counts only the days that may have grown since they were fetched. `lse verify` reads
every byte.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from lse_dagster.calendar.days import CalendarDay
from lse_dagster.calendar.rules import KnownDay, Rule
from lse_dagster.cli.running.outcome import Step
from lse_dagster.day.errors import BrokenDay
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.zip.file import summary_in_zip
from lse_dagster.run.times import parse_time
from lse_dagster.steps.zip_proof import PROVED, is_copy_of

if TYPE_CHECKING:
    from lse_dagster.drive.file import DriveFile

Reason = Literal["short", "unfinished", "changed", "there"]
"""Why somebody is asked: LangSmith counts more, runs had not ended, places differ; or a day is just there."""

ALL_STEPS: Final[tuple[Step, ...]] = ("fetch", "zip", "upload")


@dataclass(frozen=True)
class Lack:
    """The steps that a day needs; none: it is whole. `reason`: why they would replace something."""

    steps: tuple[Step, ...] = ()
    reason: Reason | None = None
    why: str = ""


WHOLE: Final = Lack()
ASKED: Final = Lack(ALL_STEPS, "there")
"""Everything is done anew, if that is wanted."""


def may_have_grown(day: CalendarDay, rule: Rule, now: datetime) -> bool:
    """Whether LangSmith's count would tell more than the day itself does.

    LangSmith takes runs for a day after their own, and forgets them after the retention. It allows one count
    in ten seconds, so a day that was fetched after all had arrived is not counted.
    """
    if day.local.summary is None or now >= rule.expires(day.day):
        return False
    return KnownDay.of(day.local.summary, on_drive=False).was_early(day.day)


def lack_of(day: CalendarDay, step: Step | None = None) -> Lack:
    """What the day lacks by names, sizes and counts: what was never done before what would be replaced.

    `step`: only what that one brings.
    """
    return next((lack for lack in _lacks(day) if step is None or step in lack.steps), WHOLE)


def _lacks(day: CalendarDay) -> Iterator[Lack]:
    local, zipped, copy = day.local, day.local.zip, day.on_drive
    if local.broken and copy is not None:
        yield Lack(ALL_STEPS, "changed", "The day folder cannot be read.")
    if local.broken or not (local.has_folder or copy is not None or (zipped is not None and zipped.whole)):
        yield Lack(ALL_STEPS)
    zip_is_right = zipped is not None and local.zip_is_of_folder
    if copy is None and zip_is_right and day.drive_known:
        yield Lack(("upload",))
    if copy is None and not zip_is_right:
        yield Lack(("zip", "upload"))
    if day.runs is not None and day.total is not None and day.runs < day.total:
        yield Lack(
            ALL_STEPS, "short", f"{day.runs:,} of the {day.total:,} runs that LangSmith counts are here."
        )
    if day.pending and not day.is_settled:
        yield Lack(ALL_STEPS, "unfinished", f"Unfinished when it was fetched: {day.pending:,} runs.")
    if zipped is not None and not zip_is_right:
        steps = ALL_STEPS[1:] if local.has_folder else ALL_STEPS
        yield Lack(steps, "changed", "The zip is cut off, or not of this day folder.")
    if day.drive_matches is False:
        yield _other_copy(has_folder=local.has_folder)


def difference_of(folder: DayFolder | None, zip_path: Path | None, copy: "DriveFile | None") -> Lack:
    """What a look into a day shows that seems whole: its folder, its zip, its copy, each with the next."""
    if folder is not None and (why := _damage(folder)) is not None:
        return Lack(ALL_STEPS, "changed", why)
    if folder is not None and zip_path is not None:
        head = summary_in_zip(zip_path, project=folder.project, day=folder.date)
        if head is None or head.sha256 != folder.summary.sha256:
            return Lack(("zip", "upload"), "changed", "The zip is not of this day folder.")
    if copy is not None and zip_path is not None and not is_copy_of(copy, zip_path):
        return _other_copy(has_folder=folder is not None)
    if copy is not None and zip_path is None:
        if copy.sha256 is not None and copy.app_properties.get(PROVED, copy.sha256) != copy.sha256:
            steps = ALL_STEPS if folder is None else ALL_STEPS[1:]
            return Lack(steps, "changed", "The copy on Drive is not the zip that was proved.")
        fetched = parse_time(folder.summary.fetched_at) if folder is not None else None
        if fetched is not None and copy.modified_time < fetched:
            return Lack(ALL_STEPS[1:], "changed", "The copy on Drive is older than the day folder.")
    return WHOLE


def difference_from_copy(folder: DayFolder, zip_path: Path | None, copy: "DriveFile") -> Lack:
    """What a look shows of a day that is here and would be restored; `WHOLE` where the copy says the same.

    Without its zip: a folder that was made here after our copy last changed, of a day fetched before that,
    came from that copy. Else nothing tells (a day of the first system may be brought over any time), and
    somebody is asked.
    """
    lack = difference_of(folder, zip_path, copy)
    if lack == WHOLE and zip_path is None:
        made = datetime.fromtimestamp(folder.path.stat().st_mtime, UTC)
        is_ours = PROVED in copy.app_properties and folder.summary.langsmith_total is not None
        return WHOLE if is_ours and copy.modified_time <= made else ASKED
    return lack


def _other_copy(*, has_folder: bool) -> Lack:
    """It may be the zip that is damaged: where there is a folder it is looked at, and made anew if it is."""
    steps = ALL_STEPS[1:] if has_folder else ALL_STEPS[2:]
    return Lack(steps, "changed", "The copy on Drive is not of the zip here.")


def _damage(folder: DayFolder) -> str | None:
    """The first file that is not there or has another size."""
    try:
        folder.verify_names()
    except BrokenDay as error:
        return f"The day folder is damaged: {error.why}"
    for name, entry in folder.summary.files.items():
        if (folder.path / name).stat().st_size != entry.bytes:
            return f"The day folder is damaged: {name} has not the size that its summary says."
    return None
