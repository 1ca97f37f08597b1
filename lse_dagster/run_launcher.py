"""The name by which the `dagster.yaml` of existing Dagster homes knows the launcher."""

from lse_dagster.defs.running.run_launcher import CodeServerRunLauncher

__all__ = ["CodeServerRunLauncher"]
