"""A server that asks to wait for longer than anybody waits here: not waited for, and said with the time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

_LONGEST: Final = 31 * 86_400.0
"""Seconds. A date beyond it is as good as never, and one beyond the calendar none."""


@dataclass(frozen=True)
class ComeBack:
    """When to come back, in the words of an error."""

    why: str
    next_step: str

    @classmethod
    def after(cls, seconds: float, *, patience: float) -> Self:
        """In so many seconds from now; `patience` is what would have been waited."""
        seconds = min(seconds, _LONGEST)
        moment = datetime.now(UTC) + timedelta(seconds=seconds + 1)  # to the second, and not before
        return cls(
            f"The server asks to wait for {seconds:,.0f} s, and nobody waits here for longer than "
            f"{patience:,.0f} s.",
            f"Run this again after {moment:%Y-%m-%d %H:%M:%S} UTC.",
        )
