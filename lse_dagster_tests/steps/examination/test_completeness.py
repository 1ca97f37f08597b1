"""Whether the traces of a day are whole: parents, and identities that agree with `dotted_order`."""

from pathlib import Path

from lse_dagster.steps.examination.completeness import Completeness, examine_traces
from lse_dagster_tests.worlds.runs import at, new_id, root
from lse_dagster_tests.worlds.staged import published_day

NOON = at("12:00:00")


def test_a_day_whose_parents_are_all_there_is_whole(tmp_path: Path) -> None:
    one, other = root(NOON), root(at("12:30:00"))
    child = one.child(at("12:00:01"))
    runs = [one, other, child, child.child(at("12:00:02"))]

    assert examine_traces(published_day(tmp_path, [run.raw() for run in runs])) == Completeness(4, (), ())


def test_a_parent_that_is_not_there_is_missed_by_each_of_its_children(tmp_path: Path) -> None:
    lost = root(NOON).child(at("12:00:01"))
    children = [lost.child(at("12:00:02")), lost.child(at("12:00:03"))]

    found = examine_traces(published_day(tmp_path, [child.raw() for child in children]))

    assert found == Completeness(2, tuple((child.id, lost.id) for child in children), ())
    assert not found.is_whole


def test_a_parent_in_the_file_of_another_trace_is_there(tmp_path: Path) -> None:
    parent, nowhere = root(NOON), new_id()
    strays = [root(at("11:00:00")), root(at("13:00:00")), root(at("14:00:00"))]
    named = [parent.id, parent.id, nowhere]
    raws = [stray.raw(parent_run_id=of) for stray, of in zip(strays, named, strict=True)]

    found = examine_traces(published_day(tmp_path, [parent.raw(), *raws]))

    assert found.missing_parents == ((strays[2].id, nowhere),)
    assert {run for run, _ in found.inconsistent} == {stray.id for stray in strays}


def test_a_parent_of_the_day_before_is_not_asked_for(tmp_path: Path) -> None:
    earlier = root(at("23:59:00", "2025-08-28"))

    found = examine_traces(published_day(tmp_path, [earlier.child(at("00:01:00")).raw()]))

    assert found.is_whole


def test_a_run_that_contradicts_its_dotted_order_is_told(tmp_path: Path) -> None:
    run = root(NOON)
    child = run.child(at("12:00:01"))
    other_parent = new_id()

    found = examine_traces(
        published_day(tmp_path, [run.raw(dotted_order="?"), child.raw(parent_run_id=other_parent)])
    )

    assert found.missing_parents == ((child.id, other_parent),)
    assert dict(found.inconsistent) == {
        run.id: "no valid dotted order: '?'",
        child.id: f"its parent is {run.id} there and {other_parent} in the run",
    }
