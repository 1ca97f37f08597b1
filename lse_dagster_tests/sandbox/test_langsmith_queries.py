"""The query APIs answer as LangSmith does."""

import asyncio
import json
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from langsmith import Client
from langsmith.types.run_select_field import RunSelectField

from lse_dagster.sandbox.client import ControlClient
from lse_dagster_tests.worlds.langsmith_api import DAY, NOON, LangSmithApi

_REAL_RUN = Path(__file__).parents[3] / "shared/data/langsmith/real_v1_run.json"

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated and will be removed after")


def test_the_sdk_reads_all_pages_of_v2_newest_first(api: LangSmithApi, langsmith_client: Client) -> None:
    ids = api.add_runs(5)

    async def read() -> list[Any]:
        query = langsmith_client.runs.query(
            project_ids=[api.project_id], selects=list(get_args(RunSelectField)), page_size=2, **DAY
        )
        return [run async for run in query]

    runs = asyncio.run(read())

    assert [run.id for run in runs] == ids[::-1]
    assert (runs[0].status, runs[0].run_type, runs[0].is_root) == ("SUCCESS", "CHAIN", True)
    assert runs[0].start_time == NOON + timedelta(seconds=4)


def test_the_last_page_of_v2_has_no_cursor(api: LangSmithApi) -> None:
    api.add_runs(4)

    first = api.v2(page_size=2).json()
    second = api.v2(page_size=2, cursor=first["next_cursor"]).json()

    assert len(second["items"]) == 2
    assert "next_cursor" not in second


def test_the_sdk_retrieves_one_run_of_v2(api: LangSmithApi, langsmith_client: Client) -> None:
    run_id = api.add_run(name="one")

    async def read() -> Any:
        return await langsmith_client.runs.retrieve(
            run_id, project_id=api.project_id, start_time=NOON, selects=["ID", "NAME"]
        )

    run = asyncio.run(read())

    assert (run.id, run.name, run.status) == (run_id, "one", None)
    assert api.get(f"/api/v2/runs/{uuid.uuid4()}").status_code == 404


def test_v2_without_selects_answers_ids_only(api: LangSmithApi) -> None:
    run_id = api.add_run()

    assert api.v2().json()["items"] == [{"id": run_id}]


def test_v2_without_a_lower_bound_looks_at_the_last_day_of_the_servers_clock(
    api: LangSmithApi, langsmith_sandbox: ControlClient
) -> None:
    run_id = api.add_run()
    body = {"project_ids": [api.project_id]}

    now = api.post("/api/v2/runs/query", body).json()["items"]
    langsmith_sandbox.settings(now="2025-08-30T11:00:00Z")
    then = api.post("/api/v2/runs/query", body).json()["items"]

    assert (now, then) == ([], [{"id": run_id}])


def test_v2_times_are_milliseconds_in_utc_and_v1_times_naive_microseconds(api: LangSmithApi) -> None:
    start = NOON + timedelta(microseconds=123456)
    api.add_run(start)

    (v2_run,) = api.v2(selects=["START_TIME", "DOTTED_ORDER"]).json()["items"]
    (v1_run,) = api.v1(select=["start_time", "end_time"]).json()["runs"]

    assert v2_run["start_time"] == "2025-08-29T12:00:00.123Z"
    assert v2_run["dotted_order"].startswith("20250829T120000123456Z")
    assert v1_run["start_time"] == "2025-08-29T12:00:00.123456"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"selects": ["EVERYTHING"]}, 422),
        ({"page_size": 0}, 422),
        ({"page_size": 1001}, 422),
        ({"cursor": "not a cursor"}, 400),
        ({"filter": "eq(name"}, 400),
        ({"filter": 'eq(feedback_key, "x")'}, 400),
        ({"min_start_time": "yesterday"}, 400),
        ({"project_ids": []}, 422),
        ({"page_size": "many"}, 422),
    ],
)
def test_v2_explains_what_is_wrong_as_a_problem(api: LangSmithApi, body: dict[str, Any], status: int) -> None:
    answer = api.v2(**body)

    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_v1_pages_hold_at_most_100_runs_in_the_order_that_was_asked(api: LangSmithApi) -> None:
    ids = api.add_runs(3)

    first = api.v1(limit=2, order="asc", select=["id"]).json()
    second = api.v1(limit=2, order="asc", select=["id"], cursor=first["cursors"]["next"]).json()

    assert [run["id"] for run in first["runs"] + second["runs"]] == ids
    assert second["cursors"]["next"] is None
    assert api.v1(limit=101).status_code == 400
    assert api.v1(select=["execution_order"]).status_code == 422
    assert api.post("/api/v1/runs/query", {}).status_code == 400


@pytest.mark.skipif(
    not _REAL_RUN.exists(), reason="the shared LangSmith answers are not beside this checkout"
)
def test_a_v1_run_has_all_keys_of_a_real_one(api: LangSmithApi) -> None:
    real = json.loads(_REAL_RUN.read_text())
    run_id = api.add_run()

    read = api.get(f"/api/v1/runs/{run_id}").json()
    (queried,) = api.v1().json()["runs"]

    assert list(read) == list(queried) == list(real)


def test_v1_answers_null_for_what_was_not_selected(api: LangSmithApi) -> None:
    api.add_run(name="n", inputs={"a": 1}, extra={"metadata": {"thread_id": "t"}})

    (by_default,) = api.v1().json()["runs"]
    (selected,) = api.v1(select=["thread_id"]).json()["runs"]

    assert (by_default["inputs"], by_default["thread_id"]) == ({"a": 1}, None)
    assert (selected["inputs"], selected["thread_id"], selected["name"]) == (None, "t", "n")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('eq(name, "a")', "a"),
        ('neq(name, "a")', "bc"),
        ('and(gte(start_time, "2025-08-29T12:00:01Z"), lt(start_time, "2025-08-29T12:00:02Z"))', "b"),
        ('or(eq(name, "a"), eq(status, "error"))', "ac"),
        ('not(eq(status, "error"))', "ab"),
        ('in(name, ["b", "c"])', "bc"),
        ("eq(is_root, true)", "ab"),
        ("eq(is_root, 'false')", "c"),
        ("neq(error, null)", "c"),
        ("gt(latency, 4.5)", "b"),
        ('has(tags, "x\\"y")', "a"),
        ('eq(run_type, "LLM")', "b"),
        ('lte(end_time, "2025-08-29T12:00:01+00:00")', "a"),
    ],
)
def test_filters_select_runs(api: LangSmithApi, expression: str, expected: str) -> None:
    root = api.add_run(name="a", tags=['x"y'])
    api.add_run(
        NOON + timedelta(seconds=1),
        name="b",
        run_type="llm",
        end_time=(NOON + timedelta(seconds=6)).isoformat(),
    )
    api.add_run(NOON + timedelta(seconds=2), name="c", error="no", parent_run_id=root, trace_id=root)

    v2_names = {item["name"] for item in api.v2(selects=["NAME"], filter=expression).json()["items"]}
    v1_names = {run["name"] for run in api.v1(select=["name"], filter=expression).json()["runs"]}

    assert v2_names == v1_names == set(expected)
    assert api.count(filter=expression) == len(expected)


def test_trace_and_tree_filters_look_at_the_root_and_at_the_whole_tree(api: LangSmithApi) -> None:
    root = api.add_run(name="root")
    child = api.add_run(name="child", parent_run_id=root, trace_id=root)
    api.add_run(name="other")

    of_trace = api.v2_ids(trace_filter='eq(name, "root")')
    of_tree = api.v2_ids(tree_filter='eq(name, "child")')
    of_no_root = api.v2_ids(trace_filter='eq(name, "child")')

    assert set(of_trace) == set(of_tree) == {root, child}
    assert of_no_root == []


def test_stats_count_all_runs_or_only_roots(api: LangSmithApi, langsmith_client: Client) -> None:
    root = api.add_run()
    api.add_run(parent_run_id=root, trace_id=root)

    stats = langsmith_client.get_run_stats(project_names=[api.project])

    assert stats["run_count"] == api.count() == 2
    assert api.count(is_root=True) == 1
    assert api.count(start_time="2025-08-29T12:00:00.000001Z") == 0


def test_a_page_of_a_thousand_runs_is_quick(api: LangSmithApi) -> None:
    text = "0123456789" * 2000
    runs = [
        {
            "id": str(uuid.uuid4()),
            "start_time": NOON.isoformat(),
            "session_name": api.project,
            "inputs": {"t": text},
        }
        for _ in range(1000)
    ]
    api.post("/runs/batch", {"post": runs})

    begin = time.process_time()  # the server's too; what else the machine does is not counted
    answer = api.v2(page_size=1000, selects=list(get_args(RunSelectField)))

    assert len(answer.content) > 20_000_000
    assert time.process_time() - begin < 1.5
