"""Reading what is to be told asks Dagster's database for little where nothing has happened."""

from pathlib import Path

import dagster as dg

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
