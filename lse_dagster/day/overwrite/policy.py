"""The overwrite policy: three words that hold for a local day, a zip, the Drive copy and a restore.

LangSmith forgets. A day fetched again comes back emptier once its retention has ended, so by default all that
was there goes on in what takes its place (`carry_over`), and nothing is replaced by what is older or less.
"""

from dataclasses import dataclass
from typing import Final, Literal

from lse_dagster.day.errors import OverwriteRefused

Overwrite = Literal["never", "superset", "always"]
"""`never` refuses an existing day, `superset` allows one that loses nothing of it, `always` asks nothing."""


@dataclass(frozen=True)
class Difference:
    """How a new day differs from those that were there."""

    added: int = 0
    """Runs that none of them held."""
    changed: int = 0
    """Runs that are there in another form now."""
    withdrawn_runs: int = 0
    """Runs, or older forms of them, that hold what the new day lacks."""
    withdrawn_attachments: int = 0
    withdrawn_feedback: int = 0
    withdrawn_records: int = 0
    """What the first system kept beside runs."""
    not_downloaded: int = 0
    """Attachments that the new day names and could not get; as the old one has them they go on."""
    examples: tuple[str, ...] = ()
    """Some of what the new day lacks."""

    @property
    def withdraws_anything(self) -> bool:
        """Whether an old day holds what the new one lacks."""
        return any(count for count, _ in self.withdrawn)

    @property
    def withdrawn(self) -> tuple[tuple[int, str], ...]:
        """How much of what the new day lacks."""
        return (
            (self.withdrawn_runs, "runs"),
            (self.withdrawn_attachments + self.not_downloaded, "attachments"),
            (self.withdrawn_feedback, "feedback records"),
            (self.withdrawn_records, "records of the first system"),
        )


@dataclass(frozen=True)
class Replacement:
    """What became of the days that were there: all that the new one lacks goes on in it, or is given up."""

    difference: Difference
    given_up: bool = False


NOTHING_REPLACED: Final = Replacement(Difference())

_KEEP: Final = (
    "Keep what is there; it is worth more. Only to give up what it holds: `overwrite: always` (`--force`)."
)


def refuse_existing(what: str, where: str) -> OverwriteRefused:
    """The error of `never`."""
    return OverwriteRefused(
        what,
        f"There is one already at {where}, and overwrite is `never`.",
        "Keep it, or run again with `overwrite: superset`, which loses nothing.",
    )


class HoldsMore(OverwriteRefused):
    """What is there holds what the new day lacks, or was fetched later. A step that can carries it over."""


def refuse_loss(what: str, where: str, difference: Difference) -> HoldsMore:
    """The error of `superset` when something would be lost."""
    lost = " and ".join(f"{count:,} {noun}" for count, noun in difference.withdrawn if count)
    example = f", for example {', '.join(difference.examples)}" if difference.examples else ""
    return HoldsMore(what, f"{where} holds {lost} that the new one lacks{example}.", _KEEP)


def refuse_older(what: str, where: str, *, there: str, new: str) -> HoldsMore:
    """The error of `superset` when a day would be replaced by an older one."""
    return HoldsMore(what, f"{where} was fetched at {there}, later than the new one ({new}).", _KEEP)
