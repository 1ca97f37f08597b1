"""The sensors: one for each project that finds what its days still need, one that tells people of failures.

Thin: what is asked for is decided in `look`, what is told in `alerts`. Both remember nothing but
what Dagster records anyway: runs by their keys, results of checks, and the second one's cursor.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import dagster as dg
import msgspec

from lse_dagster.alerts import Alerts, Position
from lse_dagster.calendar.evidence import SECONDS_BETWEEN_LOOKS
from lse_dagster.delivery import Delivery, Told
from lse_dagster.drive.this_machine import ThisMachine
from lse_dagster.ledger import Ledger, Words
from lse_dagster.look import Look, Reconciliation, copies_on_drive, last_look
from lse_dagster.observations import with_observations
from lse_dagster.own_records import former_owner
from lse_dagster.project import ArchivedProject
from lse_dagster.project_changes import tell_of_change
from lse_dagster.records import Records
from lse_dagster.webhook import Webhook

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_SECONDS_BETWEEN_MESSAGES: Final = 60
_MACHINE: Final = "lse/machine"
_CURSOR: Final = "lse/alerts"
_FORGOTTEN: Final = Words(
    None,
    None,
    "What was still to be told is lost",
    "What Dagster's database kept of it cannot be read. Messages begin anew from here.",
    "Look at `lse status`, and at the runs that failed in the UI.",
)


def reconciliation_sensor(
    reconciliation: Reconciliation,
    jobs: "Sequence[dg.JobDefinition | UnresolvedAssetJobDefinition]",
    *,
    on: bool,
) -> dg.SensorDefinition:
    """Ask for what the days of one project still need; a step that fails is asked for again hours later."""
    project = reconciliation.project

    @dg.sensor(
        name=project.job_name("reconcile") + "_sensor",
        jobs=jobs,
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description="Fetches days again when all has arrived, and counts them before LangSmith forgets them; "
        "archives what is missing, late or not on Drive; fails the check of a day that is about to be lost.",
    )
    def reconcile_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if project.wrong is not None:
            raise project.wrong
        if project.name is None:
            return dg.SkipReason("LSE_PROJECTS is not set.")
        for error in reconciliation.left_out:
            context.log.warning(str(error))
        if (wrong_clock := reconciliation.clock.problem()) is not None:
            context.log.warning(str(wrong_clock))
        if (former := former_owner(context.instance, project)) is not None:
            context.log.warning(f"Its assets were those of {former} before: LSE_PROJECTS was changed.")
        _remember_machine(context.instance, reconciliation.drive.machine)
        records = Records(context.instance, project)
        copies = copies_on_drive(reconciliation.drive, project.name, context.log)
        return Look(reconciliation, records, copies, last_look(context.cursor, project.name)).result()

    return reconcile_sensor


def _remember_machine(instance: dg.DagsterInstance, machine: ThisMachine | None) -> None:
    """In Dagster's database too: with new disks it is the same machine, and must not wait for itself."""
    storage = instance.daemon_cursor_storage
    remembered = storage.get_cursor_values({_MACHINE}).get(_MACHINE)
    with suppress(OSError):  # it goes on without a mark on Drive
        if machine is not None and (known := machine.id(remembered)) and remembered is None:
            storage.set_cursor_values({_MACHINE: known})


def alerts_sensor(
    webhook: Webhook,
    projects: Sequence[ArchivedProject],
    checks: Iterable[dg.AssetCheckKey],
    *,
    ui: str | None,
    now: Callable[[], datetime],
) -> dg.SensorDefinition:
    """Tell people what fails, what is in danger and what works again. On as soon as there is an address.

    Not Dagster's run-failure sensor: that goes on to the next run when a message could not be sent. Here all
    that was read stays in the cursor until it was told, or was refused for good.
    """
    watched = list(checks)

    @dg.sensor(
        name="alerts_sensor",
        minimum_interval_seconds=_SECONDS_BETWEEN_MESSAGES,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells LSE_WEBHOOK_URL what fails, once for each cause and then once a day, what works "
        "again, and which days are about to be lost.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if tell_of_change(context.instance, projects, webhook, context.log):
            return dg.SkipReason("LSE_PROJECTS was changed.")
        found, moment = Alerts(context.instance, projects, watched, ui), now()

        # The daemon keeps a cursor only when a tick ends well; else the same would be told again, for ever.
        storage = context.instance.daemon_cursor_storage

        def remember(position: Position) -> None:
            storage.set_cursor_values({_CURSOR: msgspec.json.encode(position).decode()})

        cursor = storage.get_cursor_values({_CURSOR}).get(_CURSOR) or context.cursor
        if cursor is None:
            remember(found.now())
            return dg.SkipReason("Begins here: what failed before is not told.")
        told = _told_until_now(cursor, found)
        if told.danger_event < 0:
            told = replace(told, danger_event=found.last_ended_run())
        ledger, position = found.entered(told.ledger, told, moment)
        watchers = _watchers(context.repository_def)
        ledger = with_observations(ledger, context.instance, watchers, moment, ui=ui)
        read = told.read(ledger.passed(moment), position)
        if read != told:
            remember(read)
        sent = Delivery(webhook, context.log, remember).deliver(read, moment)
        return dg.SkipReason(f"{sent} messages sent.")

    return alerts


def _told_until_now(cursor: str, found: Alerts) -> Told:
    """What a cursor says. One that cannot be read must not end all messages: that it was lost is told."""
    try:
        return msgspec.json.decode(cursor, type=Told)
    except (msgspec.MsgspecError, UnicodeError):
        position = found.now()
        told = Told(position.run_event, position.check_event, position.danger_event)
        return replace(told, ledger=Ledger().endangered(_FORGOTTEN))


def _watchers(here: dg.RepositoryDefinition | None) -> set[str]:
    """The names of all sensors and schedules of this code location."""
    if here is None:
        return set()
    return {one.name for one in here.sensor_defs} | {one.name for one in here.schedule_defs}
