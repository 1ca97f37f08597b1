"""No key, password or presigned URL is in an error, a log or an address that is kept, whoever repeats it."""

import json
import logging
from collections.abc import Callable

import pytest

from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.errors import MissingApiKey, ProjectNotFound, UnusableAddress, UnusableCredential
from lse_dagster.langsmith.server import Project, find_project, look_at_server, project_page
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.langsmith.odd_server import OddServer, Question
from lse_dagster_tests.worlds.attached_runs import Downloads, Source, fetch
from lse_dagster_tests.worlds.langsmith import Waits

KEY = "lsv2_pt_0123456789abcdef0123456789abcdef_0123456789"


def everything_in(error: BaseException) -> str:
    """What Dagster, the terminal or a webhook could show of an error, and of those that it came from."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{error!r} {error} {vars(error)} {everything_in(cause) if cause else ''}"


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {} ", "\t{}"])
def test_white_space_around_the_key_is_no_part_of_it(
    around: str, connect: Callable[..., Transport], sandbox: Sandbox, langsmith_sandbox: ControlClient
) -> None:
    transport = connect(api_key=around.format(sandbox.env["LANGSMITH_API_KEY"]))

    assert transport.get("/api/v1/sessions", json.loads, params={"limit": 1}) is not None


@pytest.mark.parametrize(
    "key", ["first half\nsecond", "one\rtwo", "ends…", "café", "a\0b", "two words", "\ufefflsv2"]
)
def test_a_key_that_no_header_can_hold_is_refused_at_once_and_never_shown(
    key: str, connect: Callable[..., Transport], odd: OddServer, waits: Waits
) -> None:
    with pytest.raises(UnusableCredential, match="LANGSMITH_API_KEY holds") as caught:
        connect(api_key=key, endpoint=odd.url)

    assert key not in everything_in(caught.value)
    assert not caught.value.transient
    assert (odd.asked, waits.seconds) == ([], [])


def test_a_key_of_white_space_alone_is_none() -> None:
    with pytest.raises(MissingApiKey):
        Transport(LangSmithSettings(api_key=" \n"))


def test_a_workspace_that_no_header_can_hold_is_refused_too(connect: Callable[..., Transport]) -> None:
    with pytest.raises(UnusableCredential, match="LANGSMITH_WORKSPACE_ID holds"):
        connect(workspace_id="one\ntwo")


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413, 500, 502, 503])
@pytest.mark.parametrize(
    "before", ["", " " * 1_980, "x" * 280], ids=["", "at the first cut", "at the last cut"]
)
def test_a_proxy_that_repeats_the_request_does_not_get_the_key_into_an_error(
    status: int, before: str, connect: Callable[..., Transport], odd: OddServer
) -> None:
    def repeat(question: Question) -> None:
        key = question.headers["x-api-key"]
        question.answer(status, f"{before} sent {key} in {question.headers}".encode())

    odd.script = repeat

    with pytest.raises(ArchiveError, match="sent ") as caught:
        connect(api_key=KEY, endpoint=odd.url, patience=2.0).get("/x", bytes, params={})

    assert KEY[:8] not in everything_in(caught.value)


def test_a_server_whose_first_line_is_the_key_does_not_get_it_into_an_error(
    connect: Callable[..., Transport], odd: OddServer
) -> None:
    odd.script = lambda question: question.raw(f"{KEY}\r\n\r\n".encode())

    with pytest.raises(ArchiveError, match="speaks no HTTP") as caught:
        connect(api_key=KEY, endpoint=odd.url, patience=2.0).get("/x", bytes, params={})

    assert KEY[:8] not in everything_in(caught.value)


@pytest.mark.parametrize("password", ["s3cr3t", "s3cr3t@more", "s3cr3t%2F"])
def test_a_password_in_the_endpoint_is_in_no_error_and_no_address(
    password: str, connect: Callable[..., Transport], sandbox: Sandbox, langsmith_sandbox: ControlClient
) -> None:
    endpoint = sandbox.langsmith_url.replace("//", f"//user:{password}@") + "/api/v1"
    page = project_page(f"https://user:{password}@example.com/api", Project("id", "name", "workspace"))

    with pytest.raises(ProjectNotFound) as caught:
        find_project(connect(endpoint=endpoint), "no such project")
    langsmith_sandbox.fault(path="/api/v1/sessions", status=400)
    with pytest.raises(ArchiveError, match="400") as refused:
        find_project(connect(endpoint=endpoint), "no such project")

    assert page == "https://example.com/o/workspace/projects/p/id"
    for error in (caught.value, refused.value):
        assert sandbox.langsmith_url in str(error)
        assert "s3cr3t" not in everything_in(error)


@pytest.mark.parametrize(
    "endpoint",
    [
        "api.smith.langchain.com",
        "user:s3cr3t@host",
        "ftp://host",
        "http://",
        "http://[s3cr3t",
        "http://h:s3cr3t",
    ],
)
def test_an_endpoint_that_is_none_is_refused_before_any_request_and_not_shown(
    endpoint: str, connect: Callable[..., Transport]
) -> None:
    for ask in (lambda: connect(endpoint=endpoint), lambda: look_at_server(endpoint)):
        with pytest.raises(UnusableAddress, match="LANGSMITH_ENDPOINT") as caught:
            ask()

        assert not caught.value.transient
        assert "s3cr3t" not in everything_in(caught.value)


@pytest.mark.parametrize(
    "endpoint", ["https://api..smith.langchain.com", f"http://{'a' * 64}.com", "http://*"]
)
def test_a_host_that_no_name_server_could_be_asked_for_is_an_address_that_is_none(
    endpoint: str, connect: Callable[..., Transport]
) -> None:
    for ask in (
        lambda: connect(endpoint=endpoint).get("/x", bytes, params={}),
        lambda: look_at_server(endpoint),
    ):
        with pytest.raises(UnusableAddress, match="LANGSMITH_ENDPOINT"):
            ask()


@pytest.mark.parametrize(
    "proxy", ["http://user:s3cr3t@[bad", "http://user:s3cr3t@h:99999999", "nope://s3cr3t"]
)
def test_a_proxy_whose_address_is_none_is_final_and_not_shown(
    proxy: str, connect: Callable[..., Transport], waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")

    endpoint = "http://langsmith.test"
    for ask in (
        lambda: connect(endpoint=endpoint).get("/x", bytes, params={}),
        lambda: look_at_server(endpoint),
    ):
        with pytest.raises(UnusableAddress, match="HTTP_PROXY") as caught:
            ask()

        assert "s3cr3t" not in everything_in(caught.value)
    assert waits.seconds == []


def test_a_presigned_url_is_in_no_log_whatever_is_logged(
    source: Source,
    downloads: Downloads,
    transport: Transport,
    odd: OddServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")  # Kubernetes' client has set another one
    source.trace({"note": b"hello"})
    odd.script = lambda question: question.raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno header at all\r\n\r\nhi"  # urllib3 warns of that
    )
    url = f"{odd.url}/file?X-Amz-Signature=s1gnature"
    run = {"id": "r1", "attachments": {"odd": url, "away": "http://127.0.0.1:9/?sig=s1gnature"}}

    kept = fetch(downloads(), *source.v2(), json.dumps(run).encode())
    transport.get("/api/v1/info", bytes, params={})

    # The sandbox runs in this process too.
    logged = "\n".join(each.getMessage() for each in caplog.records if not each.name.startswith("uvicorn"))
    assert len(kept.files) == 2
    assert "/api/v1/info" in logged
    assert "signature" not in logged
    assert "s1gnature" not in logged
