"""What counts as a change of a run, and what does not."""

import json

import pytest

from lse_dagster.run.identity import InvalidRun
from lse_dagster.run.outline import read_outline

RUN = {
    "id": "a",
    "status": "SUCCESS",
    "end_time": "2025-08-01T12:00:01.123Z",
    "feedback_stats": {"score": {"n": 2, "avg": 0.3, "values": {}, "comments": ["good"], "stdev": 0.1}},
}


def outline(**fields: object) -> tuple[str, int]:
    found = read_outline(json.dumps({**RUN, **fields}).encode())
    return found.id, found.digest


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "ERROR"},
        {"end_time": "2025-08-01T12:00:01.124Z"},
        {"end_time": None},
        {"feedback_stats": None},
        {"feedback_stats": {"score": {"n": 3, "avg": 0.3}}},
        {"feedback_stats": {"score": {"n": 2, "avg": 0.4}}},
        {"feedback_stats": {"score": {"n": 2, "avg": 0.3, "values": {"good": 1}}}},
        {"feedback_stats": {"another": {"n": 2, "avg": 0.3}}},
    ],
)
def test_an_end_and_feedback_are_changes(fields: dict[str, object]) -> None:
    assert outline(**fields) != outline()


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "success"},  # v1
        {"end_time": "2025-08-01T12:00:01.123456"},  # v1
        {"feedback_stats": {"score": {"n": 2, "avg": 0.1 + 0.2, "comments": ["another of them"]}}},
        {"feedback_stats": {**RUN["feedback_stats"], "nothing yet": {"n": 0, "avg": None}}},  # type: ignore[dict-item]
        {"outputs": {"answer": 42}, "attachments": {"a.png": "https://another.example"}},
    ],
)
def test_the_other_apis_words_and_what_differs_each_time_are_none(fields: dict[str, object]) -> None:
    assert outline(**fields) == outline()


@pytest.mark.parametrize("stats", [{}, None, "?", [1], {"score": 3}, {"score": {"n": "many"}}])
def test_feedback_that_nobody_understands_is_no_change(stats: object) -> None:
    assert outline(feedback_stats=stats) == outline(feedback_stats=None)


def test_a_text_that_was_cut_in_an_emoji_is_read() -> None:
    raw = json.dumps({**RUN, "error": "?"}).replace("?", "\\ud83d").encode()

    assert read_outline(raw).digest == outline()[1]


def test_what_is_no_run_is_an_error() -> None:
    with pytest.raises(InvalidRun):
        read_outline(b'{"status": "SUCCESS"}')


@pytest.mark.parametrize(("records", "same"), [(0, False), (1, False), (2, True), (3, True)])
def test_an_archived_run_that_lacks_records_of_its_feedback_is_another(records: int, same: bool) -> None:
    archived = read_outline(json.dumps(RUN).encode(), {"a": records})

    assert (archived.digest == outline()[1]) is same
