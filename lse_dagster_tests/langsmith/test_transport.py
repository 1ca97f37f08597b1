"""HTTP to LangSmith: what is tried again and for how long, what is final, and what an error says."""

from collections.abc import Callable

import msgspec
import pytest

from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.errors import (
    InvalidAnswer,
    MissingApiKey,
    RequestRefused,
    Unauthorized,
    Unavailable,
)
from lse_dagster.langsmith.transport import Transport
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.worlds.langsmith import Waits

INFO = "/api/v1/info"


class Info(msgspec.Struct):
    version: str


def ask(transport: Transport) -> Info:
    return transport.get(INFO, msgspec.json.Decoder(Info).decode, params={})


def test_retry_after_is_waited_for_exactly_however_long(
    transport: Transport, waits: Waits, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path=INFO, status=429, headers={"Retry-After": "300"})

    assert ask(transport).version

    assert waits.seconds == [300.0]
    assert (transport.counters.requests, transport.counters.retries) == (2, 1)
    assert transport.counters.seconds_waited == 300.0


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530])
def test_what_may_pass_is_tried_again_with_growing_pauses(
    status: int, transport: Transport, waits: Waits, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path=INFO, status=status, times=3)

    assert ask(transport).version

    assert waits.seconds == [0.5, 1.0, 2.0]


def test_a_server_that_stays_down_is_given_up_after_the_patience(
    connect: Callable[..., Transport], waits: Waits, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path=INFO, status=503, body="maintenance", times=1000)

    with pytest.raises(Unavailable, match="maintenance"):
        ask(connect(patience=60.0))

    assert sum(waits.seconds) <= 60.0


def test_time_that_a_gateway_takes_to_refuse_is_waiting_too(
    connect: Callable[..., Transport], langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path=INFO, status=504, delay=0.5, times=1000)

    with pytest.raises(Unavailable, match="504"):
        ask(connect(patience=1.8))  # half a second twice, and the first pause of another

    assert len(langsmith_sandbox.requests()) == 2


def test_a_server_that_cannot_be_reached_is_given_up_after_the_patience(
    connect: Callable[..., Transport],
) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        ask(connect(endpoint="http://127.0.0.1:9", patience=3.0))


def test_nonsense_is_asked_for_again_a_few_times_only(
    transport: Transport, waits: Waits, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path=INFO, status=200, body="<html>a captive portal</html>", times=1000)

    with pytest.raises(InvalidAnswer):
        ask(transport)

    assert len(waits.seconds) == 4


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRefused),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, RequestRefused),
        (422, RequestRefused),
        (302, RequestRefused),
    ],
)
def test_what_cannot_pass_is_final_at_once(
    status: int,
    error: type[Exception],
    transport: Transport,
    waits: Waits,
    langsmith_sandbox: ControlClient,
) -> None:
    langsmith_sandbox.fault(path=INFO, status=status, body={"detail": "the server's words"})

    with pytest.raises(error, match="the server's words"):
        ask(transport)

    assert waits.seconds == []


def test_a_wrong_key_is_explained_and_never_shown(connect: Callable[..., Transport]) -> None:
    transport = connect(api_key="lsv2_wrong_secret")

    with pytest.raises(Unauthorized) as caught:
        transport.get("/api/v1/sessions", msgspec.json.decode, params={"name": "x"})

    assert "LANGSMITH_API_KEY" in caught.value.next_step
    assert "lsv2_wrong_secret" not in f"{caught.value!r} {caught.value}"
    assert "secret" not in repr(LangSmithSettings(api_key="secret"))


def test_no_key_is_said_before_any_request() -> None:
    with pytest.raises(MissingApiKey, match="LANGSMITH_API_KEY is not set"):
        Transport(LangSmithSettings(api_key=""))


@pytest.mark.parametrize("suffix", ["", "/", "/api", "/api/v1", "/api/v1/"])
def test_the_endpoint_may_be_written_as_the_sdk_takes_it(
    suffix: str, connect: Callable[..., Transport], sandbox: Sandbox
) -> None:
    assert ask(connect(endpoint=sandbox.langsmith_url + suffix)).version


def test_the_key_is_not_sent_on_to_where_a_redirect_points(
    transport: Transport, sandbox: Sandbox, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path=INFO, status=307, headers={"Location": sandbox.drive_url + "/stolen"})

    with pytest.raises(RequestRefused):
        ask(transport)
