"""What replacing one day by another adds and loses, whatever the two hold."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.day.holdings import Held, Holdings
from lse_dagster.day.overwrite.policy import Replacement
from lse_dagster.day.trace_file import TraceFile

KINDS = ("run", "attachment", "feedback")
HELD = st.builds(Held, st.sampled_from(KINDS), st.sampled_from(["1", "2", "a", "A", "é", "\0", ""]))


class Day:
    """A day of traces that hold nothing by themselves."""

    def __init__(self, held: list[Held]) -> None:
        self._held = held

    def holdings(self) -> Iterator[Held]:
        return iter(self._held)

    def traces(self) -> Iterator[TraceFile]:
        return iter(())


@given(old=st.lists(HELD), new=st.lists(HELD))
def test_it_is_the_difference_of_the_two_by_kind(old: list[Held], new: list[Held]) -> None:
    with Holdings(iter(old)) as held:
        replacement = held.replaced_by(Day(new))

    lost, added = set(old) - set(new), set(new) - set(old)
    of_kind = {kind: sorted(held.id for held in lost if held.kind == kind) for kind in KINDS}
    assert replacement == Replacement(
        added=sum(held.kind == "run" for held in added),
        lost=len(of_kind["run"]),
        lost_attachments=len(of_kind["attachment"]),
        lost_feedback=len(of_kind["feedback"]),
        lost_examples=tuple(next((ids[:3] for ids in of_kind.values() if ids), [])),
    )
    assert replacement.loses_anything == bool(lost)
