"""What Dagster remembers of a day's zip: the sha256 that its content had when it was made and proved.

The materialization of `day_zip` holds it. For a zip that another Dagster home made, whoever proves it again
logs an observation with it.
"""

from datetime import date
from typing import Final

import dagster as dg

SHA256_METADATA: Final = "sha256"


def recorded_sha256(instance: dg.DagsterInstance, key: dg.AssetKey, day: date) -> str | None:
    """The hash that was recorded last for the day; `key` is that of its `day_zip`."""
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[day.isoformat()])
    made = instance.fetch_materializations(wanted, limit=1).records
    seen = instance.fetch_observations(wanted, limit=1).records
    for record in sorted((*made, *seen), key=lambda record: record.timestamp, reverse=True):
        event = record.asset_materialization or record.asset_observation
        value = event.metadata.get(SHA256_METADATA) if event is not None else None
        if value is not None and isinstance(value.value, str):
            return value.value
    return None


def observation(key: dg.AssetKey, day: date, sha256: str) -> dg.AssetObservation:
    """The event that records the hash of a zip that was proved now."""
    return dg.AssetObservation(
        asset_key=key,
        partition=day.isoformat(),
        description="Every member was inflated and agrees with the summary inside.",
        metadata={SHA256_METADATA: sha256},
    )
