"""Old run files become days of ours: runs under their own dates, nothing replaced by less or deleted."""

import tarfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from lse_dagster.day.store import DayStore
from lse_dagster.steps.first_system.migrate import (
    Migrated,
    NoOldData,
    OldDataChanged,
    OldDataInTheWay,
    Plan,
    migrate_day,
    plan_migration,
)
from lse_dagster_tests.steps.first_system.first_system_files import SHARED, run_file
from lse_dagster_tests.worlds.runs import ARun, at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, content, publish

NEXT = date(2025, 8, 30)


def write_old(source: Path, runs: list[ARun], *, fetched: str = "2025-09-03", project: str = PROJECT) -> Path:
    """A folder as the first system left it, named by the date of the fetch."""
    folder = source / project / fetched
    folder.mkdir(parents=True, exist_ok=True)
    for run in runs:
        name, body = run_file(run, project=project)
        (folder / name).write_bytes(body)
    return folder


def migrate(source: Path, store: DayStore, project: str = PROJECT) -> tuple[Plan, list[Migrated]]:
    plan = plan_migration(source, store, project)
    return plan, [migrate_day(plan, store, day) for day in plan.files]


def test_runs_go_to_their_own_dates_and_a_trace_is_whole_where_it_began(tmp_path: Path) -> None:
    trace = root(at("23:59:59"))
    child = trace.child(at("00:00:01", "2025-08-30"))
    other = root(at("10:00:00"))
    folder = write_old(tmp_path / "old", [trace, child, other])
    before = content(folder)
    store = DayStore(tmp_path / "data")

    plan, days = migrate(tmp_path / "old", store)

    assert [(day.day, day.result, day.runs) for day in days] == [(DAY, "written", 2), (NEXT, "written", 1)]
    assert plan.unusable == ()
    assert store.load(PROJECT, DAY).run_ids() == {trace.id, child.id, other.id}
    assert store.load(PROJECT, NEXT).run_ids() == {child.id}
    assert store.load(PROJECT, DAY).summary.unverified is not None
    assert content(folder) == before


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    write_old(tmp_path / "old", [root(at("10:00:00"))])
    store = DayStore(tmp_path / "data")
    migrate(tmp_path / "old", store)
    before = content(store.day_path(PROJECT, DAY))

    _, days = migrate(tmp_path / "old", store)

    assert [day.result for day in days] == ["unchanged"]
    assert content(store.day_path(PROJECT, DAY)) == before
    assert not store.staging_path(PROJECT, DAY).exists()


def test_a_day_that_we_fetched_stays_and_what_only_the_old_files_have_is_counted(tmp_path: Path) -> None:
    ours, both, theirs = (root(at(f"{hour}:00:00")) for hour in (10, 11, 12))
    store = DayStore(tmp_path / "data")
    publish(store, [ours.raw(), both.raw()])
    before = content(store.day_path(PROJECT, DAY))
    write_old(tmp_path / "old", [both, theirs])

    _, (day,) = migrate(tmp_path / "old", store)

    assert (day.result, day.only_old) == ("kept", 1)
    assert content(store.day_path(PROJECT, DAY)) == before


def test_a_day_that_was_empty_when_we_fetched_it_is_filled(tmp_path: Path) -> None:
    store = DayStore(tmp_path / "data")
    publish(store, [])
    old = root(at("10:00:00"))
    write_old(tmp_path / "old", [old])

    _, (day,) = migrate(tmp_path / "old", store)

    assert day.result == "written"
    assert store.load(PROJECT, DAY).run_ids() == {old.id}


def test_a_migrated_day_grows_and_never_shrinks(tmp_path: Path) -> None:
    store = DayStore(tmp_path / "data")
    first, second = root(at("10:00:00")), root(at("11:00:00"))
    write_old(tmp_path / "one", [first])
    write_old(tmp_path / "both", [first, second])

    results = [migrate(tmp_path / source, store)[1][0].result for source in ("one", "both", "one")]

    assert results == ["written", "written", "kept"]
    assert store.load(PROJECT, DAY).run_ids() == {first.id, second.id}
    assert not store.staging_path(PROJECT, DAY).exists()


def test_what_cannot_be_brought_over_is_named(tmp_path: Path) -> None:
    good = root(at("10:00:00"))
    folder = write_old(tmp_path / "old", [good])
    (folder / "11111111-0000-4000-8000-000000000000_010203.json").write_text("{")
    (folder / "notes.txt").write_text("x")
    (folder / "_summary.json").write_text('{"files": ["22222222-0000-4000-8000-000000000000_010203.json"]}')
    stranger = run_file(root(at("11:00:00")), project="another")
    (folder / stranger[0]).write_bytes(stranger[1])

    plan, (day,) = migrate(tmp_path / "old", DayStore(tmp_path / "data"))

    assert day.runs == 1
    assert {(unusable.path.name[:8], unusable.why.split(":")[0][-20:]) for unusable in plan.unusable} == {
        (
            "11111111",
            "11111111-0000-4000-8000-000000000000_010203.json is no run file of the first system"[-20:],
        ),
        ("22222222", "named in _summary.json, and in no folder"[-20:]),
        ("notes.tx", "not a run file"[-20:]),
        (stranger[0][:8], "of the project 'another'"[-20:]),
    }


def test_a_run_nested_beyond_all_reason_comes_over_in_a_file_of_its_own(tmp_path: Path) -> None:
    good = root(at("10:00:00"))
    folder = write_old(tmp_path / "old", [good])
    deep = run_file(root(at("11:00:00")), inputs="here")
    (folder / deep[0]).write_bytes(deep[1].replace(b'"here"', b"[" * 100_000 + b"]" * 100_000))

    plan, (day,) = migrate(tmp_path / "old", DayStore(tmp_path / "data"))

    assert day.runs == 2
    assert plan.unusable == ()


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b"{")], ids=["gone", "broken"])
def test_a_file_that_changes_while_it_is_brought_over_is_named_and_leaves_nothing(
    change: Callable[[Path], object], tmp_path: Path
) -> None:
    folder = write_old(tmp_path / "old", [root(at("10:00:00")), root(at("11:00:00"))])
    store = DayStore(tmp_path / "data")
    plan = plan_migration(tmp_path / "old", store, PROJECT)
    changed = max(folder.iterdir())
    change(changed)

    with pytest.raises(OldDataChanged, match=changed.name):
        migrate_day(plan, store, DAY)

    assert store.find(PROJECT, DAY) is None
    assert not store.staging_path(PROJECT, DAY).exists()


def test_a_run_whose_parent_was_never_archived_is_counted(tmp_path: Path) -> None:
    write_old(tmp_path / "old", [root(at("10:00:00")).child(at("10:00:01"))])

    _, (day,) = migrate(tmp_path / "old", DayStore(tmp_path / "data"))

    assert (day.runs, day.missing_parents) == (1, 1)


def test_old_files_in_our_own_data_directory_are_moved_aside_first(tmp_path: Path) -> None:
    folder = write_old(tmp_path / "data", [root(at("10:00:00"))], fetched="2025-08-29")
    before = content(folder)

    with pytest.raises(OldDataInTheWay) as refused:
        plan_migration(tmp_path / "data", DayStore(tmp_path / "data"), PROJECT)

    assert f"mv {folder} " in refused.value.next_step
    assert content(folder) == before


def test_a_directory_without_old_files_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(NoOldData):
        plan_migration(tmp_path, DayStore(tmp_path / "data"), PROJECT)


@pytest.mark.skipif(
    not SHARED.exists(), reason="the real files of the first system are not beside this checkout"
)
def test_the_real_files_of_both_formats_come_over_whole(tmp_path: Path) -> None:
    with tarfile.open(SHARED / "data.tar.gz") as archive:
        archive.extractall(tmp_path / "old", filter="data")

    plan, days = migrate(tmp_path / "old", DayStore(tmp_path / "data"))

    assert plan.unusable == ()
    assert [(str(day.day), day.result, day.runs, day.missing_parents) for day in days] == [
        ("2025-08-27", "written", 10, 0),
        ("2025-08-29", "written", 13, 0),
        ("2025-08-30", "written", 8, 0),
    ]
