"""Whether a new day may take the place of an old one as it is, without anything carried over."""

from collections.abc import Iterable

from lse_dagster.day.identity import OtherProject, is_other
from lse_dagster.day.overwrite.comparison import Comparison, NewDay
from lse_dagster.day.overwrite.old_day import OldDay
from lse_dagster.day.overwrite.policy import Difference, refuse_loss, refuse_older
from lse_dagster.day.summary import Summary


def may_replace(new: NewDay, old: OldDay, *, what: str) -> Difference:
    """How a new day differs from an old one whose place it may take. Raises `HoldsMore`, `DiskError`.

    What cannot be read whole is protected by its caller, who sets it aside. Raises `OtherProject`.
    """
    if is_other(old.summary.project_id, new.summary.project_id):
        raise OtherProject(what, old.where, there=old.summary.project_id, new=new.summary.project_id)
    if old.summary.sha256 == new.summary.sha256 or not counts_beside(old.summary, new.summary.forced_at):
        return Difference()
    found = difference_of(new, [old])
    if found.withdraws_anything:
        raise refuse_loss(what, old.where, found)
    is_older = standing(old.summary) > standing(new.summary) and (found.added or found.changed)
    if is_older and old.is_whole():
        raise refuse_older(what, old.where, there=old.summary.fetched_at, new=new.summary.fetched_at)
    return found


def difference_of(new: NewDay, olds: Iterable[OldDay]) -> Difference:
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
