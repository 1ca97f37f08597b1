"""A month that nobody watches: late runs, patches, outages, a daemon that was down, a run that was killed.

LangSmith keeps runs for fourteen days. At the end all that was ever there is on Drive, and no day was fetched
more often than it had to be.
"""

import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.test_utils import create_run_for_test

from lse_dagster.day.drive_copy import list_copies
from lse_dagster.day.interval import iso_z
from lse_dagster.day.zip_file import read_zip
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.project import archived_projects
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.langsmith.archiver import Archiver, Order
from lse_dagster_tests.sandbox.langsmith_api import LangSmithApi
from lse_dagster_tests.unattended import Daemon, Deploy
from lse_dagster_tests.webhook_receiver import Receiver

RETENTION = timedelta(days=14)
FIRST, LAST = date(2025, 8, 1), date(2025, 8, 30)


def take_down(control: ControlClient, path: str) -> None:
    """Let every request to these paths fail until the faults are cleared."""
    control.fault(path=path, status=503, headers={"Retry-After": "3600"}, times=1_000_000)


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2025, 8, 1, hour, tzinfo=UTC) + timedelta(days=day - 1)


@dataclass
class World:
    """Two projects on a LangSmith that forgets, and the daemon that archives them."""

    sandbox: Sandbox
    apis: list[LangSmithApi]
    daemon: Daemon
    starts: dict[str, datetime] = field(default_factory=dict)
    projects: dict[str, str] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests to `/runs/stats`, by project id and day."""

    def run(self, project: int, start: datetime, **fields: object) -> str:
        api = self.apis[project]
        run_id = api.add_run(start, **fields)
        self.starts[run_id], self.projects[run_id] = start, api.project
        return run_id

    def live_until(self, moment: datetime) -> None:
        """Let time pass; every evening each project has two runs, every midnight LangSmith forgets."""
        clock = self.daemon.clock
        while clock.now < moment:
            evening = datetime.combine(clock.now.date(), datetime.min.time(), UTC) + timedelta(hours=18)
            midnight = evening + timedelta(hours=6)
            if clock.now < evening:
                self.daemon.run_until(min(evening, moment), every=timedelta(hours=12))
                if clock.now == evening and evening.date() <= LAST:
                    self._trace_a_day(evening.date())
            else:
                self.forget(midnight)
                self.daemon.run_until(min(midnight, moment))
            self._note_counts()

    def _trace_a_day(self, day: date) -> None:
        for project in range(len(self.apis)):
            for hour in (9, 17):
                self.run(project, datetime(day.year, day.month, day.day, hour, tzinfo=UTC))

    def forget(self, now: datetime) -> None:
        """What retention does."""
        old = [run_id for run_id, start in self.starts.items() if start < now - RETENTION]
        self.sandbox.langsmith.settings(delete_runs=old, now=now.isoformat())

    def _note_counts(self) -> None:
        for entry in self.sandbox.langsmith.requests():
            if entry.path.endswith("/runs/stats") and not entry.fault:
                self.counts[entry.json["session"][0], entry.json["filter"].split('"')[1][:10]] += 1
        self.sandbox.langsmith._call("DELETE", "requests")

    def archived(self, project: str) -> dict[date, set[str]]:
        """The ids of the runs in each day zip on Drive."""
        found: dict[date, set[str]] = {}
        with DriveArchive.connect(self.daemon.settings.drive()) as drive:
            for day, file in list_copies(drive, project).items():
                copy = self.daemon.settings.archives_dir / "looked-at.zip"
                drive.download(file, copy)
                found[day] = read_zip(copy, project=project, day=day).run_ids()
            names = [file.name for file in drive.list(project)]
        assert len(names) == len(set(names))
        return found

    def fetches(self) -> Counter[tuple[str, str]]:
        """How often each day was published, by project and day."""
        found: Counter[tuple[str, str]] = Counter()
        for project in archived_projects(self.daemon.settings.projects):
            records = self.daemon.instance.fetch_materializations(project.key("raw_runs"), limit=1000).records
            for record in records:
                found[project.configured_name, record.partition_key or ""] += 1
        return found


@pytest.fixture
def world(sandbox: Sandbox, receiver: Receiver, deploy: Deploy) -> World:
    apis = [LangSmithApi(sandbox) for _ in range(2)]
    daemon = deploy(
        apis,
        at(1),
        LSE_START_DATE=FIRST.isoformat(),
        LSE_WEBHOOK_URL=receiver.url,
        LSE_DAGSTER_URL="https://dagster.example",
    )
    return World(sandbox, apis, daemon)


def kill_a_run(world: World, project: int, day: date) -> dg.DagsterRun:
    """A run of the archive job whose process was killed after its first page; Dagster thinks that it runs."""
    order = Order(
        world.sandbox.langsmith_url,
        world.apis[project].project,
        str(world.daemon.settings.data_dir),
        day.isoformat(),
        waits_after_first_page=True,
    )
    with Archiver(order, os.environ["LANGSMITH_API_KEY"]) as archiver:
        assert archiver.says() == "first page"
        assert archiver.kill()
    job = archived_projects(world.daemon.settings.projects)[project].job_name("archive")
    run: dg.DagsterRun = create_run_for_test(
        world.daemon.instance,
        job_name=job,
        status=dg.DagsterRunStatus.STARTED,
        tags={
            "dagster/partition": day.isoformat(),
            "lse/requested_at": iso_z(world.daemon.clock.now),  # Dagster dates it today
        },
    )
    return run


@pytest.mark.slow
def test_after_a_month_all_that_ever_was_on_langsmith_is_on_drive(
    world: World, receiver: Receiver, langsmith_sandbox: ControlClient, drive_sandbox: ControlClient
) -> None:
    world.live_until(at(4, 12))
    world.run(0, at(3, 12))  # late: fetched at D+2
    world.live_until(at(5, 18))
    unfinished = world.run(1, at(5, 17), end_time=None)
    world.live_until(at(6, 12))
    patched = world.apis[1].session.patch(
        f"{world.apis[1].url}/runs/{unfinished}", json={"end_time": at(6, 11).isoformat()}
    )
    world.live_until(at(8))
    take_down(langsmith_sandbox, r"/runs/(query|stats)$|/sessions$|/info$")
    world.live_until(at(8, 18))
    langsmith_sandbox.clear_faults()
    world.live_until(at(9))
    world.run(0, at(1, 12))  # very late: found at D+12
    world.live_until(at(11))
    take_down(drive_sandbox, "/drive/")
    world.live_until(at(12, 18))
    drive_sandbox.clear_faults()
    world.live_until(at(14, 6))
    for day in range(14, 22):  # the daemon is down
        world.daemon.clock.now = at(day, 18)
        world._trace_a_day(world.daemon.clock.now.date())
    world.daemon.clock.now = at(22)
    world.forget(at(22))
    world.daemon.restart()
    world.live_until(at(25))
    world.daemon.clock.now = at(25, 6)
    world.daemon.restart()
    killed = kill_a_run(world, 1, date(2025, 8, 24))
    world.live_until(at(25, 12))
    archived_while_stuck = world.archived(world.apis[1].project)
    world.daemon.instance.report_run_failed(killed, "The run's process is gone.")
    world.live_until(at(32))

    assert patched.ok
    assert date(2025, 8, 24) not in archived_while_stuck
    expected: dict[str, dict[date, set[str]]] = {api.project: {} for api in world.apis}
    for run_id, start in world.starts.items():
        expected[world.projects[run_id]].setdefault(start.date(), set()).add(run_id)
    for project, days in expected.items():
        found = world.archived(project)
        assert {day: found.get(day) for day in days} == days
        assert found.keys() - days.keys() <= {date(2025, 8, 31)}
    one = world.apis[0].project
    # Each night, and once more when all had arrived; only then what LangSmith or the daemon was down for.
    late = {"2025-08-07", *(f"2025-08-{day}" for day in range(14, 21))}
    fetches = world.fetches()
    unusual = {key: times for key, times in fetches.items() if times != (1 if key[1] in late else 2)}
    assert unusual == {(one, "2025-08-01"): 3}
    assert failed_checks(world) == set()
    quiet = {(api.project_id, f"2025-08-{day:02}") for api in world.apis for day in (23, 26, 27, 28)}
    assert {world.counts[key] for key in quiet} == {6}  # twice: the fetch's two, and its check's
    assert any("2025-08-07" in text and one in text for text in receiver.texts)
    assert all("https://dagster.example/" in text for text in receiver.texts)
    assert not any("not safe on Drive" in text for text in receiver.texts)


def failed_checks(world: World) -> set[tuple[str, str, str | None]]:
    """The checks whose latest result is not good, by asset, check and day."""
    keys = world.daemon.repository.asset_graph.asset_check_keys
    infos = world.daemon.instance.event_log_storage.get_asset_check_partition_info(sorted(keys, key=str))
    return {
        (info.check_key.asset_key.to_user_string(), info.check_key.name, info.partition_key)
        for info in infos
        if info.latest_execution_status is not AssetCheckExecutionRecordStatus.SUCCEEDED
    }
