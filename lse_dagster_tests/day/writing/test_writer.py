"""What a day folder holds: membership, grouping, exact bytes, counts."""

import hashlib
import json
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from lse_dagster.day.names import SUMMARY, trace_file_name
from lse_dagster.day.store import DayStore
from lse_dagster.day.trace_file import decode_trace, read_trace_file
from lse_dagster.day.writing.writer import DayWriter
from lse_dagster_tests.worlds.runs import ARun, at, root
from lse_dagster_tests.worlds.staged import DAY, PROJECT, published_day, stage


def test_a_run_at_midnight_belongs_to_the_next_day(tmp_path: Path) -> None:
    first, last = root(at("00:00:00")), root(at("23:59:59.999999"))
    before, after = root(at("23:59:59.999999", "2025-08-28")), root(at("00:00:00", "2025-08-30"))

    day = published_day(tmp_path, [run.raw() for run in (before, first, last, after)])

    assert day.run_ids() == {first.id, last.id}
    assert day.summary.counts.runs_started_in_day == 2


def test_a_trace_across_midnight_is_whole_in_the_day_it_began_and_counts_only_what_started_in_it(
    tmp_path: Path,
) -> None:
    run = root(at("23:59:00"))
    tail = run.child(at("00:01:00", "2025-08-30"))

    day = published_day(tmp_path, [tail.raw(), run.raw()])

    (trace,) = day.traces()
    assert [json.loads(bytes(raw))["id"] for raw in trace.runs] == [run.id, tail.id]
    assert day.summary.counts.runs_started_in_day == 1
    assert day.summary.counts.tail_runs == 1


def test_the_later_runs_of_a_trace_that_began_earlier_stay_in_their_own_day(tmp_path: Path) -> None:
    earlier = root(at("23:59:00", "2025-08-28"))
    carried_over = earlier.child(at("00:01:00"))

    day = published_day(tmp_path, [carried_over.raw()])

    assert day.run_ids() == {carried_over.id}
    assert day.summary.counts.carried_over_runs == 1
    assert day.summary.counts.root_runs == 0
    assert list(day.summary.files) == [trace_file_name(earlier.id, at("23:59:00", "2025-08-28"))]


def test_every_run_is_exactly_the_bytes_that_langsmith_sent(tmp_path: Path) -> None:
    run = root(at("12:00:00"))
    odd = b', "big": 123456789012345678901234567890, "cost": 0.10, "a": "\\u00e9 \xc3\xa9",\n "new": {} }'
    raw = run.raw()[:-1] + odd

    day = published_day(tmp_path, [raw])

    (trace,) = day.traces()
    assert bytes(trace.runs[0]) == raw


def test_runs_of_a_trace_are_in_dotted_order_and_feedback_follows(tmp_path: Path) -> None:
    run = root(at("12:00:00"))
    first, second = run.child(at("12:00:01")), run.child(at("12:00:02"))
    store = DayStore(tmp_path)

    staged = stage(
        store,
        [second.raw(), first.raw(), run.raw()],
        feedback={first.id: [b'{"id": "f1"}'], run.id: [b'{"id": "f0"}']},
    )

    (trace,) = staged.day.traces()
    assert [json.loads(bytes(raw))["id"] for raw in trace.runs] == [run.id, first.id, second.id]
    assert [bytes(record) for record in trace.feedback] == [b'{"id": "f0"}', b'{"id": "f1"}']
    assert staged.day.summary.counts.feedback == 2


def test_a_run_that_arrives_twice_is_kept_once_in_its_later_form(tmp_path: Path) -> None:
    run = root(at("12:00:00"))

    day = published_day(tmp_path, [run.raw(status="PENDING"), run.raw(status="SUCCESS")])

    assert day.summary.counts.runs_started_in_day == 1
    assert day.summary.counts.pending_runs == 0


def test_the_summary_names_size_hash_and_runs_of_every_file(tmp_path: Path) -> None:
    run = root(at("12:00:00"))

    day = published_day(tmp_path, [run.raw(), run.child(at("12:00:01")).raw()])

    (name,) = day.summary.files
    content = (day.path / name).read_bytes()
    entry = day.summary.files[name]
    assert (entry.bytes, entry.sha256, entry.runs) == (len(content), hashlib.sha256(content).hexdigest(), 2)
    counts = json.loads(day.summary_path.read_bytes())["counts"]
    last_line = json.dumps(counts, sort_keys=True, separators=(",", ":"))
    hashed = f"{entry.sha256}  {name}\n{last_line}\n".encode()
    assert day.summary.sha256 == hashlib.sha256(hashed).hexdigest()


def test_a_trace_file_and_a_summary_are_plain_json_of_the_documented_form(tmp_path: Path) -> None:
    run = root(at("12:00:00"))

    day = published_day(tmp_path, [run.raw()])

    trace = json.loads((day.path / trace_file_name(run.id, run.start)).read_text())
    assert set(trace) == {"schema", "project", "trace_id", "start_time", "api", "runs", "kept", "feedback"}
    assert trace["schema"] == "lse.trace/2"
    summary = json.loads((day.path / SUMMARY).read_text())
    assert summary["schema"] == "lse.day/2"
    assert summary["project"] == PROJECT
    assert summary["date"] == DAY.isoformat()


def test_a_day_without_runs_is_a_day(tmp_path: Path) -> None:
    day = published_day(tmp_path, [])

    assert day.summary.counts.runs_started_in_day == 0
    assert [path.name for path in day.path.iterdir()] == [SUMMARY]


trees = st.lists(st.tuples(st.integers(0, 86_399), st.lists(st.integers(0, 90_000), max_size=6)), max_size=8)


@settings(max_examples=40)
@given(trees, st.randoms(use_true_random=False))
def test_whatever_the_order_of_arrival_the_day_is_the_same(
    trees: list[tuple[int, list[int]]], random: Random
) -> None:
    runs: list[ARun] = []
    for start, children in trees:
        trace = root(_second(start))
        runs += [trace, *(trace.child(_second(start + offset)) for offset in children)]
    shuffled = [*runs, *random.sample(runs, k=len(runs) // 2)]
    random.shuffle(shuffled)

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        sorted_day = published_day(Path(one), [run.raw() for run in runs])
        shuffled_day = published_day(Path(other), [run.raw() for run in shuffled])

        assert shuffled_day.summary == sorted_day.summary
        assert shuffled_day.run_ids() == {run.id for run in runs}
        for name in sorted_day.summary.files:
            assert read_trace_file(shuffled_day.path / name) == read_trace_file(sorted_day.path / name)


def _second(second: int) -> datetime:
    return at("00:00:00") + timedelta(seconds=second)


@settings(max_examples=50)
@given(
    seconds=st.lists(st.integers(0, 86_399) | st.just(43_200), max_size=40),
    count=st.integers(1, 12),
)
def test_the_even_parts_of_a_day_are_the_whole_day_once_with_as_many_runs_in_each(
    seconds: list[int], count: int
) -> None:
    moments = [at("00:00:00") + timedelta(seconds=second) for second in seconds]
    with tempfile.TemporaryDirectory() as folder, DayStore(Path(folder)).stage(PROJECT, DAY) as staging:
        writer = DayWriter(staging)
        writer.add([root(moment).raw() for moment in moments])

        parts = writer.even_parts(count)

    assert 1 <= len(parts) <= count
    assert [parts[0].start, *(part.end for part in parts)] == [
        *(part.start for part in parts),
        at("00:00:00", "2025-08-30"),
    ]
    assert parts[0].start == at("00:00:00")
    if len(set(moments)) == len(moments):
        held = [sum(moment in part for moment in moments) for part in parts]
        assert max(held) - min(held) <= 1


def test_a_trace_file_of_the_first_format_stays_readable() -> None:
    first = (
        b'{"schema":"lse.trace/1","project":"p","trace_id":"t","start_time":"s","api":"v2","runs":[\n'
        b'{"id":"a"}\n],"feedback":[\n]}\n'
    )

    trace = decode_trace(first)

    assert [bytes(run) for run in trace.runs] == [b'{"id":"a"}']
    assert trace.kept == trace.feedback == []
