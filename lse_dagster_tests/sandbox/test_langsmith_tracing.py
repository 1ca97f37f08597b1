"""What the public SDK traces is what the sandbox answers, to the byte."""

import gzip
import json
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import zstandard
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from langsmith import Client, traceable, tracing_context
from langsmith.run_trees import RunTree
from langsmith.schemas import Attachments

from lse_dagster.cli import main
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.conversations import demo_conversations
from lse_dagster.sandbox.langsmith.tracing.multipart import MultipartError, parse_multipart
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.sandbox.trace import trace_conversations
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi

_CONVERSATIONS = Path(__file__).parents[3] / "shared/data/agent_conversations/gpt-4o-airline.json.gz"
_DATE = date(2025, 8, 29)

# The archive must know v1 as long as servers speak it; the SDK warns about every call.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated and will be removed after")


def test_a_traced_tree_reads_back_with_parents_times_and_attachments(
    langsmith_client: Client, project: str
) -> None:
    start = datetime(2025, 8, 29, 23, 59, 59, 123456, tzinfo=UTC)
    files: Attachments = {"note": ("text/plain", b"hello\r\n--not a boundary")}
    root = RunTree(
        name="root",
        run_type="chain",
        inputs={"question": "Zürich? 🙏"},
        start_time=start,
        project_name=project,
        ls_client=langsmith_client,
        attachments=files,
    )
    child = root.create_child(name="model", run_type="llm", start_time=start + timedelta(seconds=1))
    root.post()
    child.post()
    child.end(error="out of words", end_time=start + timedelta(seconds=2))
    child.patch()
    langsmith_client.flush()

    by_name = {run.name: run for run in langsmith_client.list_runs(project_name=project)}

    assert by_name["root"].start_time == start
    assert by_name["root"].status == "pending"
    assert by_name["root"].inputs == {"question": "Zürich? 🙏"}
    assert by_name["root"].attachments["note"]["reader"].read() == b"hello\r\n--not a boundary"
    assert (by_name["model"].status, by_name["model"].error) == ("error", "out of words")
    assert by_name["model"].parent_run_ids == [root.id]
    assert by_name["model"].dotted_order == child.dotted_order
    assert langsmith_client.read_run(root.id).trace_id == root.id


def test_decorated_functions_are_traced(langsmith_client: Client, project: str) -> None:
    @traceable(run_type="tool")
    def double(number: int) -> int:
        return number * 2

    @traceable
    def answer(number: int) -> int:
        return double(number) + 1

    with tracing_context(enabled=True, client=langsmith_client, project_name=project):
        assert answer(3) == 7
    langsmith_client.flush()

    runs = {run.name: run for run in langsmith_client.list_runs(project_name=project)}

    assert runs["double"].outputs == {"output": 6}
    assert runs["double"].parent_run_ids == [runs["answer"].id]
    assert all(run.status == "success" for run in runs.values())


def test_the_sdk_may_send_in_batches_or_run_by_run(
    langsmith_client: Client, langsmith_sandbox: ControlClient, sandbox: Sandbox, project: str
) -> None:
    RunTree(name="batched", project_name=project, ls_client=langsmith_client).post()
    langsmith_client.flush()
    plain = Client(
        api_url=sandbox.langsmith_url, api_key=sandbox.env["LANGSMITH_API_KEY"], auto_batch_tracing=False
    )
    RunTree(name="single", project_name=project, ls_client=plain).post()
    plain.close()

    sent = {entry.path for entry in langsmith_sandbox.requests()}

    assert {"/runs/multipart", "/runs"} <= sent
    assert {run.name for run in langsmith_client.list_runs(project_name=project)} == {"batched", "single"}


def test_big_numbers_key_order_and_unknown_keys_survive_byte_for_byte(api: LangSmithApi) -> None:
    run_id = str(uuid.uuid4())
    inputs = (
        b'{"z": 123456789012345678901234567890, "a": 0.10000000000000000555111, "n": 1E+2, "\\u00e9": null}'
    )
    body = (
        b'{"id":"%s","name":"exact","run_type":"llm","start_time":"2025-08-29T12:00:00Z","session_name":"%s",'
        b'"inputs":%s,"outputs":{"usage_metadata":{"total_cost":0.00000000000000000123}},'
        b'"extra":{"new": [1.0, 1]}}'
    ) % (run_id.encode(), api.project.encode(), inputs)
    api.session.post(f"{api.url}/runs", data=body, headers={"content-type": "application/json"})

    v1 = api.v1(select=["inputs", "extra", "total_cost"]).content
    v2 = api.v2(selects=["INPUTS", "EXTRA", "TOTAL_COST"]).content

    for answer in (v1, v2):
        assert b'"inputs":' + inputs in answer
        assert b'{"new": [1.0, 1]}' in answer
        assert b"0.00000000000000000123" in answer


def test_a_patch_may_come_before_its_post(api: LangSmithApi) -> None:
    run_id = str(uuid.uuid4())
    patch = {"end_time": "2025-08-29T12:00:09Z", "outputs": {"late": True}, "trace_id": run_id}
    api.session.patch(f"{api.url}/runs/{run_id}", json=patch)
    unseen = api.count()

    api.add_run(id=run_id, end_time=None, outputs=None)

    (run,) = api.v2(selects=["STATUS", "END_TIME", "OUTPUTS"]).json()["items"]
    assert unseen == 0
    assert run == {"status": "SUCCESS", "end_time": "2025-08-29T12:00:09.000Z", "outputs": {"late": True}}


def test_a_post_that_is_sent_again_changes_nothing(api: LangSmithApi) -> None:
    run_id = api.add_run(outputs={"final": 1})

    api.add_run(id=run_id, end_time=None, outputs=None)

    (run,) = api.v2(selects=["STATUS", "OUTPUTS"]).json()["items"]
    assert run == {"status": "SUCCESS", "outputs": {"final": 1}}


def test_a_batch_may_hold_posts_and_patches(api: LangSmithApi) -> None:
    run_id = str(uuid.uuid4())
    post = {"id": run_id, "name": "b", "start_time": "2025-08-29T12:00:00", "session_name": api.project}
    answer = api.post("/runs/batch", {"post": [post], "patch": [{"id": run_id, "error": "no"}]})

    (run,) = api.v1(select=["name", "status", "dotted_order"]).json()["runs"]

    assert answer.status_code == 202
    assert (run["name"], run["status"]) == ("b", "error")
    assert run["dotted_order"] == f"20250829T120000000000Z{run_id}"


def test_a_multipart_body_that_is_cut_off_is_refused_as_a_whole(api: LangSmithApi) -> None:
    run_id = str(uuid.uuid4())
    run = json.dumps({"id": run_id, "start_time": "2025-08-29T12:00:00Z", "session_name": api.project})
    part = f'--b\r\nContent-Disposition: form-data; name="post.{run_id}"\r\n\r\n{run}\r\n'.encode()
    headers = {"content-type": "multipart/form-data; boundary=b", "content-encoding": "zstd"}

    def send(body: bytes) -> requests.Response:
        # As the SDK does: a stream whose frame does not say how long its content is.
        stream = zstandard.ZstdCompressor().compressobj()
        compressed = stream.compress(body) + stream.flush()
        return api.session.post(f"{api.url}/runs/multipart", data=compressed, headers=headers)

    assert send(part).status_code == 400
    assert api.count() == 0
    assert send(part + b"--b--\r\n").status_code == 202
    assert api.count() == 1


@given(st.lists(st.tuples(st.binary(max_size=40), st.booleans()), max_size=5))
def test_parts_come_out_of_multipart_as_they_went_in(contents: list[tuple[bytes, bool]]) -> None:
    # A part without a length may hold anything but the boundary that ends it.
    contents = [(content, sized or b"\r\n--b" in content) for content, sized in contents]
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%d"\r\n%s\r\n%s\r\n'
        % (number, b"Content-Length: %d\r\n" % len(content) if sized else b"", content)
        for number, (content, sized) in enumerate(contents)
    )

    parts = list(parse_multipart(body + b"--b--\r\n", "b"))

    assert [(part.name, part.content) for part in parts] == [
        (str(number), content) for number, (content, _) in enumerate(contents)
    ]
    with pytest.raises(MultipartError):
        list(parse_multipart(body, "b"))


def test_feedback_is_kept_listed_and_summed_up(langsmith_client: Client, api: LangSmithApi) -> None:
    run_id = api.add_run()
    with_trace = {"run_id": run_id, "trace_id": run_id, "session_id": api.project_id}
    langsmith_client.create_feedback(key="quality", score=1, comment="good", **with_trace)
    langsmith_client.create_feedback(key="quality", score=0.5, **with_trace)
    langsmith_client.create_feedback(key="label", value="polite", run_id=run_id, session_id=api.project_id)
    langsmith_client.flush()

    records = list(langsmith_client.list_feedback(run_ids=[run_id]))
    (run,) = api.v1(select=["feedback_stats"]).json()["runs"]

    assert sorted(
        (record.key, record.score, record.value) for record in records if record.key != "label"
    ) == [
        ("quality", 0.5, None),
        ("quality", 1.0, None),
    ]
    assert run["feedback_stats"]["quality"]["n"] == 2
    assert run["feedback_stats"]["quality"]["avg"] == 0.75
    assert run["feedback_stats"]["quality"]["comments"] == ["good"]
    assert run["feedback_stats"]["label"]["values"] == {"polite": 1}
    assert api.get("/feedback", params={"run": run_id, "limit": 101}).status_code == 422
    assert len(api.get("/feedback", params={"run": run_id, "limit": 2, "offset": 2}).json()) == 1


def _messages(role: str, conversations: list[dict[str, Any]]) -> int:
    return sum(message["role"] == role for talk in conversations for message in talk["traj"])


@pytest.mark.skipif(
    not _CONVERSATIONS.exists(), reason="the shared conversations are not beside this checkout"
)
def test_real_conversations_become_a_day_of_traces(langsmith_client: Client, project: str) -> None:
    conversations = json.loads(gzip.decompress(_CONVERSATIONS.read_bytes()))

    traced = trace_conversations(langsmith_client, project, _DATE, conversations)
    again = trace_conversations(langsmith_client, project, _DATE, conversations)

    expected = 100 + _messages("user", conversations) + _messages("assistant", conversations)
    expected += _messages("tool", conversations)
    day = 'and(gte(start_time, "2025-08-29T00:00:00Z"), lt(start_time, "2025-08-30T00:00:00Z"))'
    stats = langsmith_client.get_run_stats(project_names=[project], filter=day)
    assert (traced.traces, traced.runs) == (100, expected)
    assert again == traced
    assert stats["run_count"] == expected


def test_demo_conversations_are_the_same_for_the_same_seed() -> None:
    assert demo_conversations(3, seed=1) == demo_conversations(5, seed=1)[:3]
    assert demo_conversations(3, seed=1) != demo_conversations(3, seed=2)


def test_the_last_trace_may_cross_midnight(langsmith_client: Client, project: str) -> None:
    traced = trace_conversations(
        langsmith_client, project, _DATE, demo_conversations(3), across_midnight=True
    )

    runs = list(langsmith_client.list_runs(project_name=project, select=["start_time", "trace_id"]))

    next_day = datetime(2025, 8, 30, tzinfo=UTC)
    late = [run for run in runs if run.start_time >= next_day]
    assert len(runs) == traced.runs
    assert min(run.start_time for run in runs) == datetime(2025, 8, 29, tzinfo=UTC)
    assert len({run.trace_id for run in late}) == 1
    assert any(run.trace_id == late[0].trace_id and run.start_time < next_day for run in runs)


def test_the_trace_command_writes_to_a_running_sandbox_only(sandbox: Sandbox, project: str) -> None:
    arguments = ["sandbox", "trace", "--project", project, "--date", "2025-08-29", "--traces", "2"]
    elsewhere = {"LANGSMITH_ENDPOINT": "https://api.smith.langchain.com", "LANGSMITH_API_KEY": "x"}

    written = CliRunner().invoke(main, [*arguments, "--dir", str(sandbox.directory)])
    refused = CliRunner(env=elsewhere).invoke(main, arguments)

    assert written.exit_code == 0, written.output
    assert "2 traces" in written.output
    assert refused.exit_code == 1
    assert "not a sandbox" in refused.output
