"""The overwrite policy: three words that hold for a local day, a zip, the Drive copy and a restore.

LangSmith forgets. A day fetched again comes back emptier once its retention has ended, so by default all that
was there goes on in what takes its place (`carry_over`), and nothing is replaced by what is older or less.
Every place asks `decide` here; what it does then is its own matter.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from typing import Final, Literal

from lse_dagster.day.errors import BrokenZip, OverwriteRefused, UnreadableFile
from lse_dagster.day.identity import OtherProject, id_hash, is_other
from lse_dagster.day.overwrite.comparison import Comparison, ReadableDay
from lse_dagster.day.overwrite.difference import Difference, Replacement
from lse_dagster.day.overwrite.old_day import OldDay
from lse_dagster.day.summary import InvalidSummary, Summary
from lse_dagster.errors import ArchiveError

Overwrite = Literal["never", "superset", "always"]
"""`never` refuses an existing day, `superset` allows one that loses nothing of it, `always` asks nothing."""

_KEEP: Final = (
    "Keep what is there; it is worth more. Only to give up what it holds: `overwrite: always` (`--force`)."
)


def refuse_existing(what: str, where: str) -> OverwriteRefused:
    """The error of `never`."""
    return OverwriteRefused(
        what,
        f"There is one already at {where}, and overwrite is `never`.",
        "Keep it, or do the same again, in Dagster with `overwrite: superset`: nothing is lost by that.",
    )


class HoldsMore(OverwriteRefused):
    """What is there holds what the new day lacks, or was fetched later. A step that can carries it over."""


class UnreadableDay(ArchiveError):
    """What is there cannot be read whole, so nobody can tell all that it holds: it gets another name."""

    def __init__(self, what: str, where: str, why: str) -> None:
        super().__init__(
            what,
            f"{where} cannot be read whole: {why}",
            f"Give what lies there another name, then run this again: {where}",
        )


def decide(
    new: ReadableDay,
    old: AbstractContextManager[OldDay],
    overwrite: Overwrite,
    *,
    what: str,
    where: str,
    id_there: str,
) -> Replacement:
    """What becomes of what lies in the place of a new day. It is opened only where that matters.

    `id_there`: the hash of its project's id, as far as its place tells. Raises `OtherProject`,
    `OverwriteRefused` under `never`, under `superset` `HoldsMore` and `UnreadableDay`; `DiskError`.
    """
    project_id = new.summary.project_id
    if is_other(id_there, id_hash(project_id)):
        raise OtherProject(what, where, there=id_there, new=project_id)
    if overwrite == "never":
        raise refuse_existing(what, where)
    given_up = Replacement(Difference(), given_up=True)
    if overwrite == "always" and (id_there or not project_id):
        return given_up
    with ExitStack() as stack:
        try:
            there = stack.enter_context(old)
        except (BrokenZip, InvalidSummary, UnreadableFile) as error:
            if overwrite == "always":
                return given_up
            raise UnreadableDay(what, where, error.why) from error
        if overwrite == "always" and not is_other(there.summary.project_id, project_id):
            return given_up
        difference = may_replace(new, there, what=what)
        if there.damaged:
            raise UnreadableDay(what, where, there.damaged[0])
        return Replacement(difference)


def may_replace(new: ReadableDay, old: OldDay, *, what: str) -> Difference:
    """How a new day differs from an old one whose place it may take. Raises `HoldsMore`, `DiskError`.

    What cannot be read whole is protected by `decide`. Raises `OtherProject`.
    """
    if is_other(old.summary.project_id, new.summary.project_id):
        raise OtherProject(what, old.where, there=old.summary.project_id, new=new.summary.project_id)
    if old.summary.sha256 == new.summary.sha256 or not counts_beside(old.summary, new.summary.forced_at):
        return Difference()
    found = difference_of(new, [old])
    if found.withdraws_anything:
        raise HoldsMore(what, f"{old.where} holds {found.lost}.", _KEEP)
    is_older = standing(old.summary) > standing(new.summary) and (found.added or found.changed)
    if is_older and old.is_whole():
        at, new_at = old.summary.fetched_at, new.summary.fetched_at
        raise HoldsMore(what, f"{old.where} was fetched at {at}, later than the new one ({new_at}).", _KEEP)
    return found


def difference_of(new: ReadableDay, olds: Iterable[OldDay]) -> Difference:
    """How a new day differs from old ones. Raises `DiskError`, and as the new day's methods do."""
    with Comparison(new) as compared:
        compared.take_all(olds)
        return compared.difference()


def standing(summary: Summary) -> tuple[bool, str, bool]:
    """Of two days the one that stands higher is the day, and the other goes on in it.

    The one that was fetched later; but none that was fetched when LangSmith may have begun to forget it, and
    none that was seen to be dated by a wrong clock.
    """
    asked, outranks = summary.asked, summary.outranks
    whole = asked is None or asked.proves_whole
    return whole, max(summary.fetched_at, outranks or ""), outranks is not None


def counts_beside(summary: Summary, forced_at: str | None) -> bool:
    """Whether a day protects and contributes anything: not if another one was forced into place after it."""
    return forced_at is None or max(summary.fetched_at, summary.forced_at or "") >= forced_at
