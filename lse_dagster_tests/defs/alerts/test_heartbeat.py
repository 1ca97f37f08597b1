"""A line a day that all is well: once a night whoever restarts, and never while something is wrong."""

from datetime import timedelta

import pytest

from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi
from lse_dagster_tests.worlds.place import DAY, at
from lse_dagster_tests.worlds.unattended import Daemon, Deploy
from lse_dagster_tests.worlds.webhook_receiver import Receiver


@pytest.fixture
def daemon(sandbox: Sandbox, receiver: Receiver, deploy: Deploy) -> Daemon:
    """Two projects at the noon of their first day."""
    apis = [LangSmithApi(sandbox) for _ in range(2)]
    apis[0].add_run(at(1, 12))
    variables = {"LSE_WEBHOOK_URL": receiver.url, "LSE_HEARTBEAT": "on", "LSE_START_DATE": DAY.isoformat()}
    found = deploy(apis, at(1, 12), **variables)
    found.tick()
    return found


def look(daemon: Daemon, *, times: int = 2) -> None:
    for _ in range(times):
        daemon.clock.now += timedelta(minutes=10)
        daemon.tick()


def beats(receiver: Receiver) -> list[str]:
    return [text.splitlines()[1] for text in receiver.texts if "all is well" in text]


def test_it_comes_once_a_night_also_after_a_restart_and_not_after_a_bad_one(
    daemon: Daemon, drive_sandbox: ControlClient, receiver: Receiver
) -> None:
    before = beats(receiver)
    daemon.run_until(at(2, 4), every=timedelta(hours=4))
    look(daemon)
    (first,) = beats(receiver)
    daemon.restart()
    look(daemon)
    once = beats(receiver)

    drive_sandbox.fault(path="/upload/", status=403, times=100_000)
    daemon.run_until(at(3, 12), every=timedelta(hours=8))
    failed = beats(receiver)
    drive_sandbox.clear_faults()
    daemon.run_until(at(3, 20), every=timedelta(hours=4))
    look(daemon)

    assert before == []
    assert first.startswith("2 projects are archived through 2025-08-01. On Drive: 2 days, ")
    assert once == failed == [first]
    assert [text.split(". ")[0] for text in beats(receiver)[1:]] == [
        "2 projects are archived through 2025-08-02"
    ]


def test_one_that_could_not_be_sent_is_sent_later(daemon: Daemon, receiver: Receiver) -> None:
    daemon.run_until(at(2, 4), every=timedelta(hours=16))
    receiver.words = {"all is well": 500}
    look(daemon)
    assert receiver.refused > 0
    receiver.words = {}

    look(daemon)

    assert len(beats(receiver)) == 1
