"""The sensor that tells people: it brings what failed into the ledger and sends what is due."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import dagster as dg
import msgspec

from lse_dagster.defs.alerts.delivery import Delivery, Told
from lse_dagster.defs.alerts.endings import note_told, with_endings
from lse_dagster.defs.alerts.found import Alerts, Position
from lse_dagster.defs.alerts.heartbeat import Heartbeat
from lse_dagster.defs.alerts.kept import keep
from lse_dagster.defs.alerts.ledger import Ledger, Words
from lse_dagster.defs.alerts.observations import forget_seen, with_observations, with_seen
from lse_dagster.defs.alerts.project_changes import tell_of_change
from lse_dagster.defs.alerts.webhook import Webhook
from lse_dagster.defs.project import ArchivedProject

_SECONDS_BETWEEN_MESSAGES: Final = 60
_CURSOR: Final = "lse/alerts"
_FORGOTTEN: Final = Words(
    None,
    None,
    "What was still to be told is lost",
    "What Dagster's database kept of it cannot be read. Messages begin anew from here.",
    "Look at `lse status`, and at the runs that failed in the UI.",
)


def alerts_sensor(
    webhook: Webhook,
    projects: Sequence[ArchivedProject],
    checks: Iterable[dg.AssetCheckKey],
    *,
    ui: str | None,
    now: Callable[[], datetime],
    heartbeat: Heartbeat | None = None,
) -> dg.SensorDefinition:
    """Tell people what fails, what is in danger and what works again. On as soon as there is an address.

    `heartbeat` tells once a day that all is well.

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

        # Not in the tick's own cursor: else the same would be told again, for ever, while a tick fails.
        def remember(position: Position) -> None:
            keep(context.instance, _CURSOR, position)

        stored = context.instance.daemon_cursor_storage.get_cursor_values({_CURSOR})
        cursor = stored.get(_CURSOR) or context.cursor
        watchers = _watchers(context.repository_def)
        if cursor is None:
            remember(found.now())
            forget_seen(context.instance, with_seen(Ledger(), context.instance, watchers, moment)[1])
            return dg.SkipReason("Begins here: what failed before is not told.")
        told = _told_until_now(cursor, found)
        if told.danger_event < 0:
            told = replace(told, danger_event=found.last_ended_run())
        ledger, read = found.entered(told.ledger, told, moment)
        ledger, seen = with_seen(ledger, context.instance, watchers, moment)
        ledger, endings = with_endings(ledger, context.instance)
        ledger = with_observations(ledger, context.instance, watchers, moment, ui=ui)
        read = replace(read, ledger=ledger.passed(moment))
        if read != told:
            remember(read)
        forget_seen(context.instance, seen)
        note_told(context.instance, endings)
        sent = Delivery(webhook, context.log, remember).deliver(read, moment)
        if heartbeat is not None and not sent:
            heartbeat.beat(context.instance, read.ledger, moment, context.log)
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
