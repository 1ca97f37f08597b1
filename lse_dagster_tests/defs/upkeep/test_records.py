"""Records that somebody wiped, or wrote by hand, make nothing lost: what Drive has is asked."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

import dagster as dg
import pytest

from lse_dagster.calendar.days import CheckResults
from lse_dagster.calendar.inventory import local_days
from lse_dagster.day.names import project_path_part
from lse_dagster.defs.check_table import RUN_COUNT
from lse_dagster.defs.own_records import owner_metadata
from lse_dagster.defs.project import archived_projects
from lse_dagster.defs.upkeep.check_results import latest_checks
from lse_dagster.defs.upkeep.records import Records
from lse_dagster_tests.defs.upkeep.test_order import PASSED
from lse_dagster_tests.defs.upkeep.test_scope import told
from lse_dagster_tests.worlds.place import DAY, Place, at
from lse_dagster_tests.worlds.queries import queries
from lse_dagster_tests.worlds.webhook_receiver import Receiver


def wipe(place: Place, *assets: str) -> None:
    """*Wipe materializations* in the UI."""
    place.daemon.instance.wipe_assets([dg.AssetKey(asset) for asset in assets])


def report(place: Place, asset: str) -> None:
    """*Report materialization events* in the UI."""
    event = dg.AssetMaterialization(asset, partition=DAY.isoformat())
    place.daemon.instance.report_runless_asset_event(event)


def wipe_all(place: Place) -> None:
    wipe(place, "raw_runs", "day_zip", "drive_archive")


def free_the_disk_and_wipe_the_copies(place: Place) -> None:
    free_the_disk(place)
    wipe(place, "drive_archive")


def free_the_disk_and_report_a_copy(place: Place) -> None:
    free_the_disk(place)
    report(place, "drive_archive")


def free_the_disk(place: Place) -> None:
    shutil.rmtree(place.daemon.settings.data_dir / project_path_part(place.api.project))
    shutil.rmtree(place.daemon.settings.archives_dir)


@pytest.mark.parametrize(
    "meddle",
    [wipe_all, free_the_disk_and_wipe_the_copies, free_the_disk_and_report_a_copy],
)
def test_records_that_are_gone_or_written_by_hand_make_no_day_lost(
    place: Place, receiver: Receiver, meddle: Callable[[Place], None]
) -> None:
    place.api.add_run(at(1, 12))
    place.skip_to(at(4))
    meddle(place)
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    place.drive.fault(path="/drive/v3/files", status=403, times=100_000)  # it cannot be asked for a while

    place.skip_to(at(16))
    place.drive.clear_faults()
    place.daemon.run_until(at(16, 3), every=timedelta(hours=1))

    lost = [text for text in told(place, receiver) if "LangSmith deleted" in text]
    assert not [text for text in lost if "2025-08-01" in text.partition("Next:")[0]]
    assert place.on_drive()


def archive_in_vain(place: Place) -> None:
    """A run of the first day that fails at its first step."""
    place.langsmith.fault(path="/sessions$", status=403, times=100_000)
    assert not place.daemon.execute("archive", tags={"dagster/partition": DAY.isoformat()}).success


def shown(place: Place) -> CheckResults:
    """What `lse status` shows of the first day's checks."""
    daemon, project = place.daemon, place.api.project
    here = {project: local_days(daemon.days.root, daemon.zips.root, project)}
    return latest_checks(daemon.instance, daemon.settings, here)[project][DAY]


def test_checks_that_failed_runs_never_came_to_say_nothing_of_a_day(place: Place) -> None:
    place.api.add_run(at(1, 12))
    place.skip_to(at(2, 6))

    archive_in_vain(place)
    archive_in_vain(place)
    verified = shown(place)
    written = dg.AssetMaterialization(
        "raw_runs", partition=DAY.isoformat(), metadata=owner_metadata(place.api.project)
    )
    place.daemon.instance.report_runless_asset_event(written)  # by a run that ended before its checks
    archive_in_vain(place)

    assert (verified, shown(place)) == (PASSED, replace(PASSED, current=False))


DAYS = [DAY + timedelta(days=number) for number in range(28)]


@pytest.fixture(scope="module")
def settled() -> Iterator[dg.DagsterInstance]:
    """Four weeks that were archived, fetched again after two days and counted after twelve."""
    with dg.DagsterInstance.ephemeral() as instance:
        for day in map(str, DAYS):
            owner = owner_metadata("a")
            for content in ("first", "second"):
                tags = {"dagster/data_version": content}
                for asset in ("raw_runs", "drive_archive"):
                    instance.report_runless_asset_event(
                        dg.AssetMaterialization(asset, partition=day, metadata=owner, tags=tags)
                    )
            key = dg.AssetKey("raw_runs")
            counted = dg.AssetCheckEvaluation(key, RUN_COUNT.name, True, owner, partition=day)
            instance.report_runless_asset_event(counted)
        yield instance


@pytest.mark.parametrize("days", [DAYS[:2], DAYS])
def test_the_records_of_many_days_are_read_in_as_few_queries_as_those_of_few(
    settled: dg.DagsterInstance, days: Sequence[date]
) -> None:
    """On PostgreSQL each is a connection of its own; 400 projects are looked at every ten minutes."""
    (project,) = archived_projects(["a"])

    with queries() as asked:
        found = Records(settled, project).recorded_days(days, {})

    assert {day: one.is_copied("second") for day, one in found.items()} == dict.fromkeys(days, True)
    assert len([query for query in asked if query.startswith("SELECT")]) < 12
