"""How a new day differs from those that were there, and what became of them."""

from dataclasses import dataclass
from typing import Final


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

    @property
    def lost(self) -> str:
        """The same in words."""
        much = " and ".join(f"{count:,} {noun}" for count, noun in self.withdrawn if count)
        example = f", for example {', '.join(self.examples)}" if self.examples else ""
        return f"{much} that the new one lacks{example}"


@dataclass(frozen=True)
class Replacement:
    """What became of the days that were there: all that the new one lacks goes on in it, or is given up."""

    difference: Difference
    given_up: bool = False


NOTHING_REPLACED: Final = Replacement(Difference())
