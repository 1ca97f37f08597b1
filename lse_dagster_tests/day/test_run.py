"""Reading a run's identity from the bytes LangSmith sent."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.day.dotted_order import parse_dotted_order
from lse_dagster.day.run import InvalidRun, read_identity
from lse_dagster_tests.day.runs import at, new_id, root, segment


def test_the_microseconds_that_v2_cuts_off_come_from_the_dotted_order() -> None:
    run = root(at("23:59:59.999999"))

    assert read_identity(run.raw()).start == at("23:59:59.999999")


def test_a_server_that_rounds_to_the_next_millisecond_does_not_move_the_run_to_the_next_day() -> None:
    run = root(at("23:59:59.999999"))

    identity = read_identity(run.raw(start_time="2025-08-30T00:00:00.000Z"))

    assert identity.start == at("23:59:59.999999")


def test_the_start_time_decides_when_the_dotted_order_says_something_else() -> None:
    run = root(at("12:00:00"))

    identity = read_identity(run.raw(start_time="2025-08-29T13:00:00.000Z"))

    assert identity.start == at("13:00:00")
    assert identity.trace_start == at("12:00:00")


def test_a_v1_run_with_naive_times_and_a_parent_is_read_the_same() -> None:
    parent = root(at("12:00:00"))
    child = parent.child(at("12:00:01.000001"))

    identity = read_identity(
        child.raw(start_time="2025-08-29T12:00:01.000001", parent_run_id=parent.id, status="pending")
    )

    assert identity.parent_run_id == parent.id
    assert identity.start == at("12:00:01.000001")
    assert identity.pending
    assert not identity.is_root


@pytest.mark.parametrize("stats", [None, {}])
def test_a_run_without_feedback_is_not_asked_about(stats: object) -> None:
    run = root(at("12:00:00"))

    assert read_identity(run.raw(feedback_stats=stats)).feedback is None
    assert read_identity(run.raw(feedback_stats={"score": {"n": 1}})).feedback == 1


@pytest.mark.parametrize(
    "raw", [b"{}", b"[]", b'"run"', b'{"id": 7}', b'{"id": "x"}', b'{"id": "\xff"}', b"\xff", b""]
)
def test_what_is_no_run_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRun):
        read_identity(raw)


def test_a_run_with_a_broken_dotted_order_is_kept_by_its_start_time_and_trace_id() -> None:
    run_id = new_id()
    raw = json.dumps(
        {"id": run_id, "trace_id": run_id, "dotted_order": "?", "start_time": "2025-08-29T12:00:00Z"}
    ).encode()

    identity = read_identity(raw)

    assert identity.path() is None
    assert identity.trace_start == at("12:00:00")


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6))
def test_a_dotted_order_gives_back_every_segment(offsets: list[int]) -> None:
    starts = [at("12:00:00") + timedelta(microseconds=offset) for offset in offsets]
    ids = [new_id() for _ in offsets]

    order = parse_dotted_order(".".join(segment(start, id_) for start, id_ in zip(starts, ids, strict=True)))

    assert order is not None
    assert [(part.start, part.run_id) for part in order.segments] == list(zip(starts, ids, strict=True))


@given(st.text(max_size=80))
def test_any_text_is_a_dotted_order_or_none(text: str) -> None:
    parse_dotted_order(text)


def test_an_id_that_is_no_uuid_is_a_good_id() -> None:
    order = parse_dotted_order("20250829T120000000000Zrun-1.20250829T120000Zrun_2")

    assert order is not None
    assert order.own.run_id == "run_2"
