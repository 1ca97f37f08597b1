"""The sensor of each project that finds what its days still need.

Thin: what is asked for is decided in `look`.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import dagster as dg

from lse_dagster.calendar.evidence import SECONDS_BETWEEN_LOOKS
from lse_dagster.defs.alerts.observations import keep_seen
from lse_dagster.defs.dagster_internals import UnresolvedAssetJobDefinition
from lse_dagster.defs.overview.kept import keep_overview
from lse_dagster.defs.own_records import former_owner
from lse_dagster.defs.upkeep.look import Look, Reconciliation, copies_on_drive, last_look
from lse_dagster.defs.upkeep.records import Records
from lse_dagster.drive.this_machine import ThisMachine
from lse_dagster.errors import ArchiveError

_MACHINE: Final = "lse/machine"


def reconciliation_sensor(
    reconciliation: Reconciliation,
    jobs: Sequence[dg.JobDefinition | UnresolvedAssetJobDefinition],
    *,
    on: bool,
) -> dg.SensorDefinition:
    """Ask for what the days of one project still need; a step that fails is asked for again hours later."""
    project, clock = reconciliation.project, reconciliation.clock
    name = project.job_name("reconcile") + "_sensor"

    @dg.sensor(
        name=name,
        jobs=jobs,
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description=project.described(
            "fetches days again when all has arrived, and counts them before LangSmith forgets them; "
            "archives what is missing, late or not on Drive; fails the check of a day that is about to "
            "be lost."
        ),
        tags=project.shown_tags,
    )
    def reconcile_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if project.wrong is not None:
            raise project.wrong
        if project.name is None:
            return dg.SkipReason("LSE_PROJECTS is not set.")

        def tell(error: ArchiveError) -> None:
            context.log.warning(str(error))
            keep_seen(context.instance, name, error, clock.now())

        for error in reconciliation.left_out:
            context.log.warning(str(error))
        if (wrong_clock := clock.problem()) is not None:
            tell(wrong_clock)
        if (former := former_owner(context.instance, project)) is not None:
            context.log.warning(f"Its assets were those of {former} before: LSE_PROJECTS was changed.")
        _remember_machine(context.instance, reconciliation.drive.settings.machine)
        records = Records(context.instance, project)
        copies = copies_on_drive(reconciliation.drive, project.name, context.log, tell)
        look = Look(reconciliation, records, copies, last_look(context.cursor, project.name))
        result = look.result()
        keep_overview(context.instance, look.overview())
        return result

    return reconcile_sensor


def _remember_machine(instance: dg.DagsterInstance, machine: ThisMachine | None) -> None:
    """In Dagster's database too: with new disks it is the same machine, and must not wait for itself."""
    storage = instance.daemon_cursor_storage
    remembered = storage.get_cursor_values({_MACHINE}).get(_MACHINE)
    with suppress(OSError):  # it goes on without a mark on Drive
        if machine is not None and (known := machine.id(remembered)) and remembered is None:
            storage.set_cursor_values({_MACHINE: known})
