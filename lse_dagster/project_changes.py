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
import msgspec

from lse_dagster.assets import PRESENT_ID_METADATA
from lse_dagster.own_records import recorded_owner
from lse_dagster.project import ArchivedProject
from lse_dagster.webhook import NotDelivered, Webhook

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
    storage = instance.daemon_cursor_storage
    remembered = storage.get_cursor_values({_CURSOR}).get(_CURSOR)
    before = _before(remembered)
    names = tuple(project.name for project in projects if project.name is not None)
    known = before.ids if before is not None else {}
    now = _Known(names, {**known, **_ids(instance, projects)})
    told = list(_changes(before, now, projects)) if before is not None else []
    for text in told:
        try:
            webhook.send(text)
        except NotDelivered as error:
            log.warning(str(error))
            if not error.refused or error.may_be_the_address:
                return True
    if now != before:
        storage.set_cursor_values({_CURSOR: msgspec.json.encode(now).decode()})
    return bool(told)


def _before(remembered: str | None) -> _Known | None:
    try:
        return msgspec.json.decode(remembered, type=_Known) if remembered is not None else None
    except (msgspec.MsgspecError, UnicodeError):
        return None  # it begins anew: all other messages wait for this


def _ids(instance: dg.DagsterInstance, projects: Sequence[ArchivedProject]) -> dict[str, str]:
    """The ids that LangSmith said at the last fetches."""
    found = {}
    for project in projects:
        last = instance.get_latest_materialization_event(project.key("raw_runs"))
        materialization = last.asset_materialization if last is not None else None
        metadata = materialization.metadata if materialization is not None else {}
        value = metadata.get(PRESENT_ID_METADATA)
        if project.name and value is not None and recorded_owner(metadata) == project.recorded_name:
            found[project.name] = str(value.value)
    return found


def _changes(before: _Known, now: _Known, projects: Sequence[ArchivedProject]) -> Iterator[str]:
    if before.names != now.names:
        yield _said(before.names, projects)
    for name, new in now.ids.items():
        if (old := before.ids.get(name, new)) != new:
            yield _said_of_id(name, old, new)


def _said_of_id(name: str, old: str, new: str) -> str:
    return (
        f"LangSmith archive: {name}\n"
        "LangSmith has another project of this name now\n"
        f"Why: Its id was {old} and is {new}: it was deleted and made again, or the key is of another "
        "workspace.\n"
        "Next: Nothing, if that was meant. Days of both are kept; where both have one, the new one lies "
        "beside the other. Else put back LANGSMITH_API_KEY or LANGSMITH_WORKSPACE_ID."
    )


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
