"""How long is waited before another try: one rule for LangSmith and for Drive."""

from email.utils import formatdate

import pytest

from lse_dagster.drive.archive import DriveArchive
from lse_dagster.langsmith.transport import LangSmithSettings, Transport
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
    settings = Settings.from_environment(sandbox.env)
    for_langsmith: list[float] = []
    for_drive: list[float] = []

    reach = LangSmithSettings(
        sandbox.env["LANGSMITH_API_KEY"], endpoint=sandbox.langsmith_url, patience=1_000_000.0
    )
    with Transport(
        reach,
        limiters=RateLimiters(PUBLISHED_RATES["none"]),
        jitter=lambda: 1.0,
        sleep=lambda seconds: None,
        on_retry=lambda error, seconds: for_langsmith.append(round(seconds)),
    ) as transport:
        transport.get("/api/v1/info", bytes, params={})
    backoff = Backoff(patience=1_000_000.0, sleep=lambda seconds: None, jitter=lambda: 1.0)
    with DriveArchive.connect(
        settings.drive(),
        backoff=backoff,
        on_retry=lambda error, seconds: for_drive.append(round(seconds)),
    ):
        pass

    assert for_langsmith == for_drive
    assert len(for_drive) == FAULTS
