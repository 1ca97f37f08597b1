"""A quarter that nobody watches: late runs, outages, a new disk, a wrong clock, another order of projects.

LangSmith keeps runs for fourteen days. At the end all that could be had is on Drive, what was lost was told
once, and people were told little of all the rest. The quarter's quiet weeks are left out: nothing happens in
them, and each day takes more than a second.
"""

import os
import shutil
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from lse_dagster.day.zip.file import read_zip
from lse_dagster.defs.project import archived_projects
from lse_dagster.drive.archive import DriveArchive
from lse_dagster.run.times import iso_z
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster.steps.drive_copy import list_copies
from lse_dagster_tests.defs.alerts.test_storms import FULL
from lse_dagster_tests.worlds.archiver import Archiver, Order
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi
from lse_dagster_tests.worlds.unattended import Daemon, Deploy
from lse_dagster_tests.worlds.webhook_receiver import Receiver

RETENTION = timedelta(days=14)
FIRST = date(2025, 7, 1)
DAYS = 67
FOREVER = 1_000_000
A_FEW = 3
"""Messages a day, at most."""
QUERIES = r"/runs/(query|stats)$|/sessions$|/info$"


def at(day: int, hour: int = 0) -> datetime:
    """An hour of the quarter's days, which count from 1."""
    return datetime(2025, 7, 1, hour, tzinfo=UTC) + timedelta(days=day - 1)


def the_day(day: int) -> date:
    return at(day).date()


@dataclass
class World:
    """Projects on a LangSmith that forgets, and the daemon that archives them."""

    sandbox: Sandbox
    apis: list[LangSmithApi]
    daemon: Daemon
    receiver: Receiver
    starts: dict[str, datetime] = field(default_factory=dict)
    projects: dict[str, str] = field(default_factory=dict)
    told: Counter[date] = field(default_factory=Counter)
    """How many messages came on each day."""

    def run(self, api: LangSmithApi, start: datetime, **fields: object) -> str:
        run_id = api.add_run(start, **fields)
        self.starts[run_id], self.projects[run_id] = start, api.project
        return run_id

    def live_until(self, moment: datetime) -> None:
        """Let time pass, with looks at noon and at midnight; every day each project has two runs."""
        clock = self.daemon.clock
        while clock.now < moment:
            self._live(min(moment, clock.now + timedelta(hours=12)))
            self._look()

    def _look(self) -> None:
        self.daemon.tick()
        self.told[self.daemon.clock.now.date()] += len(self.receiver.texts) - sum(self.told.values())

    def sleep_until(self, moment: datetime) -> None:
        """The machine is off; LangSmith goes on."""
        while self.daemon.clock.now < moment:
            self._live(min(moment, self.daemon.clock.now + timedelta(hours=12)))
        self.daemon.restart()
        self._look()

    def _live(self, moment: datetime) -> None:
        clock = self.daemon.clock
        if moment.date() > clock.now.date():
            today = clock.now.replace(hour=0, minute=0)
            for api in self.apis:
                for hour in (9, 17):
                    self.run(api, today + timedelta(hours=hour))
        clock.now = moment
        old = [run_id for run_id, start in self.starts.items() if start < moment - RETENTION]
        self.sandbox.langsmith.settings(delete_runs=old, now=moment.isoformat())

    def choose(self, *apis: LangSmithApi) -> None:
        """Change LSE_PROJECTS, and start again."""
        self.apis = [*apis]
        projects = tuple(api.project for api in apis)
        self.daemon.settings = replace(self.daemon.settings, projects=projects)
        self.daemon.restart()

    def archived(self, project: str) -> dict[date, set[str]]:
        """The ids of the runs in each day zip on Drive."""
        found: dict[date, set[str]] = {}
        with DriveArchive.connect(self.daemon.settings.drive) as drive:
            for day, file in list_copies(drive, project).items():
                copy = self.daemon.settings.archives_dir / "looked-at.zip"
                drive.download(file, copy)
                found[day] = read_zip(copy, project=project, day=day).run_ids()
            names = [file.name for file in drive.list(project)]
        assert len(names) == len(set(names))
        return found

    def expected(self, project: str) -> dict[date, set[str]]:
        """What LangSmith ever had of a project."""
        found: dict[date, set[str]] = {}
        for run_id, start in self.starts.items():
            if self.projects[run_id] == project:
                found.setdefault(start.date(), set()).add(run_id)
        return found

    def fetches(self, api: LangSmithApi, day: date) -> int:
        """How often a day was published."""
        (project,) = (
            one for one in archived_projects(self.daemon.settings.projects) if one.name == api.project
        )
        wanted = dg.AssetRecordsFilter(project.key("raw_runs"), asset_partitions=[day.isoformat()])
        return len(self.daemon.instance.fetch_materializations(wanted, limit=100).records)


@pytest.fixture
def world(sandbox: Sandbox, receiver: Receiver, deploy: Deploy) -> World:
    api = LangSmithApi(sandbox)
    daemon = deploy([api], at(1), LSE_START_DATE=FIRST.isoformat(), LSE_WEBHOOK_URL=receiver.url)
    return World(sandbox, [api], daemon, receiver)


def kill_a_run(world: World, api: LangSmithApi, day: date) -> dg.DagsterRun:
    """A run of the archive job whose process was killed after its first page; Dagster thinks that it runs."""
    order = Order(
        world.sandbox.langsmith_url,
        api.project,
        str(world.daemon.settings.data_dir),
        day.isoformat(),
        waits_after_first_page=True,
    )
    with Archiver(order, os.environ["LANGSMITH_API_KEY"]) as archiver:
        assert archiver.says() == "first page"
        assert archiver.kill()
    (project,) = (one for one in archived_projects(world.daemon.settings.projects) if one.name == api.project)
    run: dg.DagsterRun = create_run_for_test(
        world.daemon.instance,
        job_name=project.job_name("archive"),
        status=dg.DagsterRunStatus.STARTED,
        tags={
            "dagster/partition": day.isoformat(),
            "lse/requested_at": iso_z(world.daemon.clock.now),  # Dagster dates it today
        },
    )
    return run


@pytest.mark.slow
def test_after_a_quarter_all_that_could_be_had_is_on_drive_and_people_were_told_little(
    world: World, receiver: Receiver, langsmith_sandbox: ControlClient, drive_sandbox: ControlClient
) -> None:
    (one,) = world.apis
    two = LangSmithApi(world.sandbox)

    # A run that came late, one that ended late, one that was found at the last look only.
    world.live_until(at(4, 12))
    world.run(one, at(3, 12))
    unfinished = world.run(one, at(4, 9), end_time=None)
    world.live_until(at(5, 12))
    patched = one.session.patch(f"{one.url}/runs/{unfinished}", json={"end_time": at(5, 11).isoformat()})
    assert patched.ok
    world.live_until(at(9))
    world.run(one, at(1, 12))

    # Drive is full, and the data disk is replaced by an empty one before it has room again.
    world.live_until(at(10, 12))
    drive_sandbox.fault(path="/upload/", status=403, body=FULL, times=FOREVER)
    world.live_until(at(12, 12))
    shutil.rmtree(world.daemon.settings.data_dir)
    shutil.rmtree(world.daemon.settings.archives_dir)
    drive_sandbox.clear_faults()

    # The clock is wrong for one look.
    world.live_until(at(15, 12))
    world.daemon.clock.wrong = timedelta(days=20)
    world.daemon.tick()
    world.daemon.clock.wrong = timedelta(0)

    # Another project comes, in front of the first.
    world.live_until(at(17, 12))
    world.choose(two, one)

    # The other project is dropped again, with a day of it that is not on Drive yet.
    world.live_until(at(19, 12))
    drive_sandbox.fault(path="/upload/", status=403, body=FULL, times=FOREVER)
    world.live_until(at(20, 12))
    world.choose(one)
    drive_sandbox.clear_faults()

    # The key is revoked, and mended fourteen hours before LangSmith forgets; somebody clears up the runs.
    world.live_until(at(21, 12))
    langsmith_sandbox.fault(path=QUERIES, status=401, times=FOREVER)
    world.live_until(at(29))
    world.daemon.delete_runs()
    world.live_until(at(34, 10))
    langsmith_sandbox.clear_faults()

    # The webhook takes nothing for a day; a run is killed and nobody records its end.
    world.live_until(at(36))
    receiver.status = 503
    world.live_until(at(37))
    receiver.status = 200
    world.live_until(at(39))
    kill_a_run(world, one, the_day(38))

    # The daemon is down for two weeks and a day.
    world.live_until(at(42, 12))
    world.sleep_until(at(57, 20))
    world.live_until(at(DAYS, 12))

    for api, lost in ((one, {the_day(42), the_day(43)}), (two, set())):
        expected = {day: runs for day, runs in world.expected(api.project).items() if day < the_day(DAYS)}
        found = world.archived(api.project)
        assert {day for day, runs in expected.items() if found.get(day) != runs} == lost, api.project
    for day in (the_day(number) for number in range(60, 63)):
        assert world.fetches(one, day) == 2  # at night, and when all had arrived
    told = [text for text in receiver.texts if "not safe on Drive, and LangSmith deleted" in text]
    assert ["2 days (2025-08-11..2025-08-12)" in text for text in told] == [True]
    assert max(world.told.values()) <= A_FEW
    assert len(receiver.texts) < 40
