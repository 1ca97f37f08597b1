"""The rate limiter: never too fast, hardly slower than allowed, silent when told so."""

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.limiter import PUBLISHED_RATES, RateLimiter, RateLimiters, Rates, shared_limiters
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.steps.fetch.planned import DAY, Planner, expect_whole, ingest
from lse_dagster_tests.worlds.langsmith import TracedProject

WINDOW = 10.0
ENDPOINT = "https://langsmith.example"


@dataclass
class FakeClock:
    """A clock that stands still until somebody sets it."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def send(
    limiter: RateLimiter, clock: FakeClock, *, callers: int, requests: int, answer_time: Callable[[], float]
) -> list[float]:
    """When callers send their requests, each the next one as soon as it has its answer."""
    ready = [(clock.now, caller) for caller in range(callers)]
    sent: list[float] = []
    while len(sent) < requests:
        clock.now, caller = heapq.heappop(ready)
        moment = clock.now + limiter.reserve()
        sent.append(moment)
        heapq.heappush(ready, (moment + answer_time(), caller))
    return sorted(sent)


def most_in_any_window(moments: list[float]) -> int:
    """The largest number of moments in ten seconds, the first of them included and the end too."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > WINDOW:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("limit", [1, 3, 10, 20, 300])
@pytest.mark.parametrize("callers", [1, 6, 50])
@pytest.mark.parametrize("seed", range(3))
def test_no_ten_seconds_hold_more_requests_than_allowed_whatever_the_callers_do(
    limit: int, callers: int, seed: int
) -> None:
    clock, chance = FakeClock(), random.Random(f"limiter {seed}")
    limiter = RateLimiter(limit, clock=clock)

    # Bursts after long silences are what a naive limiter lets through.
    sent = send(
        limiter,
        clock,
        callers=callers,
        requests=10 * limit + 20,
        answer_time=lambda: chance.choice([0.0, 0.01, 0.3, 25.0 if chance.random() < 0.05 else 0.1]),
    )

    assert most_in_any_window(sent) <= limit


@pytest.mark.parametrize("limit", [10, 20, 300])
def test_busy_callers_get_nine_tenths_of_the_allowed_rate_at_least(limit: int) -> None:
    clock = FakeClock()
    limiter = RateLimiter(limit, clock=clock)

    sent = send(limiter, clock, callers=20, requests=20 * limit, answer_time=lambda: 0.2)

    assert (len(sent) - 1) / (sent[-1] - sent[0]) >= 0.9 * limit / WINDOW


def test_the_first_request_does_not_wait_and_nobody_waits_without_a_limit() -> None:
    assert RateLimiter(1, clock=FakeClock()).reserve() == 0.0
    unlimited = RateLimiter(None, clock=FakeClock())
    assert [unlimited.reserve() for _ in range(1000)] == [0.0] * 1000


def test_after_a_429_nobody_gets_a_moment_before_the_pause_is_over() -> None:
    clock = FakeClock()
    limiter = RateLimiter(300, clock=clock)
    limiter.reserve()

    limiter.refused(30.0)

    assert min(limiter.reserve() for _ in range(50)) >= 30.0


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    limiter = RateLimiter(300, clock=FakeClock())

    limiter.refused(60.0)
    limiter.refused(1.0)

    assert limiter.reserve() >= 60.0


def test_a_moment_that_was_reserved_before_a_429_is_given_up(sandbox: Sandbox) -> None:
    limiters = RateLimiters(PUBLISHED_RATES["none"])
    limiters["other"].refused(5.0)
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 1:
            limiters["other"].refused(600.0)  # another worker's answer comes while this one waits

    settings = LangSmithSettings(api_key=sandbox.env["LANGSMITH_API_KEY"], endpoint=sandbox.langsmith_url)
    with Transport(settings, sleep=sleep, limiters=limiters) as transport:
        transport.get("/api/v1/info", bytes, params={})

    assert [round(seconds, -1) for seconds in waited] == [0, 600]


def test_after_429s_requests_are_slower_for_a_while_and_then_as_fast_as_before() -> None:
    clock = FakeClock()
    limiter = RateLimiter(300, clock=clock)
    for _ in range(20):
        limiter.refused(0.0)

    sent = send(limiter, clock, callers=6, requests=500, answer_time=lambda: 0.0)

    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert gaps[0] > 5 * gaps[-1]
    assert gaps[-1] == pytest.approx(WINDOW / 300, rel=0.1)
    assert most_in_any_window(sent) <= 300


def test_no_limit_stays_none_after_a_429_but_its_pause_holds() -> None:
    limiter = RateLimiter(None, clock=FakeClock())

    limiter.refused(5.0)

    assert [limiter.reserve() for _ in range(10)] == [5.0] * 10


def test_kinds_of_requests_have_limits_of_their_own() -> None:
    limiters = RateLimiters(PUBLISHED_RATES["us"], clock=FakeClock())
    limiters["stats"].reserve()

    assert limiters["stats"].reserve() > WINDOW
    assert limiters["v2"].reserve() == 0.0
    assert limiters["v1"].reserve() == 0.0
    assert limiters["other"].reserve() == 0.0


def test_all_transports_of_a_process_share_the_limits_of_one_account_and_of_no_other() -> None:
    limiters = shared_limiters(ENDPOINT, "key", "eu")

    assert shared_limiters(ENDPOINT, "key", "eu") is limiters
    assert shared_limiters(ENDPOINT, "another key", "eu") is not limiters
    assert shared_limiters("https://eu.langsmith.example", "key", "eu") is not limiters


@dataclass
class LimitedServer:
    """A server that counts, and transports to it that really wait."""

    sandbox: Sandbox
    control: ControlClient
    project: TracedProject
    store: DayStore

    def archive(self, transport: Transport) -> None:
        """Archive a day of some twenty pages."""
        runs = Planner(f"limits {self.project.name}").spread(60, size=200)
        ingest(self.project.api, runs)
        self.control.settings(max_page_bytes=12_000)
        fetched = fetch_day(transport, self.store, self.project.name, DAY)
        expect_whole(self.store.publish(fetched.staged, "superset").day, runs)

    def refusals(self) -> int:
        """How often it said 429."""
        return len([entry for entry in self.control.requests() if entry.status == 429])


@pytest.fixture
def limited(
    sandbox: Sandbox, langsmith_sandbox: ControlClient, project: TracedProject, tmp_path: Path
) -> LimitedServer:
    """At most 12 v2 queries in any second."""
    rule = {"path": r"/v2/runs/query$", "calls": 12, "seconds": 1.0}
    langsmith_sandbox.limits(enabled=True, rules=[rule])
    return LimitedServer(sandbox, langsmith_sandbox, project, DayStore(tmp_path))


@pytest.fixture
def really_connect(sandbox: Sandbox) -> Iterator[Callable[[Rates], Transport]]:
    """Make a transport that really waits; 90 requests in ten seconds leave room for a busy machine."""
    opened: list[Transport] = []

    def make(rates: Rates) -> Transport:
        settings = LangSmithSettings(sandbox.env["LANGSMITH_API_KEY"], endpoint=sandbox.langsmith_url)
        opened.append(Transport(settings, limiters=RateLimiters(rates)))
        return opened[-1]

    yield make
    for transport in opened:
        transport.__exit__()


def test_a_fetch_that_knows_the_limit_is_never_refused(
    limited: LimitedServer, really_connect: Callable[[Rates], Transport]
) -> None:
    limited.archive(really_connect(Rates(v2=90, v1=None, stats=None)))

    assert limited.refusals() == 0


def test_a_fetch_that_does_not_know_the_limit_is_told_by_the_server_and_gets_it_all(
    limited: LimitedServer, really_connect: Callable[[Rates], Transport]
) -> None:
    limited.archive(really_connect(PUBLISHED_RATES["none"]))

    assert limited.refusals() > 0
