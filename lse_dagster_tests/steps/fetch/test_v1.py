"""An old server: the v1 API is chosen, asked as it wants to be asked, and not believed blindly."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.errors import InvalidAnswer, NoSuchEndpoint
from lse_dagster.langsmith.fields import V1_SELECT
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.steps.fetch.planned import DAY, END, START, PlannedRun, Planner, expect_whole, ingest
from lse_dagster_tests.worlds.langsmith import TracedProject

V1_QUERY = r"/api/v1/runs/query$"
V2_QUERY = r"/api/v2/runs/query$"


@dataclass
class Server:
    """A server and what of a day it was given."""

    control: ControlClient
    project: TracedProject
    transport: Transport
    store: DayStore

    @property
    def planner(self) -> Planner:
        """Makes runs for it."""
        return Planner(f"v1 {self.project.name}")

    def has(self, runs: list[PlannedRun]) -> list[PlannedRun]:
        """Give it runs, and forget that in its log."""
        ingest(self.project.api, runs)
        return runs

    def archive(self) -> DayFolder:
        """Fetch the day and publish it."""
        fetched = fetch_day(self.transport, self.store, self.project.name, DAY)
        return self.store.publish(fetched.staged, "superset").day

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """What was asked of an endpoint."""
        return [entry.json for entry in self.control.requests() if entry.path == path]


@pytest.fixture
def server(
    langsmith_sandbox: ControlClient, project: TracedProject, transport: Transport, tmp_path: Path
) -> Server:
    """A server with v2."""
    return Server(langsmith_sandbox, project, transport, DayStore(tmp_path))


@pytest.fixture
def old_server(server: Server) -> Server:
    """A server without v2."""
    server.control.settings(v2=False)
    return server


def test_v1_is_chosen_by_what_the_server_says_of_itself_and_noted_in_the_day(old_server: Server) -> None:
    runs = old_server.has(old_server.planner.day(200))

    day = old_server.archive()

    expect_whole(day, runs)
    assert day.summary.api == "v1"
    assert {trace.api for trace in day.traces()} == {"v1"}
    assert old_server.bodies("/api/v2/runs/query") == []
    assert old_server.bodies("/api/v1/info") != []


def test_a_v1_query_is_about_one_project_at_most_100_runs_all_fields_and_no_end_time(
    old_server: Server,
) -> None:
    old_server.has(old_server.planner.spread(150))

    old_server.archive()

    asked = old_server.bodies("/api/v1/runs/query")
    assert asked
    for body in asked:
        assert body["session"] == [old_server.project.id]
        assert 1 <= body["limit"] <= 100
        assert body["select"] in (list(V1_SELECT), ["id"])
        assert body["order"] == "desc"
        assert "start_time" in body
        assert "is_root" not in body
    for body in [*asked, *old_server.bodies("/api/v1/runs/stats")]:
        assert "end_time" not in body


def test_times_without_a_zone_and_without_a_fraction_are_utc(old_server: Server) -> None:
    planner = old_server.planner
    second = timedelta(seconds=1)
    within = [planner.root(moment) for moment in (START, START + second, END - second)]
    beyond = [planner.root(moment) for moment in (START - second, END, END + second)]
    old_server.has(within + beyond)

    expect_whole(old_server.archive(), within + beyond)


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_that_claims_v2_and_has_none_is_asked_by_v1(status: int, server: Server) -> None:
    runs = server.has(server.planner.day(120))
    server.control.fault(path=V2_QUERY, status=status, times=100_000)

    day = server.archive()

    expect_whole(day, runs)
    assert day.summary.api == "v1"


def test_a_server_that_has_v2_and_nothing_to_count_with_fails_and_is_not_asked_by_v1(server: Server) -> None:
    server.has(server.planner.spread(40))
    server.control.fault(path="/runs/stats$", status=404, times=100_000)

    with pytest.raises(NoSuchEndpoint, match="/runs/stats"):
        server.archive()

    assert server.bodies("/api/v1/runs/query") == []


def test_a_server_without_any_query_is_an_error_that_says_so(old_server: Server) -> None:
    old_server.control.fault(path=V1_QUERY, status=501, body="SmithDB only", times=100_000)

    with pytest.raises(NoSuchEndpoint, match="SmithDB only"):
        old_server.archive()


@pytest.mark.parametrize("status", [404, 501])
def test_a_server_that_says_nothing_of_itself_is_asked_by_v2_first(status: int, server: Server) -> None:
    runs = server.has(server.planner.spread(20))
    server.control.fault(path=r"/info$", status=status)

    day = server.archive()

    expect_whole(day, runs)
    assert day.summary.api == "v2"


@pytest.mark.parametrize("version", ["0.12.0", "v0.9.30", "0.15.99rc1"])
def test_every_version_before_0_16_is_old(version: str, server: Server) -> None:
    server.has(server.planner.spread(3))
    server.control.fault(path=r"/info$", status=200, body={"version": version})

    assert server.archive().summary.api == "v1"


@pytest.mark.parametrize("version", ["0.16.0", "0.100.1", "1.0", "2026-11-01", "", None])
def test_every_other_version_is_new(version: str | None, server: Server) -> None:
    server.has(server.planner.spread(3))
    server.control.fault(path=r"/info$", status=200, body={"version": version})

    assert server.archive().summary.api == "v2"


@pytest.mark.parametrize("count", [99, 100, 101, 200, 300])
def test_a_range_that_ends_with_a_full_page_is_whole(count: int, old_server: Server) -> None:
    # All in one moment, so that they are in one range and no other worker can take a part of it.
    moment = START + timedelta(hours=1)
    planner = old_server.planner
    runs = old_server.has([planner.root(moment) for _ in range(count)])

    expect_whole(old_server.archive(), runs)


def full_page(runs: list[PlannedRun]) -> dict[str, Any]:
    """A v1 answer with these runs and no cursor at all."""
    return {"runs": [{**run.document("x"), "start_time": naive(run.start)} for run in runs], "cursors": None}


def naive(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()


def test_full_pages_without_a_cursor_again_and_again_are_an_error(old_server: Server) -> None:
    planner = old_server.planner
    runs = old_server.has([planner.root(START + timedelta(hours=1)) for _ in range(150)])
    old_server.control.fault(path=V1_QUERY, status=200, body=full_page(runs[:100]), times=100_000)

    with pytest.raises(InvalidAnswer, match="no cursor"):
        old_server.archive()


def test_a_cursor_that_got_lost_once_costs_no_run(old_server: Server) -> None:
    planner = old_server.planner
    runs = old_server.has([planner.root(START + timedelta(hours=1)) for _ in range(150)])
    old_server.control.fault(path=V1_QUERY, status=200, body=full_page(runs[:100]))

    expect_whole(old_server.archive(), runs)
