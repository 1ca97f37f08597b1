"""Publishing a day: atomic, one writer at a time, and never at the cost of a run."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lse_dagster.day.errors import BrokenDay, DayIsBusy, DiskError, NoSuchDay, OverwriteRefused
from lse_dagster.day.names import SUMMARY, trace_file_name
from lse_dagster.day.overwrite.difference import NOTHING_REPLACED, Difference, Replacement
from lse_dagster.day.overwrite.policy import Overwrite
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import InvalidSummary
from lse_dagster.day.zip.store import ZipStore
from lse_dagster.run.times import iso_z
from lse_dagster.steps.zip import make_zip
from lse_dagster_tests.worlds.runs import at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, content, publish, stage


@pytest.fixture
def store(tmp_path: Path) -> DayStore:
    return DayStore(tmp_path / "data")


ONE, TWO = root(at("10:00:00")).raw(), root(at("11:00:00")).raw()
PENDING = root(at("12:00:00")).raw(status="PENDING", end_time=None)
LATER = datetime(2025, 8, 31, tzinfo=UTC)


def hidden_folders(store: DayStore) -> list[str]:
    folder = store.day_path(PROJECT, DAY).parent
    return [path.name for path in folder.iterdir() if path.name.startswith(".") and path.is_dir()]


def test_a_published_day_is_found_and_nothing_hidden_is_left(store: DayStore) -> None:
    published = publish(store, [ONE])

    found = store.load(PROJECT, DAY)

    assert found == published.day
    assert found.path == store.root / PROJECT / "2025-08-29"
    assert hidden_folders(store) == []


def test_a_staged_day_is_not_a_day_yet(store: DayStore) -> None:
    stage(store, [ONE])

    with pytest.raises(NoSuchDay):
        store.load(PROJECT, DAY)


def test_what_an_interrupted_fetch_left_behind_is_removed_by_the_next(store: DayStore) -> None:
    leftover = store.staging_path(PROJECT, DAY) / "day"
    leftover.mkdir(parents=True)
    (leftover / "half.json").write_text("{")

    published = publish(store, [ONE])

    assert "half.json" not in content(published.day.path)
    assert hidden_folders(store) == []


def test_an_error_while_staging_leaves_nothing_and_lets_others_write(store: DayStore) -> None:
    with pytest.raises(ZeroDivisionError), store.stage(PROJECT, DAY):
        raise ZeroDivisionError

    assert hidden_folders(store) == []
    publish(store, [ONE])


def test_a_second_writer_of_the_same_day_is_refused_and_the_first_goes_on(store: DayStore) -> None:
    staged = stage(store, [ONE])

    with pytest.raises(DayIsBusy):
        DayStore(store.root).stage(PROJECT, DAY)

    assert store.publish(staged, "superset").day.summary.counts.runs_started_in_day == 1


def test_the_default_replaces_a_day_by_one_that_holds_every_run_and_says_what_is_new(store: DayStore) -> None:
    publish(store, [ONE])

    published = publish(store, [ONE, TWO])

    assert published.replaced is not None
    assert published.replaced == Replacement(Difference(added=1))
    assert store.load(PROJECT, DAY).summary.counts.runs_started_in_day == 2


def test_the_default_refuses_a_day_that_would_lose_runs_and_names_one(store: DayStore) -> None:
    old = publish(store, [ONE, TWO]).day
    before = content(old.path)

    with pytest.raises(OverwriteRefused, match="1 runs that the new one lacks") as caught:
        publish(store, [ONE])

    assert "overwrite: always" in caught.value.next_step
    assert content(old.path) == before
    assert hidden_folders(store) == []


def test_a_day_that_langsmith_has_forgotten_does_not_wipe_the_archive(store: DayStore) -> None:
    publish(store, [ONE, TWO])

    with pytest.raises(OverwriteRefused):
        publish(store, [])


def test_the_default_refuses_a_day_and_a_zip_that_would_lose_feedback(
    store: DayStore, tmp_path: Path
) -> None:
    first, second = root(at("12:00:00")), root(at("13:00:00"))
    record = {first.id: [b'{"id":"opinion","run_id":"%s"}' % first.id.encode()]}
    runs = [first.raw(), second.raw()]
    old = store.publish(stage(store, [first.raw()], feedback=record), "superset").day
    zips = ZipStore(tmp_path / "archives")
    make_zip(zips, old, "superset")

    with pytest.raises(
        OverwriteRefused, match="1 feedback records that the new one lacks, for example opinion"
    ):
        store.publish(stage(store, runs), "superset")
    without = store.publish(stage(store, runs), "always").day
    with pytest.raises(OverwriteRefused, match="1 feedback records"):
        make_zip(zips, without, "superset")

    again = store.publish(stage(store, runs, feedback=record), "superset")
    assert again.replaced is not None
    assert not again.replaced.difference.withdraws_anything
    assert make_zip(zips, again.day, "superset").action == "built"


def test_a_day_that_comes_again_the_same_is_kept_with_its_zip(store: DayStore, tmp_path: Path) -> None:
    zips = ZipStore(tmp_path / "archives")
    old = publish(store, [ONE, TWO]).day
    make_zip(zips, old, "superset")
    before = content(old.path)

    again = store.publish(stage(store, [TWO, ONE], fetched_at=LATER), "superset")

    assert again.action == "kept"
    assert again.day == old == store.load(PROJECT, DAY)
    assert again.replaced == NOTHING_REPLACED
    assert content(old.path) == before
    assert hidden_folders(store) == []
    assert make_zip(zips, again.day, "superset").action == "kept"
    with store.locked(PROJECT, DAY):
        pass


def test_a_day_that_comes_again_the_same_takes_the_place_of_one_with_a_wrong_file(store: DayStore) -> None:
    old = publish(store, [ONE, TWO]).day
    file = old.path / next(old.summary.trace_names())
    file.write_bytes(file.read_bytes().replace(b"a run", b"a RUN"))

    again = store.publish(stage(store, [ONE, TWO], fetched_at=LATER), "superset")

    assert again.action == "written"
    again.day.verify_files()
    assert again.day.summary.fetched_at == iso_z(LATER)


def test_an_old_day_that_cannot_be_read_whole_is_set_aside(store: DayStore) -> None:
    old = publish(store, [ONE, TWO]).day
    first, second = (old.path / name for name in old.summary.trace_names())
    for number, damage in enumerate(
        (b"{}", second.read_bytes().replace(b'"trace_id":"', b'"trace_id":"\xff'))
    ):
        first.unlink(missing_ok=True)
        first.mkdir(exist_ok=True)
        second.write_bytes(damage)

        name = b"name %d" % number
        published = publish(store, [ONE.replace(b"a run", name), TWO.replace(b"a run", name)])

        aside = old.path.with_name(f"2025-08-29.damaged{f'-{number}' if number else ''}")
        assert published.set_aside == aside
        assert (aside / first.name).is_dir()
        assert (aside / second.name).read_bytes() == damage
        published.day.verify_files()
        assert hidden_folders(store) == []
        assert store.dates(PROJECT) == [DAY]


@pytest.mark.parametrize(
    ("runs", "total", "overwrite"),
    [
        pytest.param([ONE], 2, "superset", id="LangSmith counts otherwise"),
        pytest.param([PENDING], 1, "superset", id="a run is unfinished still"),
        pytest.param([ONE], 1, "always", id="always was asked for"),
    ],
)
def test_a_day_with_the_same_runs_is_written_again_where_that_tells_something(
    runs: list[bytes], total: int, overwrite: Overwrite, store: DayStore
) -> None:
    store.publish(stage(store, runs, total=1), "superset")

    again = store.publish(stage(store, runs, total=total, fetched_at=LATER), overwrite)

    assert again.action == "written"
    assert store.load(PROJECT, DAY).summary.fetched_at == iso_z(LATER)


def test_always_replaces_what_is_there(store: DayStore) -> None:
    publish(store, [ONE, TWO])

    publish(store, [ONE], "always")

    assert store.load(PROJECT, DAY).summary.counts.runs_started_in_day == 1


def test_never_refuses_before_and_at_publishing(store: DayStore) -> None:
    staged = stage(store, [ONE])
    store.publish(staged, "never")

    with pytest.raises(OverwriteRefused):
        store.refuse_if_exists(PROJECT, DAY, "never")
    with pytest.raises(OverwriteRefused):
        publish(store, [ONE], "never")


def test_a_folder_without_a_summary_is_not_a_day_and_is_set_aside(store: DayStore) -> None:
    path = store.day_path(PROJECT, DAY)
    path.mkdir(parents=True)
    (path / "mine.txt").write_text("keep")
    (path / trace_file_name("a trace", at("12:00:00"))).write_text("{}")

    with pytest.raises(InvalidSummary):
        store.load(PROJECT, DAY)

    published = publish(store, [ONE])

    assert published.set_aside is not None
    assert (published.set_aside / "mine.txt").read_text() == "keep"
    assert store.load(PROJECT, DAY)


def test_the_day_of_another_project_under_this_name_is_not_taken_for_ours(store: DayStore) -> None:
    published = publish(store, [ONE])
    other = store.day_path("My-Project", DAY)
    shutil.copytree(published.day.path, other)

    with pytest.raises(InvalidSummary, match="'my-project'"):
        store.load("My-Project", DAY)


def test_a_crash_between_the_two_renames_leaves_the_old_day(store: DayStore) -> None:
    # Where two folders cannot be exchanged in one step, the old day is retired first.
    day = publish(store, [ONE]).day
    retired = day.path.with_name(".2025-08-29.old")
    day.path.rename(retired)

    found = store.load(PROJECT, DAY)

    assert found.summary == day.summary
    assert not retired.exists()


@pytest.mark.parametrize("there", ["an empty folder", "a note", "no day", "a file", "a dead link"])
@pytest.mark.parametrize("by", ["stage", "load"])
def test_whatever_comes_to_lie_in_the_place_of_a_retired_day_does_not_cost_the_day(
    there: str, by: str, store: DayStore
) -> None:
    day = publish(store, [ONE]).day
    day.path.rename(day.path.with_name(".2025-08-29.old"))
    if there == "a file":
        day.path.write_text("mine")
    elif there == "a dead link":
        day.path.symlink_to("nowhere")
    else:
        day.path.mkdir()
        if there != "an empty folder":
            (day.path / ("note.txt" if there == "a note" else "_summary.json")).write_text("mine")

    if by == "stage" or there in {"no day", "a file", "a dead link"}:
        stage(store, [TWO]).staging.discard()

    assert store.load(PROJECT, DAY).summary == day.summary
    day.verify_files()
    texts = [path.read_text() for path in day.path.parent.rglob("*") if path.is_file()]
    assert ("mine" in texts) == (there not in {"an empty folder", "a dead link"})
    assert hidden_folders(store) == []


def test_a_link_that_leads_nowhere_is_set_aside_and_not_thrown_away(store: DayStore, tmp_path: Path) -> None:
    day = publish(store, [ONE, TWO]).day
    day.path.rename(tmp_path / "away")
    day.path.symlink_to(tmp_path / "unplugged")
    with pytest.raises(InvalidSummary, match="leads nowhere"):
        store.load(PROJECT, DAY)

    published = publish(store, [ONE])

    assert published.set_aside == day.path.with_name("2025-08-29.damaged")
    assert published.set_aside.readlink() == tmp_path / "unplugged"
    assert store.load(PROJECT, DAY).summary == published.day.summary
    assert hidden_folders(store) == []


def test_a_crash_after_the_second_rename_leaves_the_new_day(store: DayStore) -> None:
    day = publish(store, [ONE]).day
    shutil.copytree(day.path, day.path.with_name(".2025-08-29.old"))

    publish(store, [ONE, TWO])

    assert store.load(PROJECT, DAY).summary.counts.runs_started_in_day == 2
    assert hidden_folders(store) == []


def test_a_changed_and_a_missing_file_are_found(store: DayStore) -> None:
    day = publish(store, [ONE]).day
    (name,) = day.summary.files
    original = (day.path / name).read_bytes()
    day.verify_files()

    (day.path / name).write_bytes(original[:-2] + b" \n")
    with pytest.raises(BrokenDay, match="differs"):
        day.verify_files()

    (day.path / name).unlink()
    with pytest.raises(BrokenDay, match="missing"):
        day.verify_files()


def test_an_edited_summary_is_refused(store: DayStore) -> None:
    day = publish(store, [ONE]).day
    (entry,) = day.summary.files.values()
    text = day.summary_path.read_text()
    day.summary_path.write_text(text.replace(entry.sha256, "0" * 64))

    with pytest.raises(InvalidSummary, match="was changed"):
        store.load(PROJECT, DAY)


def test_the_dates_of_a_project_are_its_folders_in_order(store: DayStore) -> None:
    publish(store, [ONE])
    (store.root / PROJECT / "notes").mkdir()

    assert store.dates(PROJECT) == [DAY]
    assert store.dates("unknown") == []
    assert [day.date for day in store.days(PROJECT)] == [DAY]


def test_a_data_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "data"
    blocked.write_text("a file where the folder should be")

    with pytest.raises(DiskError, match="Nothing was changed"):
        DayStore(blocked).stage(PROJECT, DAY)


def test_the_summary_lies_in_the_folder_under_its_name(store: DayStore) -> None:
    day = publish(store, [ONE]).day

    assert day.summary_path == day.path / SUMMARY
