"""How many feedback records a run says that it has, in the shapes of both API generations."""

import json
from typing import Any

import msgspec
import pytest

from lse_dagster.run.feedback import count_feedback, read_record

V1: dict[str, Any] = {
    "n": 3,
    "avg": 0.5,
    "stdev": 0.1,
    "errors": 0,
    "values": {},
    "show_feedback_arrow": False,
    "comments": [],
}
V2: dict[str, Any] = {
    "n": 2,
    "avg": None,
    "min": None,
    "max": None,
    "values": {"good": 2},
    "sources": ["api"],
    "errors": 0,
}
COMPUTED: dict[str, Any] = {"n": 1, "avg": 0.7, "sources": [{"type": "__ls_composite_feedback"}]}
SHAPES: dict[str, tuple[Any, int]] = {
    "v1": ({"score": V1}, 3),
    "v2": ({"grade": V2}, 2),
    "several keys": ({"score": V1, "grade": V2}, 5),
    "values without n": ({"grade": {"values": {"good": 2, "bad": 1}}}, 3),
    "n is null": ({"grade": {"n": None, "values": {"good": 2}}}, 2),
    "n counts more than the values": ({"grade": {"n": 4, "values": {"good": 2}}}, 4),
    "a count that is written as a fraction": ({"score": {**V1, "n": 3.0}}, 3),
    "an average that is none": ({"score": {**V1, "avg": float("nan")}}, 3),
    "values that nobody understands": ({"grade": {**V2, "values": [["good", 2]]}}, 2),
    "an average alone": ({"score": {"avg": 0.5}}, 0),
    "none": ({"score": {"n": 0}}, 0),
    "fewer than none": ({"score": {"n": -7}, "grade": V2}, 2),
    "a score that is computed of others": ({"total": COMPUTED, "score": V1}, 3),
    "a score that is also given": ({"total": {**COMPUTED, "sources": [*COMPUTED["sources"], "api"]}}, 1),
    "one key that nobody understands": ({"odd": 3, "odder": {"n": "many"}, "score": V1}, 3),
    "beyond 64 bits": ({"odd": {"n": 10**30, "values": {"x": 10**30}}, "score": V1}, 2**53),
    "nothing": ({}, 0),
    "null": (None, 0),
    "no object": ([1, 2], 0),
}


@pytest.mark.parametrize(("stats", "count"), SHAPES.values(), ids=SHAPES)
def test_a_run_says_how_many_records_it_has(stats: Any, count: int) -> None:
    assert count_feedback(msgspec.Raw(json.dumps(stats).encode())) == count


def test_a_key_or_a_value_that_was_cut_in_an_emoji_is_counted() -> None:
    assert count_feedback(msgspec.Raw(rb'{"\ud83d": {"n": 2, "values": {"\ude00": 2}}}')) == 2


def test_a_record_without_an_id_is_told_apart_by_its_bytes() -> None:
    one, same, other = (read_record(raw).id for raw in (b'{"key": "a"}', b'{"key": "a"}', b'{"key": "b"}'))

    assert one == same != other
