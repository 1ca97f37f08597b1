"""`LSE_PROJECTS` in another order, or without its first: no record speaks for another project."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from lse_dagster.calendar.days import CheckResults
from lse_dagster.calendar.evidence import Recorded
from lse_dagster.calendar.inventory import LocalDay, local_days
from lse_dagster.day.summary import Counts, SummaryHead
from lse_dagster.defs.metadata import recorded_sha256
from lse_dagster.defs.own_records import Owner
from lse_dagster.defs.project import archived_projects
from lse_dagster.defs.upkeep.check_results import latest_checks
from lse_dagster.defs.upkeep.records import Records
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.sandbox.server import Sandbox
from lse_dagster_tests.worlds.langsmith_api import LangSmithApi
from lse_dagster_tests.worlds.place import DAY, at
from lse_dagster_tests.worlds.unattended import Daemon, Deploy
from lse_dagster_tests.worlds.webhook_receiver import Receiver

Change = Callable[[Sequence[str]], list[str]]

PASSED = CheckResults(complete=True, current=True, counts_failed=False, others_failed=False, in_time=True)


def reversed_(names: Sequence[str]) -> list[str]:
    return [*reversed(names)]


def without_the_first(names: Sequence[str]) -> list[str]:
    return [*names[1:]]


changes = pytest.mark.parametrize("change", [reversed_, without_the_first])


@dataclass
class Two:
    """Two projects of one deployment, and what is known of the days of each."""

    daemon: Daemon
    first: LangSmithApi
    second: LangSmithApi
    receiver: Receiver

    def change(self, change: Change) -> list[str]:
        """Change `LSE_PROJECTS`, and load the code location again."""
        names = change(self.daemon.settings.projects)
        self.daemon.settings = replace(self.daemon.settings, projects=tuple(names))
        self.daemon.restart()
        return names

    def here(self, project: str) -> dict[date, LocalDay]:
        return local_days(self.daemon.days.root, self.daemon.zips.root, project)

    def shown(self, project: str) -> dict[date, CheckResults]:
        """What `lse status` shows of the checks."""
        here = {project: self.here(project)}
        return dict(latest_checks(self.daemon.instance, self.daemon.settings, here)[project])

    def recorded(self, project: str) -> dict[date, Recorded]:
        """What the reconciliation, the health and `free_disk` go by."""
        return self.records(project).recorded_days([DAY], self.here(project))

    def records(self, project: str) -> Records:
        return Records(self.daemon.instance, self.owner(project).project)

    def owner(self, project: str) -> Owner:
        found = archived_projects(self.daemon.settings.projects)
        return Owner(next(one for one in found if one.name == project), self.here(project))


@pytest.fixture
def two(sandbox: Sandbox, deploy: Deploy, receiver: Receiver) -> Two:
    first, second = LangSmithApi(sandbox), LangSmithApi(sandbox)
    variables = {"LSE_START_DATE": DAY.isoformat(), "LSE_WEBHOOK_URL": receiver.url}
    daemon = deploy([first, second], at(1, 12), **variables)
    daemon.tick()
    for api in (first, second):
        api.add_run(at(1, 12))
    return Two(daemon, first, second, receiver)


@changes
def test_each_project_keeps_its_history_and_nothing_is_done_again(two: Two, change: Change) -> None:
    two.daemon.run_until(at(2, 12))
    steps = len(two.daemon.runs())
    before = {name: (two.shown(name), two.recorded(name)) for name in two.daemon.settings.projects}

    names = two.change(change)
    two.daemon.run_until(at(2, 14), every=timedelta(hours=1))

    assert len(two.daemon.runs()) == steps
    assert {name: (two.shown(name), two.recorded(name)) for name in names} == {
        name: before[name] for name in names
    }
    assert two.shown(two.second.project)[DAY] == PASSED


@changes
def test_a_day_that_only_another_project_has_is_fetched(
    two: Two, change: Change, drive_sandbox: ControlClient
) -> None:
    two.change(lambda names: [*names[:1]])
    two.daemon.run_until(at(2, 12))
    two.daemon.settings = replace(
        two.daemon.settings, projects=tuple(change([two.first.project, two.second.project]))
    )
    two.daemon.restart()

    assert two.shown(two.second.project) == {}
    assert two.recorded(two.second.project) == {}
    drive_sandbox.fault(path="/drive/v3/files", status=503, times=6)
    two.daemon.run_until(at(3), every=timedelta(hours=3))

    assert two.shown(two.second.project)[DAY] == PASSED
    assert DAY in two.recorded(two.second.project)


@changes
def test_what_lies_here_is_no_tick_because_another_projects_day_was_verified(
    two: Two, change: Change
) -> None:
    """The second project's days are in a home that was lost; the first one's results are under its keys."""
    first, second = two.first.project, two.second.project
    two.daemon.clock.now = at(2, 12)
    with dg.DagsterInstance.ephemeral() as lost:
        settings = replace(two.daemon.settings, projects=(second,))
        other = Daemon(settings, lost, two.daemon.clock, two.daemon.servers)
        assert other.execute("archive", tags={"dagster/partition": str(DAY)}).success
    two.change(lambda names: [*names[:1]])
    assert two.daemon.execute("archive", tags={"dagster/partition": str(DAY)}).success

    two.daemon.settings = replace(two.daemon.settings, projects=tuple(change([first, second])))
    two.daemon.restart()

    assert DAY in two.here(second)
    assert two.shown(second) == {}
    assert two.recorded(second) == {}
    assert recorded_sha256(two.daemon.instance, DAY, two.owner(second)) is None


@changes
def test_verify_and_restore_after_the_change_are_about_the_project_that_they_name(
    two: Two, change: Change
) -> None:
    two.daemon.run_until(at(2, 12))
    names = two.change(change)
    held = {name: two.daemon.days.load(name, DAY).run_ids() for name in names}

    for name, kind in [(name, kind) for name in names for kind in ("verify", "restore")]:
        job = two.owner(name).project.job_name(kind)
        assert two.daemon.execute(job, tags={"dagster/partition": str(DAY)}).success

    assert {name: two.daemon.days.load(name, DAY).run_ids() for name in names} == held
    assert all(
        two.recorded(name)[DAY].is_copied(two.daemon.days.load(name, DAY).summary.sha256) for name in names
    )


@changes
def test_a_run_at_work_makes_the_day_busy_for_its_own_project_alone(two: Two, change: Change) -> None:
    second = two.second.project
    job = two.daemon.repository.get_job(two.owner(second).project.job_name("archive"))
    two.daemon.instance.create_run_for_job(
        job, tags={**job.run_tags, "dagster/partition": str(DAY)}, status=dg.DagsterRunStatus.STARTED
    )

    names = two.change(change)

    busy = {name: set(two.records(name).busy_days(datetime.now(UTC))) for name in names}
    assert busy == {name: {DAY} if name == second else set() for name in names}


@changes
def test_a_change_is_told_once(two: Two, change: Change) -> None:
    two.daemon.run_until(at(2, 12))
    two.change(change)

    two.daemon.run_until(at(2, 15), every=timedelta(hours=1))

    (message,) = two.receiver.texts
    assert "LSE_PROJECTS was changed" in message
    assert f"'{two.second.project}' has raw_runs" in message
    assert (two.first.project in message.partition("any more")[2]) == (change is without_the_first)


def test_a_change_that_could_not_be_told_is_told_later(two: Two) -> None:
    two.change(reversed_)

    two.receiver.status = 503
    two.daemon.tick()
    two.receiver.status = 200
    for _ in range(3):
        two.daemon.tick()

    assert [text.splitlines()[0] for text in two.receiver.texts] == [
        "LangSmith archive: LSE_PROJECTS was changed"
    ]


def owned(
    *,
    name: str | None = "b",
    id: str | None = None,
    content: str | None = None,
    files: int = 1,
    here: bool = True,
) -> bool:
    """Whether a record is believed of the project b; the day here has the id `id-b` and the hash `hash-b`."""
    counts = Counts(0, 0, 0, files, 0, 0, 0, 0)
    head = SummaryHead("lse.day/2", "b", str(DAY), "", counts, 0, "hash-b", project_id="id-b")
    metadata = {
        key: dg.MetadataValue.text(value) for key, value in (("project", name), ("project_id", id)) if value
    }
    owner = Owner(archived_projects(["a", "b"])[1], {DAY: LocalDay(DAY, head if here else None)})
    return owner.owns(metadata, DAY, content)


@pytest.mark.parametrize(
    ("record", "believed"),
    [
        ({}, True),
        ({"name": "a"}, False),
        ({"name": "a", "content": "hash-b"}, False),
        ({"id": "id-b"}, True),
        ({"id": "another"}, False),
        ({"id": "another", "here": False}, True),
        ({"name": None}, False),
        ({"name": None, "content": "hash-b"}, True),
        ({"name": None, "content": "hash-a"}, False),
        ({"name": None, "content": "hash-b", "files": 0}, False),
        ({"name": None, "content": "hash-b", "here": False}, False),
    ],
)
def test_a_record_is_believed_by_name_and_id_and_one_of_before_by_the_content_here(
    record: dict[str, Any], believed: bool
) -> None:
    assert owned(**record) is believed
