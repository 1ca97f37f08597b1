"""What time it is by an answer's headers, and which of two clocks is gone by."""

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lse_dagster.langsmith.clock import LangSmithClock
from lse_dagster.langsmith.errors import DayNotOver
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.server_time import TOLERANCE, ServerTime, date_of
from lse_dagster.sandbox.client import ControlClient, FaultFields
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.steps.fetch.archived import DAY, LONG_AFTER, NOON, Archive
from lse_dagster_tests.worlds.langsmith import TracedProject

DATE = "Fri, 29 Aug 2025 12:00:00 GMT"
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
spans = st.timedeltas(timedelta(days=-4000), timedelta(days=4000))


class Seconds:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Date": DATE}, NOON),
        ({"Date": "Fri, 29 Aug 2025 12:00:00 -0000"}, NOON),
        ({"Date": DATE, "Age": "3600"}, NOON + timedelta(hours=1)),
        ({"Date": DATE, "Age": ""}, NOON),
        ({"Date": DATE, "Age": "old"}, None),
        ({"Date": "yesterday"}, None),
        ({"Date": "Fri, 31 Dec 99999999999999999999 23:59:59 GMT"}, None),
        ({"Date": "Fri, 31 Dec 2025 23:59:59 +99999999999999999999"}, None),
        ({"Date": "Fri, 31 Dec 2025 23:59:59 +9999"}, None),
        ({"Date": "Fri, 31 Dec 9999 23:59:59 GMT", "Age": "9999999999999"}, None),
        ({"Date": "Fri, 31 Dec 9999 23:59:59 GMT"}, None),
        ({"Date": "Thu, 01 Jan 1970 00:00:09 GMT"}, None),
        ({"Date": DATE, "Age": "99999999999"}, None),
        ({"Date": DATE, "Age": "9" * 5000}, None),
        ({}, None),
    ],
)
def test_an_answer_says_when_it_came_or_does_not(headers: dict[str, str], expected: datetime | None) -> None:
    assert date_of(headers) == expected


@given(moments, spans, st.floats(0, 1e6))
def test_the_time_is_the_servers_where_the_clocks_differ_and_goes_on_between_answers(
    there: datetime, wrong: timedelta, passed: float
) -> None:
    seconds, there = Seconds(), there.replace(microsecond=0)
    time = ServerTime(seconds)
    assert time.now(there + wrong) == there + wrong

    time.note({"Date": format_datetime(there, usegmt=True)})
    seconds.now += passed
    machine = there + wrong + timedelta(seconds=passed)

    differs = abs(wrong) > TOLERANCE
    expected = there + timedelta(seconds=passed) if differs else machine
    assert abs(time.now(machine) - expected) <= timedelta(milliseconds=1)


def test_an_answer_from_a_cache_that_does_not_say_so_sets_no_clock_back() -> None:
    time = ServerTime(Seconds())
    time.note({"Date": DATE})

    time.note({"Date": "Thu, 28 Aug 2025 12:00:00 GMT"})

    assert time.now(datetime(2030, 1, 1, tzinfo=UTC)) == NOON


def test_the_last_second_that_can_be_is_no_fault() -> None:
    seconds = Seconds()
    time = ServerTime(seconds)
    time.note({"Date": "Fri, 31 Dec 9999 23:59:59 GMT"})
    seconds.now += 2

    assert time.now(NOON) == NOON


def test_the_sandbox_has_one_date_in_every_answer_that_of_its_own_clock(
    sandbox: Sandbox, langsmith_sandbox: ControlClient, transport: Transport
) -> None:
    langsmith_sandbox.settings(now=NOON.isoformat())

    answer = transport._session.get(f"{sandbox.langsmith_url}/api/v1/info", timeout=60)

    assert answer.headers["Date"] == DATE


def test_a_look_asks_once_and_again_only_when_the_clock_was_set(
    sandbox: Sandbox, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.settings(now=NOON.isoformat())
    machine = [NOON + timedelta(days=20)]
    clock = LangSmithClock(sandbox.langsmith_url, lambda: machine[0])

    before = [abs(clock.now() - NOON) < timedelta(seconds=2) for _ in range(3)]
    wrong = clock.problem()
    asked = len(langsmith_sandbox.requests())
    machine[0] = NOON
    after, problem = clock.now(), clock.problem()

    assert before == [True] * 3
    assert wrong is not None
    assert "28,800 minutes ahead of it" in wrong.why
    assert (asked, after, problem) == (1, NOON, None)
    assert len(langsmith_sandbox.requests()) == 2


@pytest.mark.parametrize(
    "fault",
    [
        FaultFields(status=503),
        FaultFields(drop_after=-1),
        FaultFields(status=200, headers={"Date": "soon"}, body={}),
        FaultFields(status=200, headers={"Date": "Thu, 01 Jan 1970 00:00:09 GMT"}, body={}),
        FaultFields(status=200, headers={"Date": "Fri, 31 Dec 9999 23:59:59 GMT"}, body={}),
    ],
)
def test_where_langsmith_cannot_be_asked_the_machines_clock_is_all_there_is(
    fault: FaultFields, sandbox: Sandbox, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(**(FaultFields(path="/info", times=9) | fault))
    clock = LangSmithClock(sandbox.langsmith_url, lambda: NOON)

    assert (clock.now(), clock.ahead(), clock.problem()) == (NOON, None, None)


def test_no_cache_on_the_way_may_answer_when_langsmith_is_asked_for_the_time() -> None:
    asked: list[str | None] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Cache-Control"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        ahead = LangSmithClock(f"http://127.0.0.1:{server.server_port}", lambda: datetime.now(UTC)).ahead()
        server.shutdown()

    assert asked == ["no-cache"]
    assert ahead is not None


def test_a_fetch_is_dated_by_langsmith_and_not_by_a_clock_that_is_wrong(
    archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    project.root(NOON)
    langsmith_sandbox.settings(now=LONG_AFTER.isoformat())

    staged = fetch_day(archive.transport, archive.store, project.name, DAY, now=lambda: NOON).staged

    summary = staged.day.summary
    assert summary.asked is not None
    assert [said[:16] for said in (summary.fetched_at, summary.asked.until)] == ["2025-09-02T00:00"] * 2


def test_a_day_that_is_not_over_for_langsmith_is_not_fetched_and_nothing_is_left(
    archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    project.root(NOON)
    langsmith_sandbox.settings(now=NOON.isoformat())

    with pytest.raises(DayNotOver, match="LangSmith's clock says 2025-08-29 12:00 UTC"):
        fetch_day(archive.transport, archive.store, project.name, DAY, now=lambda: LONG_AFTER)

    assert archive.store.find(project.name, DAY) is None
    assert not archive.store.staging_path(project.name, DAY).exists()
