"""Feedback records over any number of pages, from servers that give fewer than they should, or worse."""

import base64
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lse_dagster.day.writing.feedback import FeedbackSpool
from lse_dagster.langsmith.errors import InvalidAnswer, QueryGoesInCircles, Unauthorized
from lse_dagster.langsmith.feedback import fetch_feedback
from lse_dagster.langsmith.transport import Transport
from lse_dagster.run.feedback import ShortFeedback
from lse_dagster_tests.langsmith.odd_server import OddServer, Question

PROJECT, OTHER = "project-a", "project-b"


@dataclass
class Fetched:
    """The records by run, and of which runs there were too few."""

    records: dict[str, list[bytes]]
    short: list[ShortFeedback]


@dataclass
class Fetch:
    """Fetches feedback of runs that say how much they have; `now`: what they say when asked again."""

    transport: Transport
    folder: Path
    now: dict[str, int] = field(default_factory=dict)
    asked_again: list[str] = field(default_factory=list)

    def __call__(self, said: Mapping[str, int]) -> Fetched:
        def numbers_now(run_ids: Sequence[str]) -> dict[str, int]:
            self.asked_again += run_ids
            return {run_id: self.now[run_id] for run_id in run_ids if run_id in self.now}

        spool = FeedbackSpool(self.folder / "feedback.spool")
        short = fetch_feedback(self.transport, PROJECT, list(said.items()), spool.add, numbers_now)
        found = {run_id: records for run_id in said if (records := spool.of_run(run_id))}
        assert len(spool) == sum(map(len, found.values()))
        return Fetched(found, short)


@pytest.fixture
def fetch(odd: OddServer, connect: Callable[..., Transport], tmp_path: Path) -> Fetch:
    return Fetch(connect(endpoint=odd.url), tmp_path)


def records_of(run_id: str, count: int, **fields: object) -> list[dict[str, object]]:
    return [
        {"id": f"{run_id} {number:05}", "run_id": run_id, "score": 0.10, **fields} for number in range(count)
    ]


def encoded(records: Sequence[Mapping[str, object]]) -> list[bytes]:
    return [json.dumps(record).encode() for record in records]


def raw_pages(odd: OddServer, records: list[bytes], *, most: int = 100) -> None:
    """Let the server give at most so many records at once, whatever runs are asked for."""

    def script(question: Question) -> None:
        asked = parse_qs(urlsplit(question.path).query)
        offset, limit = int(asked["offset"][0]), int(asked["limit"][0])
        question.answer(200, b"[" + b",".join(records[offset : offset + min(most, limit)]) + b"]")

    odd.script = script


class Listing:
    """A list of feedback as LangSmith gives it, which `after_page` may change after each page."""

    def __init__(self, odd: OddServer, records: Sequence[Mapping[str, object]]) -> None:
        self.records = list(records)
        self.after_page: Callable[[int], None] = lambda page: None
        self.order: Callable[[list[Mapping[str, object]]], None] = lambda records: None
        self.pages = 0
        odd.script = self._answer

    def _answer(self, question: Question) -> None:
        asked = parse_qs(urlsplit(question.path).query)
        offset, limit = int(asked["offset"][0]), int(asked["limit"][0])
        found = [record for record in self.records if record["run_id"] in asked["run"]]
        self.order(found)
        question.answer(200, json.dumps(found[offset : offset + limit]).encode())
        self.pages += 1
        self.after_page(self.pages)


@pytest.mark.parametrize("most", [1, 50, 99, 100, 1000])
def test_all_records_come_however_few_the_server_gives_at_once(
    most: int, odd: OddServer, fetch: Fetch
) -> None:
    records = encoded(records_of("r1", 250))
    raw_pages(odd, records, most=most)

    assert fetch({"r1": 250, "r2": 0}) == Fetched({"r1": records}, [])


def test_runs_without_feedback_have_none(odd: OddServer, fetch: Fetch) -> None:
    raw_pages(odd, [])

    assert fetch({f"r{number}": 0 for number in range(150)}) == Fetched({}, [])
    assert len(odd.asked) == 2


def test_an_empty_list_of_runs_that_speak_of_feedback_is_asked_for_three_times_and_told(
    odd: OddServer, fetch: Fetch
) -> None:
    raw_pages(odd, [])

    found = fetch({"r1": 250, "r2": 1, "r3": 0})

    assert found.short == [ShortFeedback("r1", 250, 0), ShortFeedback("r2", 1, 0)]
    assert [short.lacking for short in found.short] == [250, 1]
    assert fetch.asked_again == ["r1", "r2"]
    assert len(odd.asked) == 5


def test_a_record_deleted_between_two_pages_costs_no_other_one(odd: OddServer, fetch: Fetch) -> None:
    listing = Listing(odd, records_of("r1", 250))

    def delete(page: int) -> None:
        if page <= 2:
            del listing.records[0]

    listing.after_page = delete

    found = fetch({"r1": 250})

    assert len(found.records["r1"]) == 250
    assert found.short == []


def test_what_was_deleted_before_it_was_listed_lacks_nothing(odd: OddServer, fetch: Fetch) -> None:
    Listing(odd, records_of("r1", 2))
    fetch.now = {"r1": 2}

    (short,) = fetch({"r1": 3}).short

    assert (short.expected, short.held, short.lacking) == (2, 2, 0)


def test_what_comes_while_it_is_listed_is_kept_and_more_than_was_said_is_fine(
    odd: OddServer, fetch: Fetch
) -> None:
    listing = Listing(odd, records_of("r1", 120))
    late = records_of("r1", 125)[120:]

    def insert(page: int) -> None:
        if late:
            listing.records.insert(0, late.pop())

    listing.after_page = insert

    found = fetch({"r1": 100})

    assert found.short == []
    assert len(found.records["r1"]) >= 120


@given(
    counts=st.lists(st.integers(0, 130), min_size=1, max_size=5),
    deletions=st.lists(st.integers(0, 10), max_size=8),
    shuffled=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25)
def test_whatever_is_deleted_meanwhile_each_record_that_stays_is_kept_or_its_run_is_named(
    counts: list[int],
    deletions: list[int],
    shuffled: bool,
    seed: int,
    odd: OddServer,
    fetch: Fetch,
) -> None:
    chance = random.Random(seed)
    runs = {f"r{number}": count for number, count in enumerate(counts)}
    listing = Listing(odd, [record for run, count in runs.items() for record in records_of(run, count)])
    waiting = list(deletions)

    def delete(page: int) -> None:
        for _ in range(waiting.pop(0) if waiting else 0):
            if listing.records:
                del listing.records[chance.randrange(len(listing.records))]
        fetch.now = {run: sum(one["run_id"] == run for one in listing.records) for run in runs}

    listing.after_page = delete
    if shuffled:
        listing.order = chance.shuffle

    found = fetch(runs)

    lacking = {short.run_id for short in found.short if short.lacking}
    # In an order that changes, one that was missed may stand against one that was seen and is deleted.
    named = {short.run_id for short in found.short} if shuffled else lacking
    for record in listing.records:
        run_id = str(record["run_id"])
        assert run_id in named or json.dumps(record).encode() in found.records[run_id]
    complete = {
        run: len(found.records.get(run, [])) >= fetch.now.get(run, count) for run, count in runs.items()
    }
    assert all(complete[run] or run in lacking for run in runs)


@pytest.mark.parametrize("count", [101, 250, 1000])
def test_an_order_that_is_another_for_each_page_ends_and_loses_nothing_silently(
    count: int, odd: OddServer, fetch: Fetch
) -> None:
    listing = Listing(odd, records_of("r1", count))
    listing.order = random.Random(count).shuffle

    found = fetch({"r1": count})

    held = len(found.records["r1"])
    assert found.short == ([ShortFeedback("r1", count, held)] if held < count else [])
    assert held > 0.9 * count


@pytest.mark.parametrize("counts_others", [True, False], ids=["counted in the number", "not counted"])
def test_records_of_other_projects_are_not_kept_and_not_missed(
    counts_others: bool, odd: OddServer, fetch: Fetch
) -> None:
    own = records_of("r1", 2, session_id=PROJECT.upper())
    others = [
        {**record, "id": f"other {record['id']}", "session_id": OTHER} for record in records_of("r1", 3)
    ]
    Listing(odd, [*others, *own])

    found = fetch({"r1": 5 if counts_others else 2})

    assert found.records == {"r1": encoded(own)}
    assert found.short == ([ShortFeedback("r1", 5, 2, of_other_projects=3)] if counts_others else [])
    assert not any(short.lacking for short in found.short)
    assert fetch.asked_again == []


@pytest.mark.parametrize("fields", [{}, {"session_id": None}])
def test_a_record_that_names_no_project_is_of_the_one_that_was_asked_for(
    fields: dict[str, object], odd: OddServer, fetch: Fetch
) -> None:
    records = records_of("r1", 1, **fields)
    Listing(odd, records)

    assert fetch({"r1": 1}) == Fetched({"r1": encoded(records)}, [])


def test_a_server_that_ignores_the_offset_is_refused_after_a_few_requests(
    odd: OddServer, fetch: Fetch
) -> None:
    page = b"[" + b",".join(encoded(records_of("r1", 100))) + b"]"
    odd.script = lambda question: question.answer(200, page)

    with pytest.raises(QueryGoesInCircles, match="given before"):
        fetch({"r1": 101})

    assert len(odd.asked) == 12


def test_a_server_that_ignores_the_offset_and_gave_all_is_believed(odd: OddServer, fetch: Fetch) -> None:
    records = encoded(records_of("r1", 40))
    odd.script = lambda question: question.answer(200, b"[" + b",".join(records) + b"]")

    assert fetch({"r1": 40}) == Fetched({"r1": records}, [])
    assert len(odd.asked) == 2


def test_a_page_that_comes_again_in_place_of_another_costs_no_record(odd: OddServer, fetch: Fetch) -> None:
    records = encoded(records_of("r1", 250))

    def script(question: Question) -> None:
        asked = parse_qs(urlsplit(question.path).query)
        offset = 0 if len(odd.asked) == 2 else int(asked["offset"][0])
        question.answer(200, b"[" + b",".join(records[offset : offset + 100]) + b"]")

    odd.script = script

    assert fetch({"r1": 250}) == Fetched({"r1": records}, [])


def test_null_is_an_empty_page(odd: OddServer, fetch: Fetch) -> None:
    records = encoded(records_of("r1", 40))

    def script(question: Question) -> None:
        first = parse_qs(urlsplit(question.path).query)["offset"] == ["0"]
        question.answer(200, b"[" + b",".join(records) + b"]" if first else b"null")

    odd.script = script

    assert fetch({"r1": 40}) == Fetched({"r1": records}, [])


@pytest.mark.parametrize("record", [b"[]", b"null", b"5", b'"text"'])
def test_what_is_no_record_is_a_typed_error(record: bytes, odd: OddServer, fetch: Fetch) -> None:
    raw_pages(odd, [record])

    with pytest.raises(InvalidAnswer):
        fetch({"r1": 1})


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(b'{"id": "bad", "run_id": "r1", "score": NaN}', id="NaN"),
        pytest.param(b'{"id": "bad", "run_id": "r1", "comment": "\xff"}', id="no UTF-8"),
        pytest.param(
            b'{"id": "bad", "run_id": "r1", "value": %b}' % (b"[" * 9_000 + b"]" * 9_000), id="deep"
        ),
    ],
)
def test_a_record_that_is_no_json_is_kept_and_costs_no_other_one(
    record: bytes, odd: OddServer, fetch: Fetch
) -> None:
    others = encoded(records_of("r1", 3))
    raw_pages(odd, [*others[:2], record, *others[2:]])

    found = fetch({"r1": 4})

    assert found.short == []
    (kept,) = set(found.records["r1"]) - set(others)
    assert {*others} < set(found.records["r1"])
    envelope = json.loads(kept)
    assert (envelope["id"], envelope["run_id"]) == ("bad", "r1")
    assert base64.b64decode(envelope["not_json"]) == record


def test_records_without_an_id_are_kept_each_once(odd: OddServer, fetch: Fetch) -> None:
    records = [b'{"run_id": "r1"}', b'{"id": 5, "run_id": "r1"}', b'{"id": null, "run_id": "r1", "score": 1}']
    raw_pages(odd, records, most=2)

    found = fetch({"r1": 3})

    assert sorted(found.records["r1"]) == sorted(records)
    assert found.short == []


def test_a_comment_cut_in_the_middle_of_an_emoji_is_kept_as_it_came(odd: OddServer, fetch: Fetch) -> None:
    records = [
        rb'{"id": "1", "run_id": "r1", "comment": "\ud83d"}',
        rb'{"id":"2","run_id":"r1","c":"\ude00"}',
    ]
    raw_pages(odd, records)

    assert fetch({"r1": 2}).records == {"r1": records}


def test_records_of_many_runs_come_side_by_side_each_to_its_run(odd: OddServer, fetch: Fetch) -> None:
    run_ids = [f"run {number:04}" for number in range(2_000)]

    def script(question: Question) -> None:
        asked = parse_qs(urlsplit(question.path).query)
        offset = int(asked["offset"][0])
        ids = asked["run"]
        records = [{"id": f"{key} of {run_id}", "run_id": run_id} for key in "ba" for run_id in ids]
        records.append({"id": "stray", "run_id": "asked for by nobody"})
        question.answer(200, json.dumps(records[offset : offset + 100]).encode())

    odd.script = script

    found = fetch(dict.fromkeys(run_ids, 2))

    assert found.records == {
        run_id: encoded([{"id": f"{key} of {run_id}", "run_id": run_id} for key in "ab"])
        for run_id in run_ids
    }
    assert found.short == []
    assert len(odd.asked) == 20 * 4


def test_the_first_error_ends_all_requests(odd: OddServer, fetch: Fetch) -> None:
    odd.script = lambda question: question.answer(403, b"no")

    with pytest.raises(Unauthorized):
        fetch({f"run {number}": 1 for number in range(100_000)})

    assert len(odd.asked) < 100
