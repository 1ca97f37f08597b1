"""Counting a day's files anew: honest summaries agree with it, whatever the runs are, and no lie does."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from lse_dagster.day.errors import BrokenDay
from lse_dagster.day.file_table import FileEntry
from lse_dagster.day.folder import DayFolder
from lse_dagster.day.names import trace_file_name
from lse_dagster.day.run_names import attachment_file_name
from lse_dagster.day.store import DayStore
from lse_dagster.day.summary import Counts
from lse_dagster.day.trace_file import (
    KeptAttachment,
    KeptEntry,
    KeptFeedback,
    KeptRun,
    encode_entry,
    write_trace_file,
)
from lse_dagster.day.writing.writer import DayWriter, Origin, Totals
from lse_dagster.run.feedback import FeedbackRecord
from lse_dagster.steps.examination.reading import examine_day
from lse_dagster_tests.worlds.attached import stage_with
from lse_dagster_tests.worlds.rewritten import rewrite
from lse_dagster_tests.worlds.runs import ARun, at, new_id, root, segment
from lse_dagster_tests.worlds.staged import DAY, PROJECT, published_day

MIDNIGHT = at("00:00:00")
NOON = at("12:00:00")
BEFORE = at("23:00:00", "2025-08-28")
RUN = root(NOON)
WRONG_ORDERS = (segment(NOON, new_id()), segment(BEFORE, new_id()))
SECONDS = st.integers(-7_200, 26 * 3_600) | st.sampled_from([-1, 0, 1, 86_399, 86_400])
RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "parent": st.integers(0, 5),
            "seconds": SECONDS,
            "status": st.sampled_from(["SUCCESS", "error", "PENDING", None]),
            "end_time": st.sampled_from([None, "2025-08-29T23:00:00Z"]),
            "odd": st.sampled_from(
                [
                    {},
                    *({"dotted_order": order} for order in (None, "", "?", *WRONG_ORDERS)),
                    *({"dotted_order": order, "trace_id": None} for order in WRONG_ORDERS),
                    {"trace_id": None},
                ]
            ),
            "feedback": st.integers(0, 2),
        }
    ),
    max_size=20,
)


@given(RUNS)
@settings(max_examples=50)
def test_what_was_counted_while_a_day_was_written_is_what_its_files_hold(plan: list[dict[str, Any]]) -> None:
    made: list[ARun] = [root(MIDNIGHT), root(BEFORE)]
    raws = [run.raw() for run in made]
    feedback = {}
    for one in plan:
        run = made[one["parent"] % len(made)].child(MIDNIGHT + timedelta(seconds=one["seconds"]))
        made.append(run)
        raws.append(run.raw(status=one["status"], end_time=one["end_time"], **one["odd"]))
        feedback[run.id] = [b'{"id":"%d"}' % number for number in range(one["feedback"])]

    with TemporaryDirectory() as folder, DayStore(Path(folder)).stage(PROJECT, DAY) as staging:
        writer = DayWriter(staging)
        writer.add(raws)
        lacking = set(writer.lacking(list(feedback)))
        for run_id in feedback.keys() - lacking:
            records = enumerate(feedback[run_id])
            writer.add_feedback(FeedbackRecord(run_id, f"{number}", raw) for number, raw in records)
        day = writer.finish(Origin("project-id", "v2", NOON), totals=lambda: Totals(0, 0)).day
        found = examine_day(day)

    assert found.differences == []
    assert found.counts == day.summary.counts
    assert sum(found.tally.by_hour.values()) == found.counts.runs_started_in_day


@pytest.fixture
def day(tmp_path: Path) -> DayFolder:
    """A day of two traces, one from the day before, with feedback, an attachment and a tail."""
    began, earlier = root(NOON), root(BEFORE)
    tail = began.child(at("00:10:00", "2025-08-30"))
    store = DayStore(tmp_path / "data")
    runs = [began.raw(), tail.raw(status="pending"), earlier.child(at("00:30:00")).raw()]
    staged = stage_with(store, runs, {attachment_file_name(began.id, "attachment", "note.txt"): b"hello"})
    return store.publish(staged, "superset").day


@pytest.mark.parametrize("claimed", [-7, 824])
@pytest.mark.parametrize("count", Counts.__struct_fields__)
def test_a_number_of_the_summary_that_is_not_so_is_told(count: str, claimed: int, day: DayFolder) -> None:
    honest = examine_day(day)

    found = examine_day(rewrite(day, counts={count: claimed}))

    (told,) = found.differences
    assert told.startswith(f"the summary says {claimed} ")
    assert told.endswith(f", the files hold {getattr(honest.counts, count)}")
    assert found.counts == honest.counts


OF_DAY_1 = ("runs_started_in_day", "tail_runs", "traces", "pending_runs", "feedback", "attachments")


@pytest.mark.parametrize("count", OF_DAY_1)
def test_an_older_day_is_counted_too(count: str, day: DayFolder) -> None:
    assert examine_day(rewrite(day, schema="lse.day/1")).differences == []

    (told,) = examine_day(rewrite(day, schema="lse.day/1", counts={count: 824})).differences

    assert told.startswith("the summary says 8")


def test_an_older_day_may_have_told_roots_and_midnight_by_other_rules(day: DayFolder) -> None:
    other = {"root_runs": 2, "carried_over_runs": 0, "runs_started_in_day": 3, "tail_runs": 0}

    found = examine_day(rewrite(day, schema="lse.day/1", counts=other))

    assert found.differences == []
    assert (found.counts.root_runs, found.counts.runs_started_in_day) == (1, 2)


@dataclass(frozen=True)
class Forged:
    """A trace file as somebody wrote it in the place of that of `RUN`; what is not given is right."""

    project: str = PROJECT
    trace_id: str = RUN.id
    start: datetime = RUN.start
    runs: Sequence[bytes] = (RUN.raw(),)
    promised: int | None = None
    name: str = trace_file_name(RUN.id, RUN.start)

    def in_place_of(self, day: DayFolder) -> DayFolder:
        """The day with this file as its only one, and true counts of it."""
        (old,) = day.summary.trace_names()
        (day.path / old).unlink()
        written = write_trace_file(
            day.path / self.name,
            project=self.project,
            trace_id=self.trace_id,
            start=self.start,
            api="v2",
            runs=self.runs,
            feedback=(),
        )
        entry = replace(written, runs=written.runs if self.promised is None else self.promised)
        forged = rewrite(day, files={self.name: entry})
        return rewrite(forged, counts=asdict(examine_day(forged).counts))


NEXT_DAY = root(at("12:00:00", "2025-08-30"))
FORGED = {
    "right": (Forged(), None),
    "another project": (Forged(project="another"), "is of the project 'another'"),
    "another trace": (Forged(trace_id=new_id()), "holds the trace"),
    "another start": (Forged(start=at("13:00:00")), "holds the trace"),
    "no date in its name": (Forged(name=trace_file_name(RUN.id, MIDNIGHT)), "holds the trace"),
    "another trace's run": (Forged(runs=[RUN.raw(), root(NOON).raw()]), "of the trace"),
    "a run twice": (Forged(runs=[RUN.raw(), RUN.raw()]), "holds a run twice"),
    "a run of the day before": (
        Forged(runs=[RUN.raw(), RUN.child(BEFORE).raw()]),
        "from before the day",
    ),
    "a later day": (
        Forged(
            trace_id=NEXT_DAY.id,
            start=NEXT_DAY.start,
            runs=[NEXT_DAY.raw()],
            name=trace_file_name(NEXT_DAY.id, NEXT_DAY.start),
        ),
        "is of a later day",
    ),
    "fewer runs": (Forged(promised=2), "holds 1 runs, the summary says 2"),
    "more runs": (Forged(promised=0), "holds 1 runs, the summary says 0"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_trace_file_that_is_none_of_this_day_is_told(what: str, tmp_path: Path) -> None:
    forged, why = FORGED[what]

    found = examine_day(forged.in_place_of(published_day(tmp_path, [RUN.raw()])))

    assert len(found.differences) == (why is not None)
    assert all(told.startswith(forged.name) and str(why) in told for told in found.differences)


def test_a_trace_in_two_files_is_told(tmp_path: Path) -> None:
    day = published_day(tmp_path, [RUN.raw()])
    (name,) = day.summary.trace_names()
    twin = trace_file_name(RUN.id, at("13:00:00"))
    entry = write_trace_file(
        day.path / twin,
        project=PROJECT,
        trace_id=RUN.id,
        start=at("13:00:00"),
        api="v2",
        runs=[RUN.raw()],
        feedback=(),
    )

    found = examine_day(rewrite(day, files={name: day.summary.files[name], twin: entry}))

    assert f"{twin} holds a trace that is there already" in found.differences


def test_what_langsmith_sends_no_more_is_counted_apart(tmp_path: Path) -> None:
    day = published_day(tmp_path, [RUN.raw()])
    (name,) = day.summary.trace_names()
    (day.path / name).unlink()
    note = attachment_file_name(RUN.id, "attachment", "note.txt")
    (day.path / note).write_bytes(b"hello")
    kept: list[KeptEntry] = [
        KeptRun("v2", "2025-08-30T00:00:00Z", msgspec.Raw(RUN.raw())),
        KeptFeedback("v2", "2025-08-30T00:00:00Z", msgspec.Raw(b'{"id":"1"}')),
        KeptFeedback("v2", "2025-08-30T00:00:00Z", msgspec.Raw(b'{"id":"2"}')),
        KeptAttachment(RUN.id, "note.txt", note),
    ]
    entry = write_trace_file(
        day.path / name,
        project=PROJECT,
        trace_id=RUN.id,
        start=RUN.start,
        api="v2",
        runs=[RUN.raw()],
        kept=[encode_entry(entry) for entry in kept],
        feedback=(),
    )
    beside = FileEntry(5, hashlib.sha256(b"hello").hexdigest(), 0)

    counts = examine_day(rewrite(day, files={name: entry, note: beside})).counts

    assert (counts.runs_started_in_day, counts.feedback, counts.attachments) == (1, 0, 0)
    assert (counts.kept_runs, counts.kept_feedback, counts.kept_attachments) == (1, 2, 1)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema":"lse.trace/2"', b"\xff"])
def test_a_file_that_cannot_be_read_is_a_broken_day(content: bytes, tmp_path: Path) -> None:
    day = published_day(tmp_path, [RUN.raw()])
    (name,) = day.summary.trace_names()
    (day.path / name).write_bytes(content)

    with pytest.raises(BrokenDay, match="differs from its hash"):
        examine_day(day)

    (day.path / name).unlink()
    with pytest.raises(BrokenDay, match="is missing"):
        examine_day(day)


def test_a_file_that_was_changed_is_told_and_still_counted(day: DayFolder) -> None:
    name = next(day.summary.attachment_names())
    (day.path / name).write_bytes(b"HELLO")

    found = examine_day(day)

    assert found.differences == [f"{name} differs from its hash in the summary"]
    assert found.counts == day.summary.counts
