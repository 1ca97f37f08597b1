"""`lse health`: one line and an exit code for monitoring, from this machine or from another one."""

from lse_dagster.cli.health.command import health

__all__ = ["health"]
