"""Servers that never come to an end: each is left after a while, with a typed error."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.errors import QueryGoesInCircles, Unavailable
from lse_dagster.langsmith.pages import PageSize
from lse_dagster.langsmith.queries import V1Queries, V2Queries
from lse_dagster.langsmith.scope import started_in
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.limiter import PUBLISHED_RATES, RateLimiters
from lse_dagster.run.times import DayInterval
from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.langsmith.odd_server import OddServer, Question
from lse_dagster_tests.steps.fetch.planned import DAY
from lse_dagster_tests.worlds.attached_runs import BLOBS, LARGE, Downloads, Source, fetch
from lse_dagster_tests.worlds.langsmith import Waits

INFO = "/api/v1/info"
ALL = started_in("p1", DayInterval.of(DAY))
KINDS = {"v2": V2Queries, "v1": V1Queries}
TRICKLES = {
    "its body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n",
    "a body of unknown length": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    "a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
    "a header": b"HTTP/1.1 200 OK\r\nX-Odd: ",
    "its first line": b"HTTP/1.1 200 ",
    "the words of an error": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 100000000\r\n\r\n",
}


def slow_clock(seconds: float) -> Callable[[], float]:
    """As if so much time went by from each look to the next: twice for each piece that arrives."""
    return count(0.0, seconds).__next__


@pytest.fixture
def connect_slowly(odd: OddServer, waits: Waits) -> Iterator[Callable[..., Transport]]:
    """Make a transport to the odd server, on whose clock an answer of several pieces takes for ever."""
    opened: list[Transport] = []

    def make(clock: Callable[[], float], *, endpoint: str = odd.url, patience: float = 3_000.0) -> Transport:
        transport = Transport(
            LangSmithSettings("lsv2_key", endpoint=endpoint, patience=patience, read_timeout=120.0),
            sleep=waits.sleep,
            jitter=lambda: 1.0,
            limiters=RateLimiters(PUBLISHED_RATES["none"], clock=waits.clock),
            clock=clock,
        )
        opened.append(transport)
        return transport

    yield make
    for transport in opened:
        transport.__exit__()


@pytest.mark.parametrize("before", TRICKLES.values(), ids=TRICKLES)
def test_an_answer_that_comes_byte_by_byte_is_a_timeout_in_the_end(
    before: bytes, odd: OddServer, connect_slowly: Callable[..., Transport]
) -> None:
    odd.script = lambda question: question.trickle(before)

    with pytest.raises(Unavailable, match="No answer came in time"):
        connect_slowly(slow_clock(30.0)).get("/x", bytes, params={})

    # What was waited for in vain is a part of the patience: on this clock, 20 minutes each.
    assert len(odd.asked) == 3


def test_a_page_that_comes_byte_by_byte_is_asked_for_again_with_one_run(
    odd: OddServer, connect_slowly: Callable[..., Transport]
) -> None:
    sizes: list[int] = []

    def script(question: Question) -> None:
        sizes.append(json.loads(question.body)["page_size"])
        if sizes[-1] > 25:
            question.trickle()
        question.answer(200, b'{"items": []}')

    odd.script = script

    page = V2Queries(connect_slowly(slow_clock(30.0))).page(ALL, None, PageSize(1000))

    assert page.items == []
    assert sizes == [100, 1]


def test_an_answer_through_a_proxy_is_not_waited_for_without_end_either(
    odd: OddServer, connect_slowly: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", odd.url)
    monkeypatch.setenv("no_proxy", "")
    odd.script = lambda question: question.trickle()

    with pytest.raises(Unavailable, match="No answer came in time"):
        connect_slowly(slow_clock(30.0), endpoint="http://langsmith.test").get("/x", bytes, params={})

    assert odd.asked[0].path == "http://langsmith.test/x"


def test_a_large_answer_on_a_slow_line_is_waited_for(
    odd: OddServer, connect_slowly: Callable[..., Transport]
) -> None:
    whole = b"x" * 100_000
    odd.script = lambda question: question.answer(200, whole)

    assert connect_slowly(slow_clock(20.0)).get("/x", bytes, params={}) == whole


def test_a_file_that_comes_byte_by_byte_is_given_up_and_recorded(
    odd: OddServer, downloads: Downloads
) -> None:
    odd.script = lambda question: question.trickle()
    run = {"id": "r1", "attachments": {"a": f"{odd.url}/a"}}

    kept = fetch(downloads(clock=slow_clock(30.0), patience=2.0), json.dumps(run).encode())

    assert [lost.why for lost in kept.missing] == ["127.0.0.1: no answer came in time"]
    assert kept.traffic.retries == 2


def test_a_file_may_take_as_long_as_it_likes_while_it_keeps_coming(
    source: Source, downloads: Downloads, folder: Path
) -> None:
    run_id = source.trace({"large": LARGE})
    half_a_window = 60.0

    fetch(downloads(clock=slow_clock(half_a_window / 16)), *source.v2())

    assert (folder / f"{run_id}.attachment.large").read_bytes() == LARGE


@pytest.mark.parametrize("header", ["0", "-1", "0.0001", "nan", "Fri, 31 Dec 1999 23:59:59 GMT"])
def test_a_server_that_asks_for_no_pause_is_not_asked_without_end(
    header: str, connect: Callable[..., Transport], waits: Waits, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path=INFO, status=429, headers={"Retry-After": header}, times=10_000)

    with pytest.raises(Unavailable):
        connect(patience=60.0).get(INFO, bytes, params={})

    assert waits.seconds == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize("header", ["0", "-1", "0.0001", "nan", "Fri, 31 Dec 1999 23:59:59 GMT"])
def test_a_store_that_asks_for_no_pause_is_not_asked_without_end(
    header: str, source: Source, downloads: Downloads, waits: Waits, langsmith_sandbox: ControlClient
) -> None:
    source.trace({"note": b"hello"})
    raws = source.v2()
    langsmith_sandbox.fault(path=BLOBS, status=503, headers={"Retry-After": header}, times=10_000)

    kept = fetch(downloads(patience=60.0), *raws)

    assert len(kept.missing) == 1
    assert waits.seconds == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize(
    "header",
    [
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "1 Jan 2026 00:00:00 +99999999999",
        "99 bananas",
    ],
)
def test_a_retry_after_that_is_no_time_is_as_good_as_none(
    header: str, transport: Transport, waits: Waits, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path=INFO, status=503, headers={"Retry-After": header})

    assert transport.get(INFO, bytes, params={})

    assert waits.seconds == [0.5]


@pytest.mark.parametrize("header", ["1e30", "inf", "9" * 400, "Fri, 31 Dec 9999 23:59:59 -2359"])
def test_no_retry_after_keeps_the_whole_process_from_asking_for_more_than_a_day(
    header: str, connect: Callable[..., Transport], waits: Waits, langsmith_sandbox: ControlClient
) -> None:
    transport = connect()
    langsmith_sandbox.fault(path=INFO, status=429, headers={"Retry-After": header})

    for _ in range(2):
        with pytest.raises(Unavailable, match="wait for 86,400 s"):
            transport.get(INFO, bytes, params={})
    assert waits.seconds == []

    waits.now += 86_400.0
    assert transport.get(INFO, bytes, params={})


@pytest.mark.parametrize("api", KINDS)
@pytest.mark.parametrize("rotated", [False, True])
def test_a_page_that_comes_again_with_other_urls_and_another_cursor_is_refused(
    api: str, rotated: bool, odd: OddServer, connect: Callable[..., Transport]
) -> None:
    answers = iter(range(1_000))

    def script(question: Question) -> None:
        number = next(answers)
        ids = [f"run {each}" for each in range(5)]
        ids = ids[number % 5 :] + ids[: number % 5] if rotated else ids
        items = [{"id": each, "url": f"https://store/{each}?signature={number}"} for each in ids]
        v2 = {"items": items, "next_cursor": f"c{number}"}
        v1 = {"runs": items, "cursors": {"next": f"c{number}"}}
        question.answer(200, json.dumps({**v2, **v1}).encode())

    odd.script = script
    queries = KINDS[api](connect(endpoint=odd.url))

    with pytest.raises(QueryGoesInCircles, match="same page again"):
        list(queries.pages_by_id(ALL, ["run 1"], PageSize(50)))
    with pytest.raises(QueryGoesInCircles, match="same page again"):
        list(queries.id_pages(ALL))

    assert len(odd.asked) == 4
