"""One line a day that all is well, for who asked for it (LSE_HEARTBEAT): silence may mean either.

Nothing is looked at for it: it is made of what the looks found last. When something is wrong the other
messages speak, and this one is not sent.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import dagster as dg

from lse_dagster.calendar.overview import Overview
from lse_dagster.defs.alerts.kept import keep, kept
from lse_dagster.defs.alerts.ledger import Ledger
from lse_dagster.defs.alerts.observations import is_healthy
from lse_dagster.defs.alerts.webhook import NotDelivered, Webhook
from lse_dagster.defs.overview.kept import kept_overviews
from lse_dagster.defs.overview.words import size, verdict

_TOLD: Final = "lse/heartbeat"


@dataclass(frozen=True)
class Heartbeat:
    """`current`: the projects that are archived each night; `projects`: those whose days are here, too.

    `last_night`: the last day that should be archived at a moment.
    """

    webhook: Webhook
    projects: Sequence[str]
    current: Sequence[str]
    last_night: Callable[[datetime], date]

    def beat(self, instance: dg.DagsterInstance, ledger: Ledger, now: datetime, log: logging.Logger) -> None:
        """Tell once after each night that all is well, if it is. One that cannot be sent is sent later."""
        night = self.last_night(now)
        if kept(instance, {_TOLD}, date).get(_TOLD) == night:
            return
        if ledger.dangers or any(cause.items for cause in ledger.causes.values()):
            return
        found = kept_overviews(instance, self.projects)
        looked = [one for one in found.values() if one is not None]
        archived = {one.project for one in looked if one.last is not None and one.last >= night}
        # A run is on its way to those that have time yet, and may fail.
        waits = any(day <= night for one in looked for day in one.days("in time"))
        well = archived.issuperset(self.current) and verdict(found, now).passed and is_healthy(instance, now)
        if waits or not well:
            return
        try:
            self.webhook.send(_said(looked, night))
        except NotDelivered as error:
            log.warning(str(error))
            if not error.is_of_the_message:
                return
        keep(instance, _TOLD, night)


def _said(found: Sequence[Overview], night: date) -> str:
    projects = "1 project is" if len(found) == 1 else f"{len(found):,} projects are"
    days, there = sum(one.on_drive for one in found), sum(one.drive_bytes for one in found)
    on_drive = f"{days:,} {'day' if days == 1 else 'days'}, {size(there)}"
    return f"LangSmith archive: all is well\n{projects} archived through {night}. On Drive: {on_drive}."
