"""Comparing what a day holds with what LangSmith counts, now and when the day was fetched.

LangSmith forgets: after the retention it counts fewer runs than the archive holds, or none. That is what the
archive is for and no error, as long as the day matched when it was fetched.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """Whether a count holds, and why, in words a person can act on."""

    passed: bool
    why: str
    unverified: bool = False
    """Nobody ever counted, so it did not pass, and did not fail either."""


def compare_counts(noun: str, held: int, *, when_fetched: int, now: int | None) -> Verdict:
    """Compare the number held with LangSmith's. `now` is None when LangSmith could not be asked."""
    if now is None:
        if held == when_fetched:
            return Verdict(True, f"{held:,} {noun}, as LangSmith counted when the day was fetched.")
        return Verdict(
            False, f"{held:,} {noun}; LangSmith counted {when_fetched:,} when the day was fetched."
        )
    if held == now:
        return Verdict(True, f"{held:,} {noun}, as LangSmith counts now.")
    if held < now:
        return Verdict(
            False,
            f"{held:,} of {now:,} {noun}: {now - held:,} missing. Materialize `raw_runs` again.",
        )
    if held == when_fetched:
        return Verdict(
            True,
            f"{held:,} {noun}, as LangSmith counted when the day was fetched. It counts {now:,} now: "
            f"{held - now:,} were deleted there or have expired.",
        )
    return Verdict(
        False,
        f"{held:,} {noun}, but LangSmith counted {when_fetched:,} when the day was fetched and {now:,} now.",
    )


def compare_uncounted(noun: str, held: int, *, now: int | None) -> Verdict:
    """The same for a day that nobody counted when it was fetched.

    Only LangSmith's count now can verify it, as long as LangSmith still has the day.
    """
    if now == held:
        return Verdict(True, f"{held:,} {noun}, as LangSmith counts now.")
    if now is not None and held < now:
        return Verdict(
            False, f"{held:,} of {now:,} {noun}: {now - held:,} missing. Materialize `raw_runs` again."
        )
    counts = "cannot be asked" if now is None else f"counts {now:,} now"
    return Verdict(
        False,
        f"Unverified: {held:,} {noun} from the first system, which did not count; LangSmith {counts}.",
        unverified=True,
    )
