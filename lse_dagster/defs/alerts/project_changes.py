"""Telling once that `LSE_PROJECTS` names other projects than before, or in another order, or that a name is
another project's on LangSmith.

It changes nothing by itself, as each record is believed of its own project alone (`own_records`). But what
the UI shows under a key is of another project from now on, and what is not named is archived no more.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from lse_dagster.defs.alerts.kept import keep, kept
from lse_dagster.defs.alerts.messages import listed
from lse_dagster.defs.alerts.webhook import NotDelivered, Webhook
from lse_dagster.defs.metadata import PRESENT_ID_METADATA
from lse_dagster.defs.own_records import recorded_owner
from lse_dagster.defs.project import ArchivedProject
from lse_dagster.errors import printable

_CURSOR: Final = "lse/known_projects"


@dataclass(frozen=True)
class _Known:
    """The names in their order, and LangSmith's ids as far as they are known."""

    names: tuple[str, ...]
    ids: Mapping[str, str]


def tell_of_change(
    instance: dg.DagsterInstance, projects: Sequence[ArchivedProject], webhook: Webhook, log: logging.Logger
) -> bool:
    """Send what has changed since the last time, until it could be sent; whether that was tried now."""
    projects = [project for project in projects if not project.is_former]
    if any(project.wrong is not None for project in projects):
        return False  # what it names is not known
    before = kept(instance, {_CURSOR}, _Known).get(_CURSOR)
    names = tuple(project.name for project in projects if project.name is not None)
    known = before.ids if before is not None else {}
    now = _Known(names, {**known, **_ids(instance, projects)})
    tried = False
    for text, then in _changes(before, now, projects) if before is not None else ():
        tried = True
        try:
            webhook.send(text)
        except NotDelivered as error:
            log.warning(str(error))
            if not error.is_of_the_message:
                return True
            log.warning(f"LSE_WEBHOOK_URL refuses this message:\n{printable(text)}")
        keep(instance, _CURSOR, then)  # at once: what was told is not told again because the next one fails
    if now != before:
        keep(instance, _CURSOR, now)
    return tried


def _ids(instance: dg.DagsterInstance, projects: Sequence[ArchivedProject]) -> dict[str, str]:
    """The ids that LangSmith said at the last fetches."""
    found = {}
    keys = {project: project.key("raw_runs") for project in projects}
    events = instance.event_log_storage.get_latest_materialization_events(keys.values())
    for project, key in keys.items():
        last = events.get(key)
        materialization = last.asset_materialization if last is not None else None
        metadata = materialization.metadata if materialization is not None else {}
        value = metadata.get(PRESENT_ID_METADATA)
        if project.name and value is not None and recorded_owner(metadata) == project.recorded_name:
            found[project.name] = str(value.value)
    return found


def _changes(
    before: _Known, now: _Known, projects: Sequence[ArchivedProject]
) -> Iterator[tuple[str, _Known]]:
    """What is to be told, and what people know then. All that is of one kind is one message."""
    if before.names != now.names:
        yield _said(before.names, projects), _Known(now.names, before.ids)
    changed = [name for name, new in now.ids.items() if before.ids.get(name, new) != new]
    if changed:
        yield _said_of_ids(changed, before.ids, now.ids), now


def _said_of_ids(names: Sequence[str], old: Mapping[str, str], new: Mapping[str, str]) -> str:
    one = len(names) == 1
    about = names[0] if one else f"{len(names):,} projects"
    ids = listed(
        [f"the id{'' if one else f' of {name}'} was {old[name]} and is {new[name]}" for name in names]
    )
    return (
        f"LangSmith archive: {about}\n"
        f"LangSmith has another project of {'this name' if one else 'each of these names'} now\n"
        f"Why: {ids[0].upper()}{ids[1:]}. It was deleted and made again, or the key is of another "
        "workspace.\n"
        "Next: Nothing, if that was meant. Days of both are kept; where both have one, the new one lies "
        "beside the other. Else put back LANGSMITH_API_KEY or LANGSMITH_WORKSPACE_ID."
    )


def _said(before: Sequence[str], projects: Sequence[ArchivedProject]) -> str:
    now = {project.name: "/".join(project.key("raw_runs").path) for project in projects if project.name}
    gone = listed([repr(name) for name in before if name not in now])
    new = listed([repr(name) for name in now if name not in before])
    places = listed([f"{name!r} has {key}" for name, key in now.items()])
    lines = (
        "LangSmith archive: LSE_PROJECTS was changed",
        f"Not archived any more: {gone}. What is here of them is sent to Drive, and stays." if gone else "",
        f"New: {new}." if new else "",
        f"In Dagster {places}; what was recorded of each project stays its own.",
        "Next: If that was not meant, put back the names and their order, and restart the code server.",
    )
    return "\n".join(filter(None, lines))
