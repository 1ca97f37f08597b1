"""A Dagster home for the demo and `lse dev`: the instance's settings, and the pools set by name.

A pool that was never set by name can be overrun once by the first backfill, so both are set here.
"""

import shutil
from pathlib import Path

from lse_dagster.assets import DRIVE_POOL, LANGSMITH_POOL

_POOL_LIMITS = {LANGSMITH_POOL: 1, DRIVE_POOL: 2}


def prepare_home(home: Path, dagster_yaml: Path) -> None:
    """Make `home` a DAGSTER_HOME with the settings of `dagster_yaml`; what it holds already stays."""
    from dagster import DagsterInstance

    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(dagster_yaml, home / "dagster.yaml")
    with DagsterInstance.from_config(str(home)) as instance:
        for pool, limit in _POOL_LIMITS.items():
            instance.event_log_storage.set_concurrency_slots(pool, limit)
