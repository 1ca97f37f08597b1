"""Whose a record of Dagster is: the one place that decides whether it speaks of our project.

The first project of `LSE_PROJECTS` has the plain keys, so a key has spoken for another project if the order
was changed. So each record says the project's name and LangSmith's id, and is believed of that project alone,
under whichever key it was written.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import dagster as dg

from lse_dagster.calendar.inventory import LocalDay
from lse_dagster.day.identity import is_other
from lse_dagster.day.names import project_path_part
from lse_dagster.defs.project import ArchivedProject

_PROJECT: Final = "project"
_PROJECT_ID: Final = "project_id"
_ID_TAG: Final = "lse/project_id"

_DATA_VERSION: Final = "dagster/data_version"
_PER_QUERY: Final = 500
_MADE: Final = dg.DagsterEventType.ASSET_MATERIALIZATION
_SEEN: Final = dg.DagsterEventType.ASSET_OBSERVATION

Metadata = Mapping[str, dg.MetadataValue]


def owner_metadata(project: str, project_id: str = "") -> dict[str, str]:
    """What a record says of its project. The name as in paths: that is harmless, and no other's.

    `project_id` is LangSmith's; empty where it is not known.
    """
    owner = {_PROJECT: project_path_part(project)}
    return {**owner, _PROJECT_ID: project_path_part(project_id)} if project_id else owner


def tag_of_id(project_id: str) -> dict[str, str]:
    """The tag of a run that works on the day of this project, where several of one name have that day."""
    return {_ID_TAG: project_id} if project_id else {}


def tagged_id(run: dg.DagsterRun) -> str:
    """LangSmith's id of the project that a run's tag names; empty for that of now."""
    return run.tags.get(_ID_TAG, "")


def recorded_owner(metadata: Metadata) -> str | None:
    """The project that a record says it is of, as in paths; None of a record from before November 2026."""
    return _text(metadata, _PROJECT)


def recorded_id(metadata: Metadata) -> str:
    """LangSmith's id of the project that a record is of; empty where it says none."""
    return _text(metadata, _PROJECT_ID) or ""


@dataclass(frozen=True)
class Owner:
    """One project, and what of its days lies here; with LangSmith's id of it where one day alone is meant."""

    project: ArchivedProject
    here: Mapping[date, LocalDay]
    project_id: str = ""

    def owns(self, metadata: Metadata, day: date, content: str | None = None) -> bool:
        """Whether a record about a day is of this project: by name and id, where both are known.

        One that names no project is believed if the content that it is about lies here. An empty day's is
        that of every empty day.
        """
        local = self.here.get(day)
        summary = local.summary if local is not None else None
        name = recorded_owner(metadata)
        if name is None:
            return summary is not None and summary.files > 0 and summary.sha256 == content
        if name != self.project.recorded_name:
            return False
        project_id = summary.project_id if summary is not None else self.project_id
        return not is_other(recorded_id(metadata), project_path_part(project_id) if project_id else "")


def latest_materializations(
    instance: dg.DagsterInstance, asset: str, days: Iterable[date], owner: Owner
) -> dict[date, dg.EventLogRecord]:
    """The last one of each day that is the owner's. Other keys are looked at where its own has none."""
    wanted = {day.isoformat() for day in days}
    found: dict[date, dg.EventLogRecord] = {}
    for key in owner.project.all_keys(asset):
        for record in _latest(instance, _MADE, key, wanted, owner):
            found[date.fromisoformat(record.partition_key or "")] = record
        if not wanted:
            break
    return found


def latest_observations(
    instance: dg.DagsterInstance, asset: str, day: date, owner: Owner
) -> list[dg.EventLogRecord]:
    """The last one of the day under each key that is the owner's."""
    keys = owner.project.all_keys(asset)
    return [record for key in keys for record in _latest(instance, _SEEN, key, {day.isoformat()}, owner)]


def former_owner(instance: dg.DagsterInstance, project: ArchivedProject) -> str | None:
    """The project, as in paths, of which the last record under this one's keys is, if it is another."""
    last = instance.get_latest_materialization_event(project.key("raw_runs"))
    materialization = last.asset_materialization if last is not None else None
    owner = recorded_owner(materialization.metadata) if materialization is not None else None
    return None if owner == project.recorded_name else owner


def data_version(record: dg.EventLogRecord) -> str | None:
    """The hash of the content that was materialized."""
    materialization = record.asset_materialization
    return (materialization.tags or {}).get(_DATA_VERSION) if materialization is not None else None


def metadata_of(record: dg.EventLogRecord) -> Metadata:
    """The metadata of a materialization or an observation."""
    event = record.asset_materialization or record.asset_observation
    return event.metadata if event is not None else {}


def _latest(
    instance: dg.DagsterInstance, kind: dg.DagsterEventType, key: dg.AssetKey, wanted: set[str], owner: Owner
) -> Iterator[dg.EventLogRecord]:
    """The last ones that are the owner's; their partitions are no longer wanted.

    The very last of a partition is nearly always the owner's, so those are read first: an event takes 0.5 ms
    of a core, its id hardly any, and a day that was tried often has many.
    """
    storage = instance.event_log_storage
    newest = storage.get_latest_storage_id_by_partition(key, kind, wanted) if wanted else {}
    for ids in ([*newest.values()], None):
        before: int | None = None
        while left := sorted(wanted & newest.keys()):
            of_these = dg.EventRecordsFilter(kind, storage_ids=ids, before_cursor=before)
            if ids is None:
                of_these = dg.EventRecordsFilter(kind, key, left, before_cursor=before)
            page = storage.get_event_records(of_these, limit=_PER_QUERY)
            for record in page:  # the newest first
                partition = record.partition_key
                if partition in wanted and owner.owns(
                    metadata_of(record), date.fromisoformat(partition), data_version(record)
                ):
                    wanted.discard(partition)
                    yield record
            if len(page) < _PER_QUERY:
                break
            before = page[-1].storage_id


def _text(metadata: Metadata, name: str) -> str | None:
    value = metadata.get(name)
    return value.value if value is not None and isinstance(value.value, str) else None
