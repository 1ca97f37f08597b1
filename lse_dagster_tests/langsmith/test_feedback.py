"""Feedback records over any number of pages, from servers that give fewer than they should, or worse."""

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from lse_dagster.langsmith.errors import InvalidAnswer, QueryGoesInCircles
from lse_dagster.langsmith.feedback import feedback_by_run
from lse_dagster.langsmith.transport import Transport
from lse_dagster_tests.langsmith.odd_server import OddServer, Question

RECORDS = [{"id": f"record {number:04}", "run_id": "r1", "score": 0.10} for number in range(250)]


def raw_pages(odd: OddServer, *, most: int, records: list[bytes]) -> None:
    """Let the server give at most so many records at once."""

    def script(question: Question) -> None:
        asked = parse_qs(urlsplit(question.path).query)
        offset, limit = int(asked["offset"][0]), int(asked["limit"][0])
        question.answer(200, b"[" + b",".join(records[offset : offset + min(most, limit)]) + b"]")

    odd.script = script


def encoded(records: list[dict[str, object]]) -> list[bytes]:
    return [json.dumps(record).encode() for record in records]


@pytest.mark.parametrize("most", [1, 50, 99, 100, 1000])
def test_all_records_come_however_few_the_server_gives_at_once(
    most: int, odd: OddServer, connect: Callable[..., Transport]
) -> None:
    raw_pages(odd, most=most, records=encoded(RECORDS))

    found = feedback_by_run(connect(endpoint=odd.url), ["r1", "r2"])

    assert found == {"r1": encoded(RECORDS)}


def test_runs_without_feedback_have_none(odd: OddServer, connect: Callable[..., Transport]) -> None:
    raw_pages(odd, most=100, records=[])

    assert feedback_by_run(connect(endpoint=odd.url), [f"r{number}" for number in range(150)]) == {}
    assert len(odd.asked) == 2


def test_a_server_that_ignores_the_offset_is_refused(
    odd: OddServer, connect: Callable[..., Transport]
) -> None:
    page = b"[" + b",".join(encoded(RECORDS[:100])) + b"]"
    odd.script = lambda question: question.answer(200, page)

    with pytest.raises(QueryGoesInCircles, match="given before"):
        feedback_by_run(connect(endpoint=odd.url), ["r1"])

    assert len(odd.asked) == 2


@pytest.mark.parametrize("record", [b'{"run_id": "r1"}', b'{"id": 5, "run_id": "r1"}', b"[]", b"null"])
def test_a_record_without_an_id_is_a_typed_error(
    record: bytes, odd: OddServer, connect: Callable[..., Transport]
) -> None:
    raw_pages(odd, most=100, records=[record])

    with pytest.raises(InvalidAnswer):
        feedback_by_run(connect(endpoint=odd.url), ["r1"])


def test_a_comment_cut_in_the_middle_of_an_emoji_is_kept_as_it_came(
    odd: OddServer, connect: Callable[..., Transport]
) -> None:
    records = [
        rb'{"id": "1", "run_id": "r1", "comment": "\ud83d"}',
        rb'{"id":"2","run_id":"r1","c":"\ude00"}',
    ]
    raw_pages(odd, most=100, records=records)

    assert feedback_by_run(connect(endpoint=odd.url), ["r1"]) == {"r1": records}
