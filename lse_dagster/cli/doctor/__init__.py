"""`lse doctor`: what is configured, what answers, what is missing, and the next step for each.

A check is a function that returns findings; `command.py` runs them side by side, so none hides another.
"""

from lse_dagster.cli.doctor.command import doctor

__all__ = ["doctor"]
