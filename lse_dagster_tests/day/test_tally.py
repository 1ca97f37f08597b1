"""Counting the runs of a day by type, status and hour: while they are written, and from their files."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.day.store import DayStore
from lse_dagster.day.writing.writer import DayWriter
from lse_dagster.run.tally import Tally
from lse_dagster.steps.examination.reading import examine_day
from lse_dagster_tests.worlds.runs import ARun, at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, published_day

MIDNIGHT = at("00:00:00")
KINDS = st.tuples(
    st.integers(-3_600, 26 * 3_600),
    st.sampled_from(["LLM", "tool", None]),
    st.sampled_from(["SUCCESS", "error", "PENDING", None]),
    st.sampled_from([None, "2025-08-29T23:00:00Z"]),
)


def while_written(folder: Path, runs: list[bytes]) -> Tally:
    with DayStore(folder).stage(PROJECT, DAY) as staging:
        writer = DayWriter(staging)
        writer.add(runs)
        return writer.tally()


def test_runs_are_counted_by_type_status_and_hour_whichever_api_sent_them(tmp_path: Path) -> None:
    llm, tool = root(at("00:00:00")), root(at("23:59:59.999999"))
    runs = [llm.raw(run_type="LLM", status="SUCCESS"), tool.raw(run_type="tool", status="error")]

    tally = examine_day(published_day(tmp_path, runs)).tally

    assert tally.by_type_and_status == {("llm", "success"): 1, ("tool", "error"): 1}
    assert tally.by_hour == {0: 1, 23: 1}


def test_a_run_that_says_neither_is_unknown_or_pending_as_long_as_it_has_not_ended(tmp_path: Path) -> None:
    ended = root(at("12:00:00")).raw(status=None)
    running = root(at("12:00:00")).raw(status=None, end_time=None)

    tally = examine_day(published_day(tmp_path, [ended, running])).tally

    assert tally.by_type_and_status == {("unknown", "unknown"): 1, ("unknown", "pending"): 1}


def test_what_langsmith_counts_for_another_day_is_not_counted(tmp_path: Path) -> None:
    began = root(at("23:00:00"))
    tail = began.child(at("00:30:00", "2025-08-30"))

    tally = examine_day(published_day(tmp_path, [began.raw(), tail.raw()])).tally

    assert tally.by_hour == {23: 1}


def test_a_run_that_was_patched_is_counted_once_in_its_later_form(tmp_path: Path) -> None:
    run = root(at("12:00:00"))

    tally = while_written(tmp_path, [run.raw(status="pending"), run.raw(status="error")])

    assert tally.by_type_and_status == {("unknown", "error"): 1}


@given(st.lists(KINDS, max_size=20))
def test_a_fetch_counts_what_its_files_say(
    kinds: list[tuple[int, str | None, str | None, str | None]],
) -> None:
    began = root(MIDNIGHT)
    runs = [began.raw()]
    for seconds, run_type, status, end_time in kinds:
        start = MIDNIGHT + timedelta(seconds=seconds)
        run: ARun = began.child(start) if seconds >= 0 else root(start)
        runs.append(run.raw(run_type=run_type, status=status, end_time=end_time))

    with TemporaryDirectory() as folder:
        counted = while_written(Path(folder) / "written", runs)
        from_files = examine_day(published_day(Path(folder) / "published", runs)).tally

    assert counted == from_files
    assert sum(counted.by_hour.values()) == 1 + sum(0 <= kind[0] < 86_400 for kind in kinds)
