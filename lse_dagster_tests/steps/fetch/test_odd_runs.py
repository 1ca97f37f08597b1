"""Runs that LangSmith may hold and a careless reader would stumble over: the day is archived all the same."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from lse_dagster.day.folder import DayFolder
from lse_dagster.day.store import DayStore
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.examination.completeness import examine_traces
from lse_dagster.steps.fetch.day import fetch_day
from lse_dagster_tests.worlds.langsmith import TracedProject

DAY = date(2025, 8, 29)
NOON = datetime(2025, 8, 29, 12, tzinfo=UTC)


@pytest.fixture(params=["v2", "v1"])
def archive(
    request: pytest.FixtureRequest,
    project: TracedProject,
    connect: Callable[..., Transport],
    langsmith_sandbox: ControlClient,
    tmp_path: Path,
) -> Callable[[], DayFolder]:
    """Fetch and publish the day, and fetch it once more over itself."""
    langsmith_sandbox.settings(v2=request.param == "v2")

    def fetch() -> DayFolder:
        store = DayStore(tmp_path)
        for _ in range(2):
            staged = fetch_day(connect(), store, project.name, DAY).staged
            published = store.publish(staged, "superset").day
        published.verify_files()
        return published

    return fetch


@pytest.mark.parametrize(("v2", "page"), [(True, '{"items":[%s]}'), (False, '{"runs":[%s]}')])
def test_a_text_cut_in_the_middle_of_an_emoji_is_kept_as_it_came(
    v2: bool,
    page: str,
    project: TracedProject,
    transport: Transport,
    langsmith_sandbox: ControlClient,
    tmp_path: Path,
) -> None:
    # The sandbox takes no such run, so its answers are written here.
    ids = sorted(str(uuid4()) for _ in range(2))
    texts = [r"cut in an emoji: \ud83d", r"\ud83d\ude00 and \\ud83d"]
    runs = [
        f'{{"id":"{run_id}","trace_id":"{run_id}","dotted_order":"{NOON:%Y%m%dT%H%M%S%fZ}{run_id}",'
        f'"start_time":"{NOON.isoformat()}","inputs":{{"text":"{text}"}}}}'
        for run_id, text in zip(ids, texts, strict=True)
    ]
    langsmith_sandbox.settings(v2=v2)
    langsmith_sandbox.fault(path="/runs/query$", status=200, body=page % ",".join(runs), times=10_000)
    langsmith_sandbox.fault(path="/runs/stats$", status=200, body={"run_count": 2}, times=10)
    store = DayStore(tmp_path)

    for _ in range(2):
        published = store.publish(fetch_day(transport, store, project.name, DAY).staged, "superset").day

    published.verify_files()
    assert [bytes(run).decode() for trace in published.traces() for run in trace.runs] == runs


def test_a_run_nested_a_thousand_levels_deep_is_archived_and_read_again(
    archive: Callable[[], DayFolder], project: TracedProject
) -> None:
    deep: object = "the end"
    for _ in range(900):
        deep = [deep]
    run = project.root(NOON, inputs={"deep": deep})

    day = archive()

    assert examine_traces(day).is_whole
    assert day.run_ids() == {run.id}


def test_a_trace_that_began_in_the_year_1_is_archived_under_a_name_that_can_be_read(
    archive: Callable[[], DayFolder], project: TracedProject
) -> None:
    root, child = str(uuid4()), str(uuid4())
    order = f"00010101T000000000000Z{root}.{NOON:%Y%m%dT%H%M%S%fZ}{child}"
    project.api.add_run(NOON, id=child, trace_id=root, parent_run_id=root, dotted_order=order)

    day = archive()

    assert day.run_ids() == {child}
    assert list(day.summary.trace_names()) == [f"{root}_00010101T000000000000Z.json"]
