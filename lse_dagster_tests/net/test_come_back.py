"""A `Retry-After` beyond the patience: nobody waits in silence, and the error says when to come back."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.drive.errors import PassingFault
from lse_dagster.errors import ArchiveError
from lse_dagster.langsmith.access import LangSmithSettings
from lse_dagster.langsmith.errors import Unavailable
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.backoff import Backoff, ComeBack
from lse_dagster.net.limiter import PUBLISHED_RATES, RateLimiters
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.settings import Settings

INFO = "/api/v1/info"
PATIENCE = 5.0
PROJECT = "b1ee3f6e-1c4f-4a53-8f0b-9c1f53f3f9b4"


def moment_in(error: ArchiveError) -> datetime:
    found = re.search(r"after (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", error.next_step)
    assert found is not None, error
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC)


@pytest.fixture
def limiters() -> RateLimiters:
    """What the connections of one process share."""
    return RateLimiters(PUBLISHED_RATES["none"])


@pytest.fixture
def connect(sandbox: Sandbox, limiters: RateLimiters) -> Callable[..., Transport]:
    """A connection that fails the test if it waits."""

    def make(patience: float = PATIENCE, **options: object) -> Transport:
        settings = LangSmithSettings(
            sandbox.env["LANGSMITH_API_KEY"], endpoint=sandbox.langsmith_url, patience=patience
        )
        return Transport(settings, limiters=limiters, **{"sleep": pytest.fail, **options})  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_langsmith_asks_for_longer_than_the_patience(
    connect: Callable[..., Transport], langsmith_sandbox: ControlClient, status: int, as_date: bool
) -> None:
    begin = datetime.now(UTC)
    until = f"{begin + timedelta(seconds=45):%a, %d %b %Y %H:%M:%S GMT}" if as_date else "45"
    langsmith_sandbox.fault(path=INFO, status=status, headers={"Retry-After": until}, times=100)

    with connect() as transport, pytest.raises(Unavailable, match=str(status)) as caught:
        transport.get(INFO, bytes, params={})

    assert 43 <= (moment_in(caught.value) - begin).total_seconds() <= 60
    assert len(langsmith_sandbox.requests()) == 1


def test_the_next_request_of_the_process_says_so_too_and_does_not_stall(
    connect: Callable[..., Transport], langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path=INFO, status=429, headers={"Retry-After": "45"})
    with connect() as transport, pytest.raises(Unavailable) as first:
        transport.get(INFO, bytes, params={})

    with connect() as another, pytest.raises(Unavailable) as second:
        another.get(INFO, bytes, params={})

    assert abs((moment_in(second.value) - moment_in(first.value)).total_seconds()) <= 2
    assert len(langsmith_sandbox.requests()) == 1
    with connect() as unlimited:  # other requests have limits of their own
        unlimited.post("/runs/query", bytes, body={"session": [PROJECT]}, kind="v1")


def test_who_has_the_patience_waits_for_it_and_says_so(
    connect: Callable[..., Transport], langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.fault(path=INFO, status=429, headers={"Retry-After": "45"})
    with connect() as transport, pytest.raises(Unavailable):
        transport.get(INFO, bytes, params={})
    told: list[tuple[str, float]] = []
    waited: list[float] = []

    with connect(
        900.0, sleep=waited.append, on_retry=lambda error, seconds: told.append((error.why, seconds))
    ) as another:
        another.get(INFO, bytes, params={})

    assert 40 <= sum(waited) <= 45
    ((why, seconds),) = told
    assert "429" in why
    assert 40 <= seconds <= 45


def test_drive_asks_for_longer_than_the_patience(sandbox: Sandbox, drive_sandbox: ControlClient) -> None:
    begin = datetime.now(UTC)
    quickly = Backoff(patience=PATIENCE, sleep=lambda seconds: pytest.fail(f"waited {seconds} s"))
    settings = Settings.from_environment(sandbox.env).drive
    drive_sandbox.fault(path="/drive/v3/", status=429, headers={"Retry-After": "45"}, times=100)

    with (
        pytest.raises(PassingFault, match="429") as caught,
        DriveArchive.connect(settings, backoff=quickly) as drive,
    ):
        drive.list("my-project")

    assert 43 <= (moment_in(caught.value) - begin).total_seconds() <= 60


@pytest.mark.parametrize("seconds", [0.6, 86_400.0, 1e300, float("inf")])
def test_any_number_of_seconds_has_a_time(seconds: float) -> None:
    later = ComeBack.after(seconds, patience=5.0)

    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", later.next_step)
