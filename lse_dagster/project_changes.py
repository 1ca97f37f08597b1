"""Telling once that `LSE_PROJECTS` names other projects than before, or in another order.

It changes nothing by itself, as each record is believed of its own project alone (`own_records`). But what
the UI shows under a key is of another project from now on, and what is not named is archived no more.
"""

import logging
from collections.abc import Sequence
from typing import Final

import dagster as dg
import msgspec

from lse_dagster.project import ArchivedProject
from lse_dagster.webhook import NotDelivered, Webhook

_CURSOR: Final = "lse/projects"


def tell_of_change(
    instance: dg.DagsterInstance, projects: Sequence[ArchivedProject], webhook: Webhook, log: logging.Logger
) -> bool:
    """Send what has changed since the last time, until it could be sent; whether that was tried now."""
    projects = [project for project in projects if not project.is_former]
    if any(project.wrong is not None for project in projects):
        return False  # what it names is not known
    names = [project.name for project in projects if project.name is not None]
    storage = instance.daemon_cursor_storage
    remembered = storage.get_cursor_values({_CURSOR}).get(_CURSOR)
    before = names if remembered is None else msgspec.json.decode(remembered, type=list[str])
    if before != names:
        try:
            webhook.send(_said(before, projects))
        except NotDelivered as error:
            log.warning(str(error))
            if not error.refused or error.may_be_the_address:
                return True
    storage.set_cursor_values({_CURSOR: msgspec.json.encode(names).decode()})
    return before != names


def _said(before: Sequence[str], projects: Sequence[ArchivedProject]) -> str:
    now = {project.name: "/".join(project.key("raw_runs").path) for project in projects if project.name}
    gone = ", ".join(map(repr, (name for name in before if name not in now)))
    new = ", ".join(map(repr, (name for name in now if name not in before)))
    places = ", ".join(f"{name!r} has {key}" for name, key in now.items())
    lines = (
        "LangSmith archive: LSE_PROJECTS was changed",
        f"Not archived any more: {gone}. What is here of them is sent to Drive, and stays." if gone else "",
        f"New: {new}." if new else "",
        f"In Dagster {places}; what was recorded of each project stays its own.",
        "Next: If that was not meant, put back the names and their order, and restart the code server.",
    )
    return "\n".join(filter(None, lines))
