"""Reading a run's identity from the bytes LangSmith sent."""

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.run.identity import InvalidRun, parse_dotted_order, read_identity
from lse_dagster_tests.worlds.runs import at, new_id, root, segment


def test_the_microseconds_that_v2_cuts_off_come_from_the_dotted_order() -> None:
    run = root(at("23:59:59.999999"))

    assert read_identity(run.raw()).start == at("23:59:59.999999")


def test_the_start_time_decides_when_the_dotted_order_says_something_else() -> None:
    run = root(at("12:00:00"))

    identity = read_identity(run.raw(start_time="2025-08-29T13:00:00.000Z"))

    assert identity.start == at("13:00:00")
    assert identity.trace_start == at("13:00:00")


def test_a_dotted_order_of_another_day_says_how_long_before_the_run_its_trace_began() -> None:
    child = root(at("10:00:00", "2025-05-01")).child(at("10:00:20", "2025-05-01"))

    identity = read_identity(child.raw(start_time="2025-08-30T00:00:10.000Z", is_root=False))

    assert identity.trace_start == at("23:59:50")


NEAR_MIDNIGHT = st.integers(-3_000, 3_000).map(
    lambda us: at("00:00:00", "2025-08-30") + timedelta(microseconds=us)
)


@given(start=NEAR_MIDNIGHT, written=NEAR_MIDNIGHT)
def test_a_dotted_order_gives_back_cut_digits_and_crosses_no_boundary(
    start: datetime, written: datetime
) -> None:
    run = root(written)
    cut = start.replace(microsecond=start.microsecond // 1000 * 1000)

    from_v1 = read_identity(run.raw(start_time=f"{start:%Y-%m-%dT%H:%M:%S.%f}"))
    from_v2 = read_identity(run.raw(start_time=f"{cut:%Y-%m-%dT%H:%M:%S}.{cut.microsecond // 1000:03d}Z"))

    knows_more = timedelta(0) <= written - cut < timedelta(milliseconds=1)
    assert (from_v1.start, from_v1.is_cut) == (start, False)
    assert (from_v2.start, from_v2.is_cut) == (written if knows_more else cut, not knows_more)


@pytest.mark.parametrize(
    ("fields", "is_root"),
    [
        ({"is_root": True}, True),
        ({"is_root": False}, False),
        ({"parent_run_id": None}, True),
        ({"parent_run_id": "p"}, False),
        ({"parent_run_ids": []}, True),
        ({"parent_run_ids": ["p"]}, False),
        ({"is_root": True, "parent_run_ids": []}, True),
        ({"parent_run_id": None, "parent_run_ids": None}, True),
        ({"parent_run_id": None, "parent_run_ids": ["p"]}, False),
    ],
)
@pytest.mark.parametrize("dotted_order", ["", "?", "a.b", "20250829T120000Za.20250829T120001Zb"])
@pytest.mark.parametrize("trace_id", ["b", "run-root", "8A9B0C1D2E3F4A5B8C7D9E0F1A2B3C4D"])
def test_a_root_is_what_langsmith_calls_one(
    fields: dict[str, object], is_root: bool, dotted_order: str, trace_id: str
) -> None:
    run = {
        "id": "b",
        "trace_id": trace_id,
        "dotted_order": dotted_order,
        "start_time": "2025-08-29T12:00:01Z",
    }

    identity = read_identity(json.dumps(run | fields).encode())

    assert identity.is_root == is_root


@pytest.mark.parametrize(
    "trace_id", ["8a9b0c1d-2e3f-4a5b-8c7d-9e0f1a2b3c4d", "8A9B0C1D2E3F4A5B8C7D9E0F1A2B3C4D"]
)
def test_a_run_without_a_word_on_parents_is_a_root_if_its_id_is_its_traces_in_any_spelling(
    trace_id: str,
) -> None:
    run = {"id": "8a9b0c1d-2e3f-4a5b-8c7d-9e0f1a2b3c4d", "start_time": "2025-08-29T12:00:01Z"}

    identity = read_identity(json.dumps(run | {"trace_id": trace_id}).encode())

    assert identity.is_root
    assert identity.trace_id == run["id"]


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
