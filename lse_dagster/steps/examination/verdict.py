"""Comparing what a day holds with what LangSmith counts, now and when the day was fetched.

LangSmith forgets, and people delete: sooner or later it counts fewer runs than the archive holds, or none,
and that may begin while a day is fetched. It is what the archive is for and no error, as long as the day held
as many as were counted after its last page.
"""

from dataclasses import dataclass

from lse_dagster.errors import printable


@dataclass(frozen=True)
class Verdict:
    """Whether a count holds, and why, in words a person can act on."""

    passed: bool
    why: str
    unverified: bool = False
    """Nobody ever counted, so it did not pass, and did not fail either."""
    only_warns: bool = False
    """Something is odd, and no reason to keep the day from travelling on."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "why", printable(self.why))  # it names files and repeats servers' words


def compare_counts(noun: str, held: int, *, when_fetched: int, now: int | None) -> Verdict:
    """Compare the number held with LangSmith's. `now` is None when LangSmith could not be asked."""
    if now is None:
        return Verdict(held >= when_fetched, _as_fetched(noun, held, when_fetched))
    if held == now:
        return Verdict(True, f"{held:,} {noun}, as LangSmith counts now.")
    if held < now:
        return Verdict(
            False,
            f"{held:,} of {now:,} {noun}: {now - held:,} missing. Fetch the day again.",
        )
    return Verdict(
        held >= when_fetched,
        f"{_as_fetched(noun, held, when_fetched)} It counts {now:,} now: "
        f"{held - now:,} were deleted there or have expired.",
    )


def _as_fetched(noun: str, held: int, when_fetched: int) -> str:
    if held == when_fetched:
        return f"{held:,} {noun}, as LangSmith counted when the day was fetched."
    counted = f"{held:,} {noun}; LangSmith counted {when_fetched:,} after they were fetched"
    if held > when_fetched:
        return f"{counted}: {held - when_fetched:,} were deleted there or expired meanwhile."
    return f"{counted}: {when_fetched - held:,} are missing."


def compare_uncounted(noun: str, held: int, *, now: int | None) -> Verdict:
    """The same for a day that nobody counted when it was fetched.

    Only LangSmith's count now can verify it, as long as LangSmith still has the day.
    """
    if now == held:
        return Verdict(True, f"{held:,} {noun}, as LangSmith counts now.")
    if now is not None and held < now:
        return Verdict(False, f"{held:,} of {now:,} {noun}: {now - held:,} missing. Fetch the day again.")
    counts = "cannot be asked" if now is None else f"counts {now:,} now"
    return Verdict(
        False,
        f"Unverified: {held:,} {noun} from the first system, which did not count; LangSmith {counts}.",
        unverified=True,
    )
