"""Feedback records over any number of pages, from servers that give fewer than they should, or worse."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from lse_dagster.day.feedback_spool import FeedbackSpool
from lse_dagster.langsmith.errors import InvalidAnswer, QueryGoesInCircles, Unauthorized
from lse_dagster.langsmith.feedback import fetch_feedback
from lse_dagster.langsmith.transport import Transport
from lse_dagster_tests.langsmith.odd_server import OddServer, Question

Feedback = Callable[[list[str]], dict[str, list[bytes]]]

RECORDS = [{"id": f"record {number:04}", "run_id": "r1", "score": 0.10} for number in range(250)]


def raw_pages(odd: OddServer, *, most: int, records: list[bytes]) -> None:
    """Let the server give at most so many records at once."""

    def script(question: Question) -> None:
        asked = parse_qs(urlsplit(question.path).query)
        offset, limit = int(asked["offset"][0]), int(asked["limit"][0])
        question.answer(200, b"[" + b",".join(records[offset : offset + min(most, limit)]) + b"]")

    odd.script = script


@pytest.fixture
def feedback_of(odd: OddServer, connect: Callable[..., Transport], tmp_path: Path) -> Feedback:
    def fetch(run_ids: list[str]) -> dict[str, list[bytes]]:
        spool = FeedbackSpool(tmp_path / "feedback.spool")
        fetch_feedback(connect(endpoint=odd.url), run_ids, spool.add)
        found = {run_id: records for run_id in run_ids if (records := spool.of_run(run_id))}
        assert len(spool) == sum(map(len, found.values()))
        return found

    return fetch


def encoded(records: list[dict[str, object]]) -> list[bytes]:
    return [json.dumps(record).encode() for record in records]


@pytest.mark.parametrize("most", [1, 50, 99, 100, 1000])
def test_all_records_come_however_few_the_server_gives_at_once(
    most: int, odd: OddServer, feedback_of: Feedback
) -> None:
    raw_pages(odd, most=most, records=encoded(RECORDS))

    found = feedback_of(["r1", "r2"])

    assert found == {"r1": encoded(RECORDS)}


def test_runs_without_feedback_have_none(odd: OddServer, feedback_of: Feedback) -> None:
    raw_pages(odd, most=100, records=[])

    assert feedback_of([f"r{number}" for number in range(150)]) == {}
    assert len(odd.asked) == 2


def test_a_server_that_ignores_the_offset_is_refused(odd: OddServer, feedback_of: Feedback) -> None:
    page = b"[" + b",".join(encoded(RECORDS[:100])) + b"]"
    odd.script = lambda question: question.answer(200, page)

    with pytest.raises(QueryGoesInCircles, match="given before"):
        feedback_of(["r1"])

    assert len(odd.asked) == 2


@pytest.mark.parametrize("record", [b'{"run_id": "r1"}', b'{"id": 5, "run_id": "r1"}', b"[]", b"null"])
def test_a_record_without_an_id_is_a_typed_error(
    record: bytes, odd: OddServer, feedback_of: Feedback
) -> None:
    raw_pages(odd, most=100, records=[record])

    with pytest.raises(InvalidAnswer):
        feedback_of(["r1"])


def test_a_comment_cut_in_the_middle_of_an_emoji_is_kept_as_it_came(
    odd: OddServer, feedback_of: Feedback
) -> None:
    records = [
        rb'{"id": "1", "run_id": "r1", "comment": "\ud83d"}',
        rb'{"id":"2","run_id":"r1","c":"\ude00"}',
    ]
    raw_pages(odd, most=100, records=records)

    assert feedback_of(["r1"]) == {"r1": records}


def test_records_of_many_runs_come_side_by_side_each_to_its_run(
    odd: OddServer, feedback_of: Feedback
) -> None:
    run_ids = [f"run {number:04}" for number in range(2_000)]

    def script(question: Question) -> None:
        asked = parse_qs(urlsplit(question.path).query)
        offset = int(asked["offset"][0])
        ids = asked["run"]
        records = [{"id": f"{key} of {run_id}", "run_id": run_id} for key in "ba" for run_id in ids]
        records.append({"id": "stray", "run_id": "asked for by nobody"})
        question.answer(200, json.dumps(records[offset : offset + 100]).encode())

    odd.script = script

    found = feedback_of(run_ids)

    assert found == {
        run_id: encoded([{"id": f"{key} of {run_id}", "run_id": run_id} for key in "ab"])
        for run_id in run_ids
    }


def test_the_first_error_ends_all_requests(odd: OddServer, feedback_of: Feedback) -> None:
    odd.script = lambda question: question.answer(403, b"no")

    with pytest.raises(Unauthorized):
        feedback_of([f"run {number}" for number in range(100_000)])

    assert len(odd.asked) < 100
