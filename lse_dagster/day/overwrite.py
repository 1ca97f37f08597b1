"""The overwrite policy: three words that hold for a local day, a zip, the Drive copy and a restore.

LangSmith forgets. A day fetched again after its retention ended comes back emptier, so the default replaces
a day only by one that holds every run of the old.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from lse_dagster.day.errors import OverwriteRefused
from lse_dagster.errors import ArchiveError

Overwrite = Literal["never", "superset", "always"]
"""`never` refuses an existing day, `superset` allows one that keeps every run, `always` asks nothing."""


@dataclass(frozen=True)
class Replacement:
    """What replacing an old day by a new one does to its runs."""

    added: int
    lost: int
    lost_examples: tuple[str, ...]


def compare_runs(old: AbstractSet[str], new: AbstractSet[str]) -> Replacement:
    """Compare the run ids of an old and a new day."""
    lost = old - new
    return Replacement(added=len(new - old), lost=len(lost), lost_examples=tuple(sorted(lost)[:3]))


def refuse_existing(what: str, where: str) -> OverwriteRefused:
    """The error of `never`."""
    return OverwriteRefused(
        what,
        f"There is one already at {where}, and overwrite is `never`.",
        "Keep it, or run again with `overwrite: superset` (loses no run) or `overwrite: always`.",
    )


def refuse_loss(what: str, where: str, replacement: Replacement) -> OverwriteRefused:
    """The error of `superset` when runs would be lost."""
    return OverwriteRefused(
        what,
        f"{where} holds {replacement.lost:,} runs that the new one lacks, for example "
        f"{', '.join(replacement.lost_examples)}. LangSmith may have forgotten them.",
        "Keep it (or restore it from Drive). To give these runs up, run again with `overwrite: always`.",
    )


def refuse_unreadable(what: str, where: str, error: ArchiveError) -> OverwriteRefused:
    """The error of `superset` when nobody can tell what would be lost."""
    return OverwriteRefused(
        what,
        f"What is at {where} cannot be read: {error.why}",
        "Look at it. To replace it all the same, run again with `overwrite: always`.",
    )
