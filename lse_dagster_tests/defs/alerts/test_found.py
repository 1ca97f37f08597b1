"""Reading what is to be told asks Dagster's database for little where nothing has happened."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from lse_dagster.defs.alerts.found import Alerts
from lse_dagster.defs.alerts.ledger import Ledger
from lse_dagster.defs.check_table import COPY, check_keys
from lse_dagster.defs.project import archived_projects
from lse_dagster_tests.worlds.place import DAY, at
from lse_dagster_tests.worlds.queries import queries
from lse_dagster_tests.worlds.unattended import instance_of_a_daemon

PROJECTS = archived_projects([f"project-{number}" for number in range(20)])


def test_a_tick_at_which_nothing_happened_asks_for_no_check_and_the_next_one_misses_none(
    tmp_path: Path,
) -> None:
    """400 projects have 4,400 checks, and each is a query of its own."""
    with instance_of_a_daemon(tmp_path) as instance:
        keys = [key for project in PROJECTS for key in check_keys(project)]
        alerts = Alerts(instance, PROJECTS, keys, None)
        ledger, position = alerts.entered(Ledger(), alerts.now(), at(2))

        with queries() as asked:
            ledger, position = alerts.entered(ledger, position, at(2))
        failed = dg.AssetCheckEvaluation(
            PROJECTS[7].key(COPY.asset), COPY.name, passed=False, partition=str(DAY), description="Gone."
        )
        instance.report_runless_asset_event(failed)
        ledger, position = alerts.entered(ledger, position, at(2))

    assert len(asked) < 10
    telling = ledger.due(at(2))
    assert telling is not None
    assert "Gone." in str(telling)


@dg.op
def check(context: dg.OpExecutionContext) -> None:
    passed = context.run.tags["passed"] == "yes"
    found = dg.AssetCheckEvaluation(
        PROJECTS[0].key(COPY.asset), COPY.name, passed, partition=context.run.tags["day"], description="Gone."
    )
    context.log_event(found)  # type: ignore[arg-type] # it takes any event; typed for three of them


@dg.job
def check_again() -> None:
    check()


def test_a_check_that_fails_or_passes_after_runs_were_deleted_is_not_missed_nor_told_twice(
    tmp_path: Path,
) -> None:
    """SQLite gives the numbers of the last events again when somebody deletes the runs that had them."""
    with instance_of_a_daemon(tmp_path) as instance:
        alerts = Alerts(instance, PROJECTS, check_keys(PROJECTS[0]), None)
        ledger, position = alerts.entered(Ledger(), alerts.now(), at(2))

        def run(day: str, passed: str) -> dg.ExecuteInProcessResult:
            return check_again.execute_in_process(instance=instance, tags={"day": day, "passed": passed})

        def open_days(moment: datetime) -> list[str | None]:
            nonlocal ledger, position
            ledger, position = alerts.entered(ledger, position, moment)
            return [item.day for cause in ledger.causes.values() for item in cause.items]

        first = run("2025-08-01", "no")
        assert open_days(at(2)) == ["2025-08-01"]
        telling = ledger.due(at(2))
        assert telling is not None
        ledger = ledger.told(telling, at(2))
        instance.delete_run(first.run_id)
        assert open_days(at(2)) == ["2025-08-01"]
        assert ledger.due(at(2)) is None

        run("2025-08-02", "no")
        assert open_days(at(3)) == ["2025-08-01", "2025-08-02"]
        run("2025-08-01", "yes")
        assert open_days(at(4)) == ["2025-08-02"]


@dg.asset(name="raw_runs", output_required=False)
def bring_back(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
    if context.run.tags["day"] == "fails":
        raise dg.Failure("No answer.")
    if context.run.tags["day"] == "is there":
        yield dg.Output(None)


@pytest.mark.parametrize(("second", "open_days"), [("is not there", [str(DAY)]), ("is there", [])])
def test_a_run_that_found_no_day_to_make_ends_no_failure_of_it(
    second: str, open_days: list[str], tmp_path: Path
) -> None:
    with instance_of_a_daemon(tmp_path) as instance:
        alerts = Alerts(instance, PROJECTS, [], None)
        ledger, position = alerts.entered(Ledger(), alerts.now(), at(2))
        archive = dg.Definitions([bring_back], jobs=[dg.define_asset_job("archive")]).resolve_job_def(
            "archive"
        )

        for state in ("fails", second):
            tags = {"dagster/partition": str(DAY), "day": state}
            archive.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
            ledger, position = alerts.entered(ledger, position, at(2))

    assert [item.day for cause in ledger.causes.values() for item in cause.items] == open_days
