"""How long is waited before another try: one rule for LangSmith and for Drive."""

from dataclasses import replace
from email.utils import formatdate
from functools import partial

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.langsmith.transport import Transport
from lse_dagster.net.backoff import Backoff
from lse_dagster.net.limiter import PUBLISHED_RATES, RateLimiters
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.settings import Settings

FAULTS = 5


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
