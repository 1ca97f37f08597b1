"""The proof that a day is whole: runs that queries left out are found by their ids, or the day is refused."""

from datetime import datetime, timedelta

import pytest

from lse_dagster.langsmith.errors import IncompleteDay
from lse_dagster.sandbox.client import ControlClient
from lse_dagster.steps.fetch.progress import FetchProgress
from lse_dagster.steps.fetch.workers import WORKERS
from lse_dagster_tests.steps.fetch.archived import (
    DAY,
    LAST_MOMENT,
    LONG_AFTER,
    MIDNIGHT,
    NEXT_MORNING,
    NOON,
    QUERY,
    Archive,
)
from lse_dagster_tests.worlds.langsmith import TracedProject


class Late:
    """A run that arrives in the range that has already been fetched, while the fetch goes on."""

    def __init__(self, archive: Archive, project: TracedProject) -> None:
        self._project = project
        self.run_id = ""

    def add_one(self, progress: FetchProgress) -> None:
        if progress.runs == 10 and not self.run_id:
            self.run_id = self._project.root(NOON).id


def test_totals_are_asked_for_after_the_last_page_and_twice_in_all(
    archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    project.root(NOON)
    langsmith_sandbox.clear()

    archive.fetch()

    paths = [entry.path for entry in langsmith_sandbox.requests() if not entry.path.startswith("/_control")]
    assert paths[-2:] == ["/api/v1/runs/stats"] * 2
    assert paths.count("/api/v1/runs/stats") == 2
    assert len(paths) == len(["project", "info", "tail", "tail's ids", "ids"]) + WORKERS + 2


@pytest.mark.parametrize("now", [NEXT_MORNING, LONG_AFTER])
def test_the_day_is_scanned_by_id_once(
    now: datetime, archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    project.root(NOON)
    langsmith_sandbox.clear()

    archive.fetch(now=now)

    bodies = [entry.json for entry in langsmith_sandbox.requests() if entry.path == QUERY]
    assert len([body for body in bodies if body["selects"] == ["ID"]]) == len(["tail", "day"])


def test_a_run_that_the_query_left_out_is_found_by_its_id_and_fetched(
    archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    traced = {project.root(NOON + timedelta(seconds=number)).id for number in range(10)}
    late = Late(archive, project)

    day = archive.fetch(on_progress=late.add_one)

    assert day.run_ids() == traced | {late.run_id}
    assert day.summary.langsmith_total == 11


@pytest.mark.parametrize(("v2", "now"), [(True, NEXT_MORNING), (False, NEXT_MORNING), (True, LONG_AFTER)])
def test_a_run_is_not_lost_when_a_deleted_one_makes_the_counts_agree(
    v2: bool, now: datetime, archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    langsmith_sandbox.settings(v2=v2)
    traced = [project.root(NOON + timedelta(seconds=number)).id for number in range(10)]
    late = Late(archive, project)

    def one_comes_and_one_goes(progress: FetchProgress) -> None:
        if progress.runs == 10 and not late.run_id:
            langsmith_sandbox.settings(delete_runs=traced[:1])
        late.add_one(progress)

    day = archive.fetch(on_progress=one_comes_and_one_goes, now=now)

    assert day.summary.langsmith_total == 10
    assert day.run_ids() == {*traced, late.run_id}


def test_a_run_after_midnight_that_its_query_left_out_is_found_by_its_id(
    archive: Archive, project: TracedProject
) -> None:
    root = project.root(LAST_MOMENT)
    project.child(root, MIDNIGHT)
    late: list[str] = []

    def add_one_more(progress: FetchProgress) -> None:
        if progress.runs == 2 and not late:
            late.append(project.child(root, MIDNIGHT + timedelta(seconds=1)).id)

    day = archive.fetch(on_progress=add_one_more)

    assert late
    assert day.run_ids() >= set(late)
    assert day.summary.counts.tail_runs == 2


def test_a_run_that_no_query_gives_fails_with_the_numbers_and_changes_nothing(
    archive: Archive, project: TracedProject, langsmith_sandbox: ControlClient
) -> None:
    project.root(NOON)
    old = archive.fetch()
    hidden = project.root(NOON)
    langsmith_sandbox.settings(hidden_runs=[hidden.id])

    with pytest.raises(IncompleteDay, match="1 of 2 runs could be fetched, 1 are missing"):
        archive.fetch()

    assert archive.store.load(project.name, DAY) == old
