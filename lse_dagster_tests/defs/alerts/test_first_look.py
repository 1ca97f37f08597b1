"""Switching the schedules on where days were never attempted: work to do, and no reason to wake anybody."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from lse_dagster.defs.health import LateDays
from lse_dagster.defs.project import PROJECT_TAG
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi
from lse_dagster_tests.worlds.place import DAY, at
from lse_dagster_tests.worlds.unattended import Daemon, Deploy
from lse_dagster_tests.worlds.webhook_receiver import Receiver

FIRST = at(6, 12)
DAYS = [DAY + timedelta(days=number) for number in range(5)]


@pytest.fixture
def daemon(sandbox: Sandbox, receiver: Receiver, deploy: Deploy) -> Daemon:
    """A fresh home of two projects of which five days were never attempted."""
    apis = [LangSmithApi(sandbox) for _ in range(2)]
    return deploy(
        apis, FIRST, LSE_START_DATE=DAY.isoformat(), LSE_WEBHOOK_URL=receiver.url, LSE_RETENTION_DAYS="6"
    )


def look(daemon: Daemon, times: int) -> None:
    for _ in range(times):
        daemon.tick()
        daemon.clock.now += timedelta(minutes=10)


def test_days_that_are_archived_now_are_no_message(daemon: Daemon, receiver: Receiver) -> None:
    look(daemon, 4)

    assert receiver.texts == []
    assert len(daemon.runs("/fetch")) == 10
    assert all(run.is_success for run in daemon.executed)


def test_days_that_cannot_be_archived_are_one_message_by_their_cause_and_one_of_those_about_to_be_lost(
    daemon: Daemon, langsmith_sandbox: ControlClient, receiver: Receiver
) -> None:
    langsmith_sandbox.fault(path="/sessions$", status=403, times=100_000)
    look(daemon, 6)

    cause, danger = receiver.texts
    assert "LangSmith refuses the API key" in cause
    assert "2025-08-02 to 2025-08-05" in cause
    assert danger.startswith("LangSmith archive: 4 warnings: days are lost, or about to be")
    assert "Read why the last runs of this day failed" in danger


def test_runs_that_only_wait_for_hours_are_told_as_such_and_together(
    daemon: Daemon, receiver: Receiver
) -> None:
    queue_all(daemon)
    daemon.tick()
    daemon.clock.now += timedelta(hours=2)

    look(daemon, 3)

    dangers = [text for text in receiver.texts if "deletes it from" in text]
    (late,) = [text for text in receiver.texts if "late" in text]
    assert len(receiver.texts) == len(dangers) + 1 <= 3
    assert all("No run has ended for this day yet" in text for text in dangers)
    assert "No run for them has ended yet" in late
    assert not any("failed" in text for text in receiver.texts)
    assert all(run.job_name.startswith("expiry") for run in daemon.executed)


def test_all_is_not_well_while_days_before_last_night_still_wait_for_their_runs(
    daemon: Daemon, receiver: Receiver
) -> None:
    for job in ("archive", *(name for name in daemon.repository.job_names if name.startswith("archive_"))):
        assert daemon.execute(job, tags={"dagster/partition": DAYS[-1].isoformat()}).success
    daemon.settings = replace(daemon.settings, heartbeat=True)
    daemon.restart()
    queue_all(daemon)

    look(daemon, 3)

    assert receiver.texts == []


def queue_all(daemon: Daemon) -> None:
    """A queue that nobody works off holds a run for each day."""
    for project in daemon.settings.projects:
        for day in DAYS:
            create_run_for_test(
                daemon.instance,
                job_name="archive",
                status=dg.DagsterRunStatus.NOT_STARTED,
                tags={
                    "dagster/partition": day.isoformat(),
                    PROJECT_TAG: project,
                    "lse/requested_at": daemon.clock.now.isoformat(),
                    "lse/step": f"{project}/{day}/fetch",
                },
            )


@pytest.mark.parametrize(
    ("tried", "said", "not_said"),
    [
        (DAYS[1:2], "Read why their last runs failed", "No run for them"),
        ([], "No run for them has ended yet", "failed"),
    ],
)
def test_late_days_say_whether_a_run_has_tried_them(tried: Sequence[date], said: str, not_said: str) -> None:
    error = LateDays("p", DAYS[:3], tried)

    assert said in str(error)
    assert not_said not in str(error)
    assert "3 of them are late: 2025-08-01..2025-08-03." in error.why
