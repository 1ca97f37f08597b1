"""The overwrite policy: three words that hold for a local day, a zip, the Drive copy and a restore.

LangSmith forgets. A day fetched again after its retention ended comes back emptier, so the default replaces
a day only by one that holds every run, every attachment and every feedback record of the old.
"""

from dataclasses import dataclass
from typing import Final, Literal

from lse_dagster.day.errors import OverwriteRefused
from lse_dagster.errors import ArchiveError

Overwrite = Literal["never", "superset", "always"]
"""`never` refuses an existing day, `superset` allows one that loses nothing of it, `always` asks nothing."""


@dataclass(frozen=True)
class Replacement:
    """What replacing an old day by a new one does: `added` and `lost` count runs."""

    added: int
    lost: int
    lost_attachments: int
    lost_feedback: int
    lost_examples: tuple[str, ...]

    @property
    def loses_anything(self) -> bool:
        """Whether the old day holds what the new one lacks."""
        return bool(self.lost or self.lost_attachments or self.lost_feedback)


NOTHING_REPLACED: Final = Replacement(0, 0, 0, 0, ())


def refuse_existing(what: str, where: str) -> OverwriteRefused:
    """The error of `never`."""
    return OverwriteRefused(
        what,
        f"There is one already at {where}, and overwrite is `never`.",
        "Keep it, or run again with `overwrite: superset` (loses no run) or `overwrite: always` (`--force`).",
    )


def refuse_loss(what: str, where: str, replacement: Replacement) -> OverwriteRefused:
    """The error of `superset` when something would be lost."""
    counts = (
        (replacement.lost, "runs"),
        (replacement.lost_attachments, "attachments"),
        (replacement.lost_feedback, "feedback records"),
    )
    lost = [(count, noun) for count, noun in counts if count]
    return OverwriteRefused(
        what,
        f"{where} holds {' and '.join(f'{count:,} {noun}' for count, noun in lost)} that the new one lacks, "
        "for example "
        f"{', '.join(replacement.lost_examples)}. LangSmith may have forgotten them.",
        f"Keep it. To give these {lost[0][1]} up, run again with `overwrite: always` (`--force`).",
    )


def refuse_unreadable(what: str, where: str, error: ArchiveError) -> OverwriteRefused:
    """The error of `superset` when nobody can tell what would be lost."""
    return OverwriteRefused(
        what,
        f"What is at {where} cannot be read: {error.why}",
        "Look at it. To replace it all the same, run again with `overwrite: always` (`--force`).",
    )
