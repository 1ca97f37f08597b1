"""What Dagster remembers of a day's zip: the sha256 that its content had when it was made and proved.

The materialization of `day_zip` holds it. For a zip that another Dagster home made, whoever proves it again
logs an observation with it.
"""

from datetime import date
from typing import Final

import dagster as dg

from lse_dagster.own_records import (
    Owner,
    latest_materializations,
    latest_observations,
    metadata_of,
    owner_metadata,
)
from lse_dagster.project import ArchivedProject

SHA256_METADATA: Final = "sha256"


def recorded_sha256(instance: dg.DagsterInstance, day: date, owner: Owner) -> str | None:
    """The hash that was recorded last for the owner's zip of the day."""
    made = latest_materializations(instance, "day_zip", [day], owner).values()
    seen = latest_observations(instance, "day_zip", day, owner)
    for record in sorted((*made, *seen), key=lambda record: record.timestamp, reverse=True):
        value = metadata_of(record).get(SHA256_METADATA)
        if value is not None and isinstance(value.value, str):
            return value.value
    return None


def observation(project: ArchivedProject, day: date, sha256: str, project_id: str) -> dg.AssetObservation:
    """The event that records the hash of a zip that was proved now."""
    return dg.AssetObservation(
        asset_key=project.key("day_zip"),
        partition=day.isoformat(),
        description="Every member was inflated and agrees with the summary inside.",
        metadata={SHA256_METADATA: sha256, **owner_metadata(project.configured_name, project_id)},
    )
