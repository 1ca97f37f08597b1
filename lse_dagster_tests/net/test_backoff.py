"""How long is waited before another try: one rule for LangSmith and for Drive."""

from dataclasses import replace
from email.utils import formatdate
from functools import partial

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.backoff import Backoff, pause, retry_after
from lse_dagster.net.limiter import PUBLISHED_RATES, RateLimiters
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.settings import Settings

FAULTS = 5
DOUBLING = [0.5, 1.0, 2.0, 4.0, 8.0]
A_DAY = 86_400.0


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (None, DOUBLING),
        ("7", [7.0, 7.0, 7.0, 7.0, 8.0]),
        ("1e9", [A_DAY] * FAULTS),
        (formatdate(4e9, usegmt=True), [A_DAY] * FAULTS),
    ],
)
def test_a_pause_doubles_from_half_a_second_and_is_what_is_asked_for_up_to_a_day(
    asked: str | None, seconds: list[float]
) -> None:
    wanted = retry_after({"Retry-After": asked} if asked is not None else {})
    assert [pause(attempt, wanted or 0.0, 1.0) for attempt in range(FAULTS)] == seconds


def test_a_pause_that_nobody_asks_for_ends_to_grow_at_about_a_minute() -> None:
    assert {pause(attempt, 0.0, 1.0) for attempt in range(7, 99)} == {64.0}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "asked",
    [None, "0", "1", "7", formatdate(0, usegmt=True), formatdate(4e9, usegmt=True), "nan", "-1", "soon"],
)
def test_langsmith_and_drive_are_waited_for_alike(
    sandbox: Sandbox,
    drive_sandbox: ControlClient,
    langsmith_sandbox: ControlClient,
    status: int,
    asked: str | None,
) -> None:
    headers = {"Retry-After": asked} if asked is not None else {}
    langsmith_sandbox.fault(path="/api/v1/info", status=status, headers=headers, times=FAULTS)
    drive_sandbox.fault(path="/drive/v3/", status=status, headers=headers, times=FAULTS)
    for_langsmith: list[float] = []
    for_drive: list[float] = []
    for_long = 1e9
    clock = partial(sum, for_langsmith)

    reach = replace(Settings.from_environment(sandbox.env).langsmith, patience=for_long)
    limiters = RateLimiters(PUBLISHED_RATES["none"], clock=clock)
    with Transport(
        reach, limiters=limiters, jitter=lambda: 1.0, sleep=for_langsmith.append, clock=clock
    ) as transport:
        transport.get("/api/v1/info", bytes, params={})
    backoff = Backoff(patience=for_long, sleep=for_drive.append, jitter=lambda: 1.0)
    with DriveArchive.connect(Settings.from_environment(sandbox.env).drive, backoff=backoff):
        pass

    assert for_langsmith == pytest.approx(for_drive, abs=0.1)
    assert len(for_drive) == FAULTS
